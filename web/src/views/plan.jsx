import { Component } from 'preact';
import { server_now_ms, state } from '../store.js';
import { plan_decide, plan_change, plan_renew, plans_refresh, approval_edit, go, order_back, profile_load } from '../actions.js';
import { terms_fingerprint } from '../jcs.js';
import { t, t_or, money, day } from '../i18n.js';
import { Icon } from '../icons.jsx';
import { ShopMark } from './cards.jsx';
import { HoldButton } from './hold.jsx';
import { Terms, Edits, Diff, time_left } from './approval.jsx';

const ARMED_MS = 30_000, RENEW_MS = 300_000;
const OPEN = ['approved', 'completing', 'undoing'];
const HEAD_ICON = { pending: 'shield', completed: 'check', undone: 'close', partial: 'alert', refused: 'close', expired: 'clock' };
const PART_ICON = { stands: 'check', refunded: 'check', released: 'close', failed: 'alert', unknown: 'alert', waiting: 'clock', working: 'clock' };
const sums = (totals) => Object.entries(totals ?? {}).map(([currency, minor]) => money(minor, currency)).join(' + ');

// What giving a part back costs, should another fail.
function undo_text({ undo, terms }) {
  if (!undo) return t('pl_undo_never');
  if (undo.fee_minor === null) return t('pl_undo_unknown');
  return undo.fee_minor ? t('pl_undo_fee', { fee: money(undo.fee_minor, terms.currency) }) : t('pl_undo_free');
}

function part_title({ terms }) {
  const more = terms.lines.length - 1;
  return `${terms.lines[0]?.title ?? ''}${terms.lines[0]?.quantity > 1 ? ` × ${terms.lines[0].quantity}` : ''}${more > 0 ? t('pl_more', { n: more }) : ''}`;
}

// The day, what the merchant says of the line (hours, class, seats), and who goes.
function when_who({ terms }) {
  const date = terms.fulfilment?.date;
  return [date && day(date), ...Object.values(terms.lines[0]?.options ?? {}), terms.travelers?.map((p) => p.name).join('、')].filter(Boolean).join(' · ');
}

// One part as it is agreed to; its terms unfold, and are edited there.
function Part({ approval, number, on_change, busy }) {
  const { terms } = approval, changing = approval.state === 'pending' ? on_change : null;
  return (
    <li class="pl-part">
      <div class="pl-row">
        <span class="pl-number">{number}</span>
        <div class="pl-what">
          <b>{part_title(approval)}</b>
          <span class="merchant muted"><ShopMark name={terms.merchant.name} origin={terms.merchant.origin} />{terms.merchant.name}{when_who(approval) && ` · ${when_who(approval)}`}</span>
        </div>
        <strong class="pl-sum">{money(terms.total_minor, terms.currency)}</strong>
      </div>
      <p class="pl-undo"><Icon name={approval.undo ? 'info' : 'alert'} size={14} />{t('pl_undo')}{undo_text(approval)}</p>
      <details class="pl-terms">
        <summary>{t('pl_terms')}</summary>
        <Diff approval={approval} />
        <Terms approval={approval} on_change={changing} />
        {changing && <Edits key={approval.id} approval={approval} on_change={changing} busy={busy} />}
      </details>
    </li>
  );
}

function Result({ part, number, chat }) {
  const paid = part.state === 'stands' ? money(part.paid_minor, part.currency) : part.state !== 'refunded' ? '' : t(part.fee_minor ? 'pl_back' : 'pl_back_all', { back: money(part.back_minor, part.currency), fee: money(part.fee_minor, part.currency) });
  const why = part.state === 'failed' ? t_or(`fail_${part.why}`, '') : part.why && ['stands', 'unknown'].includes(part.state) ? t_or(`pl_why_${part.why}`, '') : '';
  return (
    <li class={`pl-part pl-${part.state}`}>
      <div class="pl-row">
        <span class={`pl-mark pl-mark-${part.state}`}>{part.state === 'working' ? <span class="spinner" role="img" aria-label={t('pl_st_working')} /> : <Icon name={PART_ICON[part.state] ?? 'info'} size={16} />}</span>
        <div class="pl-what">
          <b>{number}. {part.title}{part.n_lines > 1 && t('pl_more', { n: part.n_lines - 1 })}</b>
          <span class="muted">{part.merchant.name}{part.merchant_order_id && <> · {t('rc_theirs')} <code>{part.merchant_order_id}</code></>}</span>
          {why && <span class="pl-note">{why}</span>}
          {part.state === 'unknown' && <span class="pl-note">{t('pl_do_wait')}</span>}
          {part.state === 'stands' && part.what_can_be_done === 'order_page' && part.why && <span class="pl-note">{t('pl_do_order_page')}</span>}
        </div>
        <div class="pl-end">
          <span class={`pill pl-pill-${part.state}`}>{t(`pl_st_${part.state}`)}</span>
          {paid && <strong class="pl-sum">{paid}</strong>}
          {part.state === 'stands' && part.what_can_be_done === 'cancel' && part.why && <button class="link" onClick={() => order_back({ id: part.order_id, chat_id: chat.id }, 'cancel')}>{t('bk_cancel')}</button>}
        </div>
      </div>
    </li>
  );
}

