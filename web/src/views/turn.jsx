import { Component } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { MarkdownStream } from '../markdown.js';
import { toast } from '../store.js';
import { t, t_or, seconds, number } from '../i18n.js';
import { plan_holds } from '../model.js';
import { Icon } from '../icons.jsx';
import { Cards } from './cards.jsx';
import { Approval } from './approval.jsx';
import { Plan } from './plan.jsx';
import { HandOver } from './handover.jsx';
import { Receipt } from './receipt.jsx';
import { Question } from './question.jsx';

function Markdown({ text }) {
  const ref = useRef(null), stream = useRef(null);
  useLayoutEffect(() => {
    stream.current ??= new MarkdownStream(ref.current);
    stream.current.set(text);
  }, [text]);
  return <div class="prose" ref={ref} />;
}

function Thinking({ part, on_unfold }) {
  if (!part.reasoning) return null;
  const line = part.reasoning.trim().split('\n').at(-1);
  return (
    <details class="fold" onToggle={on_unfold}>
      <summary><Icon name="bulb" size={16} /><span class="fold-name">{t(part.live && !part.text ? 'thinking_now' : 'thought')}</span><span class="fold-target">{line}</span><Icon name="chevron" size={14} /></summary>
      <div class="fold-body"><pre class="reasoning">{part.reasoning}</pre></div>
    </details>
  );
}

// The reason stands under the cards; a text that repeats it does not say it twice.
// While it streams, its last paragraph may be the reason's beginning.
function without(reasons, text, live) {
  if (!reasons.length) return text;
  const paragraphs = text.split('\n\n');
  return paragraphs.filter((p, i) => {
    const said = p.trim(), open = live && i === paragraphs.length - 1;
    return !said || !reasons.some((r) => (open ? r.startsWith(said) : r === said));
  }).join('\n\n');
}

function Text({ part, reasons, on_unfold }) {
  const text = without(reasons, part.text, part.live);
  return (
    <div class={`said ${part.live ? 'live' : ''}`} aria-busy={part.live}>
      <Thinking part={part} on_unfold={on_unfold} />
      {text.trim() && <Markdown text={text} />}
    </div>
  );
}

const TOOL_ICON = { search_offers: 'search', get_offer: 'tag', start_checkout: 'cart', order_status: 'truck' };
const plain = (value) => (typeof value === 'string' ? value : JSON.stringify(value));

function target_of(args) {
  const first = args && (args.query ?? args.q ?? args.title ?? Object.values(args).find((v) => typeof v === 'string'));
  return first ? plain(first) : '';
}

// What the folded row says: the query and how many each shop offered, else the summary.
function tool_line({ args, result }) {
  const target = target_of(args);
  if (!result) return target;
  if (result.shops?.length) return [target, ...result.shops.map((s) => `${s.name} ${s.ok ? s.n_offers : t('shop_failed')}`)].filter(Boolean).join(' · ');
  return result.summary && result.summary !== 'ok' ? result.summary : target;
}

function Tool({ part, over, on_unfold }) {
  const { result } = part;
  const now = result ? (result.ok ? 'ok' : 'failed') : over ? 'failed' : 'running';
  return (
    <details class={`fold tool tool-${now}`} onToggle={on_unfold}>
      <summary>
        <Icon name={TOOL_ICON[part.name] ?? 'search'} size={16} />
        <span class="fold-name">{t_or(`tool_${part.name}`, part.name)}</span>
        <span class="fold-target">{tool_line(part)}</span>
        {now === 'running' ? <span class="spinner" role="img" aria-label={t('tool_running')} /> : <span class={`state state-${now}`}>{t(`tool_${now}`)}</span>}
        {result && <span class="fold-ms">{seconds(result.ms)}</span>}
        <Icon name="chevron" size={14} />
      </summary>
      <div class="fold-body">
        <h4>{t('tool_args')}</h4>
        <dl class="args">{Object.entries(part.args ?? {}).map(([k, v]) => <div key={k}><dt>{k}</dt><dd>{plain(v)}</dd></div>)}</dl>
        {result?.shops?.length > 0 && (
          <>
            <h4>{t('tool_shops')}</h4>
            <ul class="shops">
              {result.shops.map((s) => (
                <li key={s.shop_id} class={s.ok ? '' : 'shop-bad'}><Icon name={s.ok ? 'check' : 'alert'} size={14} /><b>{s.name}</b> {s.ok ? t('shop_offers', { n: s.n_offers }) : (s.message || t('shop_failed'))}</li>
              ))}
            </ul>
          </>
        )}
        {result && <><h4>{t('tool_result')}</h4><p>{result.summary}</p></>}
        {result?.result !== undefined && <pre class="json">{JSON.stringify(result.result, null, 2)}</pre>}
      </div>
    </details>
  );
}

