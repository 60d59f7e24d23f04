import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { state } from '../store.js';
import { send, stop } from '../actions.js';
import { draft_read, draft_write } from '../prefs.js';
import { t } from '../i18n.js';
import { Icon } from '../icons.jsx';

const MODEL_NAMES = { '1.5b': 'Qwen2.5-Coder 1.5B', '0.5b': 'Qwen2.5-Coder 0.5B' };
const in_fence = (text) => (text.match(/^```/gm) ?? []).length % 2 === 1;

function model_line() {
  const m = state.session?.model;
  if (!m) return '';
  const name = m.name.split('/').pop().replace(/\.gguf$/, '');   // a local model may be named by its path
  return t(m.local ? 'model_local' : 'model_remote', { name: MODEL_NAMES[name] ?? name });
}

export function Composer({ chat_id, busy_turn, on_sent, fill }) {
  const ref = useRef(null), composing = useRef(false), sending = useRef(false);
  const [text, set_text] = useState(() => draft_read(chat_id));

  const put = (next) => { set_text(next); draft_write(chat_id, next); };
  useEffect(() => {
    if (fill) { put(fill.text); ref.current.focus(); }
  }, [fill]);
  useEffect(() => { if (matchMedia('(min-width: 768px)').matches) ref.current.focus(); }, []);
  useLayoutEffect(() => {
    const el = ref.current;
    el.style.height = 'auto';
    el.style.height = `${Math.min(el.scrollHeight, innerHeight * 0.4)}px`;
  }, [text]);

  const submit = async () => {
    const what = text.trim();
    if (!what || busy_turn || sending.current) return;
    sending.current = true;
    put('');
    on_sent?.();
    if (!await send(what, chat_id)) put(what);
    sending.current = false;
  };

  // Enter while an input method composes picks a candidate; it never sends.
  const key = (e) => {
    if (e.key !== 'Enter' || e.shiftKey || e.isComposing || composing.current || e.keyCode === 229) return;
    if (in_fence(text.slice(0, ref.current.selectionStart))) return;
    e.preventDefault();
    submit();
  };
  // Safari ends the composition before it reports the Enter that ended it.
  const compose = (on) => () => { if (on) composing.current = true; else setTimeout(() => { composing.current = false; }, 30); };

  return (
    <div class="composer-place">
      <form class="composer" onSubmit={(e) => { e.preventDefault(); submit(); }}>
        <textarea ref={ref} rows={1} value={text} placeholder={t('ask')} aria-label={t('composer_label')} enterkeyhint="send"
          onInput={(e) => put(e.target.value)} onKeyDown={key} onCompositionStart={compose(true)} onCompositionEnd={compose(false)} />
        <div class="composer-row">
          <span class="composer-model">{model_line()}</span>
          {busy_turn
            ? <button type="button" class="send stop" aria-label={t('stop')} title={t('stop')} onClick={() => stop(busy_turn)}><Icon name="stop" size={20} /></button>
            : <button type="submit" class="send" aria-label={t('send')} title={t('send')} disabled={!text.trim()}><Icon name="send" size={20} /></button>}
        </div>
      </form>
      <p class="composer-hint">{busy_turn && text.trim() ? t('busy_hint') : t('composer_hint')}</p>
    </div>
  );
}