function Cost({ totals }) {
  return (
    <dl class="lines totals pl-cost">
      {Object.entries(totals).map(([currency, s]) => (
        <div key={currency}>
          <div class="line"><dt>{t('pl_paid')}</dt><dd>{money(s.paid_minor, currency)}</dd></div>
          {s.back_minor > 0 && <div class="line line-minus"><dt>{t('rc_refunded')}</dt><dd>−{money(s.back_minor, currency)}</dd></div>}
          {s.unknown_minor > 0 && <div class="line"><dt>{t('pl_unknown')}</dt><dd>{money(s.unknown_minor, currency)}</dd></div>}
          <div class="line line-total"><dt>{t('pl_cost')}</dt><dd>{money(s.cost_minor, currency)}</dd></div>
        </div>
      ))}
    </dl>
  );
}

// Several purchases on one sheet: seen whole, answered once. As with a single
// one, the first button only arms and the second must be held.
export class Plan extends Component {
  state = { armed: false, sent: '', print: null, now_ms: server_now_ms() };

  componentDidMount() {
    this.timer = setInterval(() => this.tick(), 1000);
    this.check_print();
    if (this.props.plan.state === 'pending' && !state.profile) profile_load().then(() => this.forceUpdate());
  }
  componentDidUpdate(before, was) {
    if (this.props.plan.sheet_hash !== this.printed) this.check_print();
    if (this.state.armed && !was.armed) this.foot.scrollIntoView({ block: 'nearest' });
  }
  componentWillUnmount() { clearInterval(this.timer); clearTimeout(this.disarm); }

  tick() {
    if (this.props.plan.state !== 'pending') { clearInterval(this.timer); return; }
    this.setState({ now_ms: server_now_ms() });
  }

  // What is shown must be what is signed: each part's terms, and the sheet over them.
  async check_print() {
    const { plan } = this.props;
    this.printed = plan.sheet_hash;
    const prints = await Promise.all(plan.approvals.map((a) => terms_fingerprint(a.terms)));
    const sheet = { on_failure: plan.on_failure, parts: plan.approvals.map((a) => ({ terms_hash: a.terms_hash, undo_fee_minor: a.undo?.fee_minor ?? null })) };
    const hex = await terms_fingerprint(sheet);
    this.setState({ print: hex === null ? null : hex === plan.sheet_hash && prints.every((p, i) => p === plan.approvals[i].terms_hash) });
  }

  arm = () => {
    this.setState({ armed: true });
    clearTimeout(this.disarm);
    this.disarm = setTimeout(() => this.setState({ armed: false }), ARMED_MS);
  };
  unarm = () => { clearTimeout(this.disarm); this.setState({ armed: false }); };
  doing = async (what, run) => {
    if (this.state.sent) return;
    this.setState({ sent: what, armed: what === 'approve' && this.state.armed });
    await run();
    this.setState({ sent: '', armed: false });
  };
  answer = (decision) => this.doing(decision, () => plan_decide(this.props.chat, this.props.plan, decision));
  change = (approval) => (changes) => this.doing('change', () => approval_edit(this.props.chat, approval, changes));

  buttons(total, low) {
    const { armed, sent, print } = this.state;
    const refuse = <button class="button" data-do="refuse" disabled={!!sent} onClick={() => this.answer('refuse')}>{t('ap_refuse')}</button>;
    if (print === false) return <><p class="note note-error" role="alert"><Icon name="alert" size={16} /><span>{t('ap_print_bad')}</span></p><div class="buttons">{refuse}</div></>;
    if (!armed) return <div class="buttons">{refuse}<button class="button button-main" data-do="review" disabled={!!sent || low} onClick={this.arm}>{t('ap_review')}</button></div>;
    return (
      <div class="armed" role="group" aria-label={t('pl_title')}>
        <p class="armed-text">{t('pl_armed', { n: this.props.plan.approvals.length })}</p>
        <div class="buttons">
          <button class="button" data-do="back" disabled={!!sent} onClick={this.unarm}>{t('ap_back')}</button>
          <HoldButton label={t('ap_hold', { total })} holding={t('ap_holding')} busy={!!sent} on_held={() => this.answer('approve')} />
        </div>
        <p class="armed-hint">{t('ap_hold_hint')}</p>
      </div>
    );
  }