function Notice({ level, text }) {
  return <p class={`note note-${level}`}><Icon name={level === 'info' ? 'info' : 'alert'} size={16} /><span>{text}</span></p>;
}

function Progress({ turn }) {
  const p = turn.progress;
  const share = p?.n_total ? Math.min(1, p.n_done / p.n_total) : 0;
  return (
    <div class="progress" role="status">
      <span class="pulse" /><span>{p?.n_total ? t('prefill', { done: number(p.n_done), total: number(p.n_total) }) : t('preparing')}</span>
      {p?.n_total ? <progress max="1" value={share} aria-label={t('preparing')} /> : null}
    </div>
  );
}

async function copy(text) {
  try { await navigator.clipboard.writeText(text); toast(t('copied'), 'info'); } catch { toast(t('error_page')); }
}

function part_view(part, { turn, chat, last, busy, on_unfold, on_choose }, reasons) {
  switch (part.kind) {
    case 'text': return <Text key={part.message_id} part={part} reasons={reasons} on_unfold={on_unfold} />;
    case 'tool': return <Tool key={part.call_id} part={part} over={turn.state !== 'running'} on_unfold={on_unfold} />;
    case 'cards': return <Cards part={part} on_choose={last && !busy ? on_choose : null} />;
    case 'question': return <Question part={part} on_answer={last && !busy ? on_choose : null} />;
    case 'plan': return <Plan key={part.plan.id} chat={chat} plan={part.plan} v={part.v} />;
    case 'approval': return plan_holds(chat, part.approval) ? null : <Approval key={part.approval.id} chat={chat} approval={part.approval} v={part.v} />;
    case 'order': return plan_holds(chat, chat.approvals.get(part.order.approval_id)?.part.approval) ? null : <Receipt key={part.order.id} order={part.order} />;
    case 'hand_over': return <HandOver key={part.hand_over.id} chat={chat} hand_over={part.hand_over} />;
    case 'notice': return plan_holds(chat, chat.approvals.get(part.approval_id)?.part.approval) ? null : <Notice level={part.level} text={(part.failure_code && t_or(`fail_${part.failure_code}`, '')) || t_or(`notice_${part.code}`, '') || part.text} />;
    case 'error': return <Notice level="error" text={part.message} />;
    default: return null;
  }
}

// One request and what came of it. Redrawn only when its own version moves.
export class Turn extends Component {
  shouldComponentUpdate(next) {
    return ['turn', 'v', 'last', 'busy', 'lang'].some((k) => next[k] !== this.props[k]);
  }

  render(props) {
    const { turn, busy } = props;
    const quiet = !turn.parts.some((p) => (p.kind === 'text' && p.live && (p.text || p.reasoning)) || (p.kind === 'tool' && !p.result));
    const reasons = turn.parts.filter((p) => p.kind === 'cards' && p.reason).map((p) => p.reason.trim());
    const words = turn.parts.filter((p) => p.kind === 'text').map((p) => p.text).join('\n\n').trim();
    return (
      <article class={`turn ${busy ? 'busy' : ''}`}>
        {turn.user !== null && (
          <div class={`asked ${turn.pending ? 'pending' : ''}`}><h3 class="sr-only">{t('you')}</h3><p>{turn.user}</p></div>
        )}
        <div class="answer">
          <h3 class="sr-only">{t('assistant')}</h3>
          {turn.parts.map((part) => part_view(part, props, reasons))}
          {busy && quiet && <Progress turn={turn} />}
          {turn.state === 'cancelled' && <p class="note note-quiet"><Icon name="stop" size={16} />{t('turn_cancelled')}</p>}
          {turn.state === 'failed' && !turn.parts.some((p) => p.kind === 'error') && <Notice level="error" text={t('turn_failed')} />}
          {turn.state !== 'running' && words && (
            <div class="actions">
              <button class="icon-button" aria-label={t('copy')} title={t('copy')} onClick={() => copy(words)}><Icon name="copy" size={16} /></button>
              {turn.usage && <span class="usage">{t('usage', { tokens: number(turn.usage.tokens_decoded ?? 0), time: seconds(turn.usage.ms ?? 0) })}</span>}
            </div>
          )}
        </div>
      </article>
    );
  }
}
