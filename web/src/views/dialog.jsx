import { useEffect, useRef } from 'preact/hooks';
import { state, changed } from '../store.js';
import { t } from '../i18n.js';

// A question before something that cannot be undone. The browser's own dialog
// keeps the focus inside and gives it back.
export function Dialog({ title, text, action, run }) {
  const ref = useRef(null);
  useEffect(() => {
    const el = ref.current, before = document.activeElement;
    el.showModal();
    return () => { el.close(); before?.focus?.(); };
  }, []);
  const close = () => { state.dialog = null; changed(); };
  return (
    <dialog ref={ref} class="dialog" aria-labelledby="dialog-title" onClose={close} onClick={(e) => e.target === ref.current && close()}>
      <div class="dialog-box">
        <h2 id="dialog-title">{title}</h2>
        <p>{text}</p>
        <div class="buttons">
          <button class="button" onClick={close} autofocus>{t('cancel')}</button>
          <button class="button button-danger" onClick={() => { close(); run(); }}>{action}</button>
        </div>
      </div>
    </dialog>
  );
}
