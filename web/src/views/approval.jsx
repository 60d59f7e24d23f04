import { Component } from 'preact';
import { useState } from 'preact/hooks';
import { server_now_ms, state } from '../store.js';
import { decide, approvals_refresh, approval_edit, go, profile_load } from '../actions.js';
import { terms_fingerprint } from '../jcs.js';
import { t, t_or, money, day } from '../i18n.js';
import { Icon } from '../icons.jsx';
import { Options, Picture, ShopMark } from './cards.jsx';
import { WayOut } from './handover.jsx';
import { HoldButton } from './hold.jsx';
import { Variants } from './variants.jsx';

const ARMED_MS = 30_000;
const STATE_ICON = { pending: 'shield', approved: 'clock', completing: 'clock', completed: 'check', failed: 'alert', unknown: 'alert', refused: 'close', expired: 'clock', superseded: 'info' };

function Row({ name, children }) {
  return <div class="term"><dt>{name}</dt><dd>{children}</dd></div>;
}

export const at_the_door = (terms) => terms.instrument?.kind === 'on_delivery';

export function Totals({ totals, total_minor, currency }) {
  const lines = totals.filter((x) => x.type !== 'total');
  return (
    <dl class="lines totals">
      {lines.map((x, i) => {
        const minus = /discount/.test(x.type) || x.amount_minor < 0;
        return (
          <div key={i} class={`line ${minus ? 'line-minus' : ''}`}>
            <dt>{x.text || t_or(`type_${x.type}`, x.type)}</dt>
            <dd>{minus ? '−' : ''}{money(Math.abs(x.amount_minor), currency)}</dd>
          </div>
        );
      })}
      <div class="line line-total"><dt>{t('total')}</dt><dd>{money(total_minor, currency)}</dd></div>
    </dl>
  );
}

export function Address({ address }) {
  const a = address ?? {};
  return <address><b>{a.name}</b> {a.phone}<br />{a.street?.includes(a.city) ? a.street : [a.city, a.street].filter(Boolean).join(' ')}</address>;
}

function Wallet({ wallet, total_minor }) {
  if (!wallet) return null;
  const after = wallet.balance_minor - total_minor;
  return (
    <span class={after < 0 ? 'bad' : 'muted'}>
      {t('ap_balance', { balance: money(wallet.balance_minor, wallet.currency) })} · {after < 0 ? t('ap_balance_low') : t('ap_balance_after', { balance: money(after, wallet.currency) })}
    </span>
  );
}

export function Lines({ lines, currency, pictures }) {
  return (
    <ul class="items">
      {lines.map((l, i) => (
        <li key={l.item_id}>
          <Picture id={pictures?.[i]} title={l.title} kind="line" />
          <div><b>{l.title}</b><Options options={l.options} /></div>
          <span class="items-price">{money(l.unit_minor, currency)} × {l.quantity}</span>
        </li>
      ))}
    </ul>
  );
}

// The payment method; while it waits, another one may be taken, which makes new terms.
function PayWith({ approval, on_change }) {
  const { instrument, merchant } = approval.terms;
  const others = [...(merchant.sandbox ? state.profile?.instruments ?? [] : []), ...(approval.on_delivery ? [{ id: 'on_delivery', label: t('kind_on_delivery') }] : [])];
  if (!on_change || others.length < 2) return instrument.label;
  return (
    <select class="input pay-with" aria-label={t('ap_pay')} value={instrument.id} onChange={(e) => on_change({ instrument_id: e.target.value })}>
      {others.map((x) => <option key={x.id} value={x.id}>{x.id === instrument.id ? instrument.label : x.label}</option>)}
    </select>
  );
}

const shown_value = (field, v, currency) => (v === null || v === undefined ? t('df_none') : /_minor$/.test(field) ? money(v, currency) : typeof v === 'object' ? Object.values(v).filter((x) => typeof x !== 'object').join(' ') || JSON.stringify(v) : String(v));

// Old beside new: of an edit, or of what the merchant changed after the approval.
export function Diff({ approval }) {
  if (!approval.diff?.length) return null;
  const { currency } = approval.terms;
  return (
    <div class="table-box diff">
      <table class="ledger">
        <thead><tr><th>{t(approval.state === 'failed' ? 'df_later' : 'df_edit')}</th><th>{t('df_old')}</th><th>{t('df_new')}</th></tr></thead>
        <tbody>{approval.diff.map((x) => <tr key={x.field}><td><code>{x.field}</code></td><td>{shown_value(x.field, x.old, currency)}</td><td><b>{shown_value(x.field, x.new, currency)}</b></td></tr>)}</tbody>
      </table>
    </div>
  );
}