  // A wallet pays all its parts together.
  wallet_is_low() {
    const parts = this.props.plan.approvals.filter((a) => a.wallet);
    return parts.length > 0 && parts.reduce((n, a) => n + a.terms.total_minor, 0) > parts[0].wallet.balance_minor;
  }

  sheet(left_ms, total) {
    const { plan, chat } = this.props, { sent, print } = this.state, low = this.wallet_is_low();
    return (
      <>
        {plan.approvals.some((a) => a.terms.merchant.sandbox) && <p class="ap-sandbox"><Icon name="info" size={14} />{t('ap_sandbox')}</p>}
        <ol class="pl-parts">{plan.approvals.map((a, i) => <Part key={a.id} approval={a} number={i + 1} busy={!!sent} on_change={this.change(a)} />)}</ol>
        <fieldset class="pl-choice" disabled={!!sent}>
          <legend>{t('pl_if_fails')}</legend>
          {['undo', 'keep'].map((way) => (
            <label key={way} class={way === plan.on_failure ? 'pl-chosen' : ''}>
              <input type="radio" name={`on_failure_${plan.id}`} checked={way === plan.on_failure} onChange={() => this.doing('change', () => plan_change(chat, plan, way))} />
              <span><b>{t(`pl_way_${way}`)}</b> {t(`pl_way_${way}_text`)}</span>
            </label>
          ))}
        </fieldset>
        <dl class="lines totals pl-cost"><div class="line line-total"><dt>{t('pl_whole', { n: plan.approvals.length })}</dt><dd>{total}</dd></div></dl>
        <p class="pl-print"><code class="print">{plan.sheet_hash.slice(0, 16)}…</code>{print === true && <span class="good"><Icon name="check" size={14} />{t('ap_print_ok')}</span>}</p>
        <footer class="ap-foot" ref={(el) => { this.foot = el; }}>
          <span class={`ap-clock ${left_ms < 60_000 ? 'warn' : ''}`}><Icon name="clock" size={15} />{t('ap_expires', { left: time_left(left_ms) })}
            {left_ms < RENEW_MS && <button class="link" data-do="renew" disabled={!!sent} onClick={() => this.doing('change', () => plan_renew(chat, plan))}>{t('pl_renew')}</button>}</span>
          {low && <span class="bad">{t('ap_balance_low')}</span>}
          {this.buttons(total, low)}
        </footer>
      </>
    );
  }

  render({ plan, chat }, { now_ms }) {
    const left_ms = plan.expires_ms - now_ms;
    const shown = plan.state === 'pending' && left_ms <= 0 ? 'expired' : plan.state;
    const total = sums(plan.totals), open = OPEN.includes(shown);
    return (
      <section class={`approval plan ap-${shown}`} aria-label={`${t('pl_title')}: ${t(`pl_is_${shown}`)}`}>
        <header class="ap-head">
          <span class={`ap-icon ap-icon-${{ partial: 'unknown', undone: 'failed' }[shown] ?? shown}`}><Icon name={HEAD_ICON[shown] ?? 'clock'} /></span>
          <span class="ap-name">{plan.title || t('pl_title')}</span>
          <strong class="ap-total">{total}</strong>
          <span class={`pill st-${{ partial: 'unknown', undone: 'failed', undoing: 'completing' }[shown] ?? shown}`}>{t(`pl_is_${shown}`)}</span>
        </header>
        {shown === 'pending' && this.sheet(left_ms, total)}
        {plan.result && (
          <>
            <p class="pl-say" role="status">{open && <span class="spinner" />}{t(`pl_say_${shown}`)}
              {open && plan.result.parts.some((p) => p.state === 'unknown') && <> <button class="link" onClick={() => plans_refresh(chat)}>{t('ap_check')}</button></>}</p>
            <ol class="pl-parts">{plan.result.parts.map((p, i) => <Result key={p.approval_id} part={p} number={i + 1} chat={chat} />)}</ol>
            <Cost totals={plan.result.totals} />
            <details class="pl-terms"><summary>{t('pl_terms_all')}</summary>{plan.approvals.map((a) => <Terms key={a.id} approval={a} />)}</details>
            {plan.result.parts.some((p) => p.order_id) && <p class="pl-orders"><button class="link" onClick={() => go('/orders')}>{t('rc_view')}</button></p>}
          </>
        )}
        {!plan.result && shown !== 'pending' && <p class="ap-why" role="status">{t(`ap_x_${shown}`)}</p>}
      </section>
    );
  }
}
