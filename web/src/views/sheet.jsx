import { useEffect, useState } from 'preact/hooks';
import { state } from '../store.js';
import { receipt_load } from '../actions.js';
import { t, t_or, money, day, moment } from '../i18n.js';
import { Icon } from '../icons.jsx';
import { Address, Totals } from './approval.jsx';
import { Options } from './cards.jsx';
import { order_status } from './receipt.jsx';
import { Link } from './rail.jsx';

const who = (by) => t_or(`rp_by_${by}`, by);

function Row({ name, children }) {
  return <div class="term"><dt>{name}</dt><dd>{children}</dd></div>;
}

function Items({ lines, currency }) {
  return (
    <table class="rp-items">
      <thead><tr><th>{t('ap_items')}</th><th class="num">{t('rp_unit')}</th><th class="num">{t('ed_quantity')}</th><th class="num">{t('lg_amount')}</th></tr></thead>
      <tbody>
        {lines.map((l) => (
          <tr key={l.item_id}><td>{l.title}<Options options={l.options} /></td><td class="num">{money(l.unit_minor, currency)}</td><td class="num">{l.quantity}</td><td class="num">{money(l.amount_minor, currency)}</td></tr>
        ))}
      </tbody>
    </table>
  );
}

const Moves = ({ list, currency }) => list.map((m) => <div key={m.entry_id}>{money(m.amount_minor, currency)} <span class="muted">{moment(m.time_ms)}</span></div>);

function Approved({ approval }) {
  return (
    <div>
      {moment(approval.time_ms)} · {who(approval.by)}<br />
      <code class="print">{approval.terms_hash}</code>
      <span class={approval.signed ? 'good' : 'bad'}><Icon name={approval.signed ? 'check' : 'alert'} size={14} />{t(approval.signed ? 'rp_signed' : 'rp_unsigned')}</span>
    </div>
  );
}

function Returns({ list, currency }) {
  return list.map((r) => (
    <Row key={r.approval.id} name={t(`bk_${r.kind}`)}>
      {t('bk_back')} {money(r.back_minor, currency)} · {t('bk_fee')} {money(r.fee_minor, currency)}
      <Approved approval={r.approval} />
    </Row>
  ));
}

function Checks({ receipt }) {
  if (receipt.ok) return <p class="rp-sums good"><Icon name="check" size={16} />{t('rp_ok')}</p>;
  return receipt.checks.filter((c) => !c.ok).map((c) => <p key={c.check} class="rp-sums bad" role="alert"><Icon name="alert" size={16} />{t('rp_bad')} {t_or(`chk_${c.check}`, c.check)}</p>);
}

function Sheet({ receipt: r }) {
  return (
    <article class="rp" aria-label={t('receipt')}>
      <header class="rp-head">
        <div><h2>{t('receipt')}</h2><b>{r.merchant.name}</b><br /><code>{r.merchant.origin}</code> · {t('ap_claim')}</div>
        <div class="rp-stands"><span>{t('rp_stands')}</span><strong>{money(r.stands_minor, r.currency)}</strong><span class={`pill or-${r.status}`}>{order_status(r)}</span></div>
      </header>
      {r.merchant.sandbox && <p class="ap-sandbox"><Icon name="info" size={15} />{t('ap_sandbox')}</p>}
      <Items lines={r.lines} currency={r.currency} />
      <div class="rp-totals"><Totals totals={r.totals} total_minor={r.total_minor} currency={r.currency} /></div>
      <dl class="terms">
        <Row name={t('rc_theirs')}><code class="print">{r.merchant_order_id}</code></Row>
        <Row name={t('rc_ours')}><code class="print">{r.id}</code></Row>
        <Row name={t('rp_placed')}>{moment(r.placed_ms)}</Row>
        {r.discounts?.length > 0 && <Row name={t('ap_codes')}>{r.discounts.map((c) => <code key={c} class="code-chip">{c}</code>)}</Row>}
        {r.delivery?.title && <Row name={t('ap_delivery')}>{r.delivery.title} {r.delivery.date && <span class="muted">{t('arrives', { date: day(r.delivery.date) })}</span>}</Row>}
        {r.address && <Row name={t('ap_ship_to')}><Address address={r.address} /></Row>}
        <Row name={t('rc_paid')}>{r.instrument.label}<Moves list={r.payments} currency={r.currency} /></Row>
        {r.on_delivery_minor > 0 && <Row name={t('od_due')}><b>{money(r.on_delivery_minor, r.currency)}</b></Row>}
        {r.refunds.length > 0 && <Row name={t('rc_refunded')}><Moves list={r.refunds} currency={r.currency} /></Row>}
        {r.fees_minor > 0 && <Row name={t('bk_fee')}>{money(r.fees_minor, r.currency)}</Row>}
        <Returns list={r.returns} currency={r.currency} />
        <Row name={t('rp_approval')}><Approved approval={r.approval} /></Row>
        <Row name={t('ap_refund')}>{r.refund_rule || t('ap_none')}</Row>
      </dl>
      <Checks receipt={r} />
    </article>
  );
}

// One order on one sheet of paper: from the ledger and the signed approval, checked by the server.
export function ReceiptSheet() {
  const { order_id } = state.route;
  const [receipt, set_receipt] = useState(undefined);
  useEffect(() => { if (state.session) receipt_load(order_id).then(set_receipt); }, [state.session, order_id]);
  return (
    <main class="scroll page" id="main">
      <div class="sheet">
        {receipt === undefined && <p class="loading"><span class="spinner" />{t('loading')}</p>}
        {receipt === null && <div class="nothing"><Icon name="box" size={34} /><h2>{t('rp_none')}</h2></div>}
        {receipt && <Sheet receipt={receipt} />}
        <div class="buttons no-print">
          <Link to="/orders" class="button">{t('rc_view')}</Link>
          {receipt && <button class="button button-main" onClick={() => window.print()}>{t('rp_print')}</button>}
        </div>
      </div>
    </main>
  );
}