export function split_codes(text) { return text.split(/[\s,，]+/).filter(Boolean); }

// Each change goes to the merchant, and comes back as new terms.
export function Edits({ approval, on_change, busy }) {
  const [open, set_open] = useState(false);   // once; what was chosen inside stays
  const { terms, deliveries } = approval, sent = !!terms.fulfilment.address.street; // else a dated place: nobody is added, nothing is sent
  const submit = (e) => {
    e.preventDefault();
    const form = new FormData(e.currentTarget), changes = {};
    const quantity = Number(form.get('quantity')), codes = split_codes(form.get('codes')), a = terms.fulfilment.address, street = form.get('street')?.trim(), city = form.get('city')?.trim();
    if (terms.lines.length === 1 && quantity && quantity !== terms.lines[0].quantity) changes.quantity = quantity;
    if (codes.join() !== (terms.discounts ?? []).join()) changes.codes = codes;
    if (form.get('delivery') && form.get('delivery') !== terms.fulfilment.id) changes.delivery_id = form.get('delivery');
    if (street && (street !== a.street || city !== a.city)) changes.address = { ...a, street, city };
    if (Object.keys(changes).length) on_change(changes);
  };
  return (
    <details class="ap-edit" onToggle={() => set_open(true)}>
      <summary>{t('ed_title')}</summary>
      {open && <Variants approval={approval} on_change={on_change} busy={busy} />}
      <form class="grid2" onSubmit={submit}>
        {sent && terms.lines.length === 1 && <label class="field">{t('ed_quantity')}<input class="input" name="quantity" type="number" min="1" max="999" defaultValue={terms.lines[0].quantity} /></label>}
        {deliveries?.length > 1 && <label class="field">{t('ap_delivery')}<select class="input" name="delivery" defaultValue={terms.fulfilment.id}>{deliveries.map((d) => <option key={d.id} value={d.id} selected={d.id === terms.fulfilment.id}>{d.title} · {money(d.fee_minor, terms.currency)}{d.date && ` · ${day(d.date)}`}</option>)}</select></label>}
        <label class="field">{t('ap_codes')}<input class="input" name="codes" defaultValue={(terms.discounts ?? []).join(' ')} /></label>
        {sent && <label class="field">{t('pf_city')}<input class="input" name="city" defaultValue={terms.fulfilment.address.city} /></label>}
        {sent && <label class="field">{t('pf_street')}<input class="input" name="street" defaultValue={terms.fulfilment.address.street} /></label>}
        <button class="button" type="submit" aria-label={t('ed_apply')} disabled={busy}>{t('ed_apply')}</button>
      </form>
    </details>
  );
}

const gives_back = (approval) => approval.kind === 'cancel' || approval.kind === 'return';

// What a change gives for what it takes: the old places beside the new ones.
function Given({ terms }) {
  const { change, currency } = terms;
  if (!change) return null;
  return (
    <>
      <Row name={t('rc_theirs')}><code class="print">{change.merchant_order_id}</code></Row>
      <Row name={t('ch_old')}>{change.lines.map((l) => <div key={l.line_id}>{l.title} × {l.quantity} · {money(l.amount_minor, currency)}</div>)}</Row>
      <Row name={t('bk_fee')}>{money(change.fee_minor, currency)}</Row>
      {change.back_minor > 0 && <Row name={t('bk_back')}><b>{money(change.back_minor, currency)}</b></Row>}
      <Row name={t('ch_rule')}>{change.policy || t('ap_none')}</Row>
    </>
  );
}

// A cancellation or a return: what comes back, and where to.
function BackTerms({ approval }) {
  const { terms } = approval;
  return (
    <dl class="terms">
      <Row name={t('ap_merchant')}><b>{terms.merchant.name}</b> <span class="muted"><code>{terms.merchant.origin}</code></span></Row>
      <Row name={t('rc_theirs')}><code class="print">{terms.order.merchant_order_id}</code></Row>
      <Row name={t('ap_items')}>{terms.lines.map((l) => <div key={l.line_id}>{l.title} × {l.quantity}</div>)}</Row>
      <Row name={t('bk_back')}><b>{money(terms.back_minor, terms.currency)}</b></Row>
      <Row name={t('bk_fee')}>{money(terms.fee_minor, terms.currency)}</Row>
      <Row name={t('bk_to')}>{terms.back_to.label}</Row>
      <Row name={t('ap_refund')}>{terms.policy || t('ap_none')}</Row>
    </dl>
  );
}

