import { t, money, day, moment } from '../i18n.js';
import { Icon } from '../icons.jsx';
import { Address, Lines, Totals, at_the_door } from './approval.jsx';
import { Link } from './rail.jsx';

const OPEN_STATES = { placed: 'placed', processing: 'processing', fulfilled: 'fulfilled', canceled: 'canceled', refunded: 'refunded' };
export const order_status = (order) => t(`or_status_${OPEN_STATES[order.status] ?? 'placed'}`);

export function OrderFacts({ order }) {
  return (
    <dl class="terms">
      <div class="term"><dt>{t('rc_ours')}</dt><dd><code class="print">{order.id}</code></dd></div>
      <div class="term"><dt>{t('rc_theirs')}</dt><dd><code class="print">{order.merchant_order_id}</code></dd></div>
      <div class="term"><dt>{t('ap_merchant')}</dt><dd><b>{order.merchant.name}</b> <span class="muted"><code>{order.merchant.origin}</code></span></dd></div>
      <div class="term"><dt>{t('ap_items')}</dt><dd><Lines lines={order.lines} currency={order.currency} /><Totals totals={order.totals} total_minor={order.total_minor} currency={order.currency} /></dd></div>
      <div class="term"><dt>{t(at_the_door(order) ? 'od_due' : 'rc_paid')}</dt><dd><b>{money(order.total_minor, order.currency)}</b> · {order.instrument.label}</dd></div>
      {order.refunded_minor > 0 && <div class="term"><dt>{t('rc_refunded')}</dt><dd><b>{money(order.refunded_minor, order.currency)}</b></dd></div>}
      {order.delivery && <div class="term"><dt>{t('ap_delivery')}</dt><dd>{order.delivery.title} {order.delivery.date && <span class="muted">{t('arrives', { date: day(order.delivery.date) })}</span>}</dd></div>}
      {order.address && <div class="term"><dt>{t('ap_ship_to')}</dt><dd><Address address={order.address} /></dd></div>}
    </dl>
  );
}

export function Receipt({ order }) {
  return (
    <section class="receipt" aria-label={t('rc_title')}>
      <header class="rc-head">
        <span class="rc-tick"><Icon name="check" size={22} /></span>
        <div><b>{t('rc_title')}</b><span class="muted">{moment(order.placed_ms)}</span></div>
        <span class={`pill or-${order.status}`}>{order_status(order)}</span>
      </header>
      <OrderFacts order={order} />
      <footer><Link to="/orders" class="link">{t('rc_view')}</Link><Link to={`/orders/${order.id}/receipt`} class="link">{t('receipt')}</Link></footer>
    </section>
  );
}