export function Terms({ approval, print, on_change }) {
  const { terms } = approval, street = terms.fulfilment?.address?.street;
  if (gives_back(approval)) return <BackTerms approval={approval} />;
  return (
    <dl class="terms">
      <Row name={t('ap_merchant')}>
        <div class="merchant"><ShopMark name={terms.merchant.name} origin={terms.merchant.origin} /><b>{terms.merchant.name}</b></div>
        <span class="muted"><code>{terms.merchant.origin}</code> · {t('ap_claim')}</span>
      </Row>
      <Given terms={terms} />
      <Row name={t(terms.change ? 'ch_new' : 'ap_items')}>
        <Lines lines={terms.lines} currency={terms.currency} pictures={approval.pictures} />
        <Totals totals={terms.totals} total_minor={terms.total_minor} currency={terms.currency} />
      </Row>
      {terms.discounts?.length > 0 && <Row name={t('ap_codes')}>{terms.discounts.map((c) => <code key={c} class="code-chip">{c}</code>)}</Row>}
      {terms.travelers && <Row name={t('ap_travelers')}>{terms.travelers.map((p) => <div key={p.name}>{p.name} <span class="muted">{t(p.kind === 'child' ? 'pf_child' : 'pf_adult')}</span></div>)}</Row>}
      <Row name={t('ap_delivery')}>{terms.fulfilment?.method}{street && <><br /><span class="muted">{terms.fulfilment?.date ? t('arrives', { date: day(terms.fulfilment.date) }) : t('no_date')}</span></>}</Row>
      <Row name={t('ap_ship_to')}>
        {street ? <Address address={terms.fulfilment.address} /> : <span class="muted">{t('ap_nothing_sent')}</span>}
        {approval.demo_profile && <span class="demo"><Icon name="info" size={14} />{t('ap_demo')} {approval.state === 'pending' && <button class="link" onClick={() => go('/profile')}>{t('ap_demo_edit')}</button>}</span>}
      </Row>
      <Row name={t('ap_pay')}><PayWith approval={approval} on_change={on_change} /><br /><Wallet wallet={approval.state === 'pending' ? approval.wallet : null} total_minor={terms.total_minor} />
        {at_the_door(terms) && <div class="note note-warning"><Icon name="truck" size={16} /><span>{t('od_note', { total: money(terms.total_minor, terms.currency) })}</span></div>}
      </Row>
      <Row name={t('ap_refund')}>{terms.refund_rule || t('ap_none')}</Row>
      <Row name={t('ap_print')}>
        <code class="print">{approval.terms_hash.slice(0, 16)}…</code>
        {print === true && <span class="good"><Icon name="check" size={14} />{t('ap_print_ok')}</span>}
      </Row>
    </dl>
  );
}

export function time_left(ms) {
  const s = Math.max(0, Math.ceil(ms / 1000));
  return `${Math.floor(s / 60)}:${String(s % 60).padStart(2, '0')}`;
}

// The exact terms, and the one place on the page that spends money. Two
// separate acts: the first button only arms; the second must be held.
export class Approval extends Component {
  state = { armed: false, sent: '', print: null, now_ms: server_now_ms() };

  componentDidMount() {
    this.timer = setInterval(() => this.tick(), 1000);
    this.check_print();
    if (this.props.approval.state === 'pending' && !state.profile) profile_load().then(() => this.forceUpdate());
  }
  componentDidUpdate(before, was) {
    if (before.approval.terms_hash !== this.printed) this.check_print();
    if (this.state.armed && !was.armed) this.foot.scrollIntoView({ block: 'nearest' });
  }
  componentWillUnmount() { clearInterval(this.timer); clearTimeout(this.disarm); }

  tick() {
    const { approval } = this.props;
    if (approval.state !== 'pending') { clearInterval(this.timer); return; }
    this.setState({ now_ms: server_now_ms() });
  }

  // What is shown must be what is signed.
  async check_print() {
    const { approval } = this.props;
    this.printed = approval.terms_hash;
    const hex = await terms_fingerprint(approval.terms);
    this.setState({ print: hex === null ? null : hex === approval.terms_hash.toLowerCase() });
  }

  arm = () => {
    this.setState({ armed: true });
    clearTimeout(this.disarm);
    this.disarm = setTimeout(() => this.setState({ armed: false }), ARMED_MS);
  };
  unarm = () => { clearTimeout(this.disarm); this.setState({ armed: false }); };
  answer = async (decision) => {
    if (this.state.sent) return;
    this.setState({ sent: decision });
    await decide(this.props.chat, this.props.approval, decision);
    this.setState({ sent: '', armed: false });
  };

  change = async (changes) => {
    this.setState({ sent: 'change', armed: false });
    await approval_edit(this.props.chat, this.props.approval, changes);
    this.setState({ sent: '' });
  };

  buttons(total, low) {
    const { terms } = this.props.approval;
    const { armed, sent, print } = this.state;
    const act = gives_back(this.props.approval) ? 'bk' : terms.change?.back_minor ? 'ch' : at_the_door(terms) ? 'od' : 'ap';
    if (print === false) {
      return (
        <>
          <p class="note note-error" role="alert"><Icon name="alert" size={16} /><span>{t('ap_print_bad')}</span></p>
          <div class="buttons"><button class="button" disabled={!!sent} onClick={() => this.answer('refuse')}>{t('ap_refuse')}</button></div>
        </>
      );
    }
    if (!armed) {
      return (
        <div class="buttons">
          <button class="button" data-do="refuse" disabled={!!sent} onClick={() => this.answer('refuse')}>{t('ap_refuse')}</button>
          <button class="button button-main" data-do="review" disabled={!!sent || low} onClick={this.arm}>{t('ap_review')}</button>
        </div>
      );
    }
    return (
      <div class="armed" role="group" aria-label={t('ap_title')}>
        <p class="armed-text">{t(`${act}_armed`, { merchant: terms.merchant.name, instrument: terms.instrument.label })}</p>
        <div class="buttons">
          <button class="button" data-do="back" disabled={!!sent} onClick={this.unarm}>{t('ap_back')}</button>
          <HoldButton label={t(`${act}_hold`, { total })} holding={t('ap_holding')} busy={!!sent} on_held={() => this.answer('approve')} />
        </div>
        <p class="armed-hint">{t('ap_hold_hint')}</p>
      </div>
    );
  }

  render({ approval, chat }, { now_ms, print }) {
    const { terms } = approval;
    const left_ms = approval.expires_ms - now_ms;
    const shown = approval.state === 'pending' && left_ms <= 0 ? 'expired' : approval.state;
    const bought = !approval.kind || approval.kind === 'purchase', back_minor = terms.change?.back_minor || terms.back_minor;
    const total = money(back_minor || (gives_back(approval) ? 0 : terms.total_minor), terms.currency);
    const low = !!approval.wallet && approval.wallet.balance_minor < terms.total_minor;
    const head = (
      <>
        <span class={`ap-icon ap-icon-${shown}`}><Icon name={STATE_ICON[shown]} /></span>
        <span class="ap-name">{!bought ? t(`bk_${approval.kind}`) : shown === 'pending' ? t('ap_title') : terms.lines[0]?.title}</span>
        <strong class="ap-total">{total}</strong>
        <span class={`pill st-${shown}`}>{t(`st_${shown}`)}</span>
      </>
    );
    if (shown !== 'pending') {
      const why = (shown === 'failed' && approval.failure_code && t_or(`fail_${approval.failure_code}`, '')) || (shown === 'failed' && approval.failure) || t_or(`ap_x_${shown}`, '');
      return (
        <section class={`approval ap-${shown}`} aria-label={`${t('ap_title')}: ${t(`st_${shown}`)}`}>
          <details>
            <summary class="ap-head">{head}<Icon name="chevron" size={14} /></summary>
            <Terms approval={approval} print={print} />
          </details>
          {shown === 'failed' && <Diff approval={approval} />}
          {approval.by === 'permission' && <p class="ap-why">{t('pm_by')}</p>}
          {shown === 'unknown' && approval.needs && <div class="ap-why"><span>{t('ho_needs', { merchant: terms.merchant.name })}</span><WayOut url={approval.needs.url} label="ho_go" /></div>}
          {why && <p class="ap-why" role="status">{['approved', 'completing'].includes(shown) && <span class="spinner" />}{why}
            {shown === 'unknown' && <> <button class="link" onClick={() => approvals_refresh(chat)}>{t('ap_check')}</button></>}</p>}
        </section>
      );
    }
    return (
      <section class="approval ap-pending" aria-label={t('ap_title')}>
        <header class="ap-head">{head}</header>
        {terms.merchant.sandbox && <p class="ap-sandbox"><Icon name="info" size={14} />{t('ap_sandbox')}</p>}
        <Diff approval={approval} />
        <Terms approval={approval} print={print} on_change={bought ? this.change : null} />
        {bought && <Edits key={approval.id} approval={approval} on_change={this.change} busy={!!this.state.sent} />}
        <footer class="ap-foot" ref={(el) => { this.foot = el; }}>
          <span class={`ap-clock ${left_ms < 60_000 ? 'warn' : ''}`}><Icon name="clock" size={15} />{t('ap_expires', { left: time_left(left_ms) })}</span>
          {this.buttons(total, low)}
        </footer>
      </section>
    );
  }
}
