import { state } from '../store.js';
import { order_back, orders_load } from '../actions.js';
import { t, money, moment } from '../i18n.js';
import { Icon } from '../icons.jsx';
import { OrderFacts, order_status } from './receipt.jsx';
import { Spending } from './spending.jsx';
import { Link } from './rail.jsx';

function Order({ order }) {
  return (
    <li>
      <details class="order">
        <summary>
          <span class="order-main"><b>{order.lines.map((l) => l.title).join(', ')}</b><span class="muted">{order.merchant.name} · {moment(order.placed_ms)}</span></span>
          <strong>{money(order.total_minor, order.currency)}</strong>
          <span class={`pill or-${order.status}`}>{order_status(order)}</span>
          <Icon name="chevron" size={14} />
        </summary>
        <OrderFacts order={order} />
        {order.chat_id && (
          <footer>
            <Link to={`/orders/${order.id}/receipt`} class="link">{t('receipt')}</Link>
            <Link to={`/chat/${order.chat_id}`} class="link">{t('or_open_chat')}</Link>
            {!['canceled', 'refunded'].includes(order.status) && <button class="link" onClick={() => order_back(order, order.status === 'fulfilled' ? 'return' : 'cancel')}>{t('bk_ask')}</button>}
          </footer>
        )}
      </details>
    </li>
  );
}

const SIGN = { capture: '−', refund: '+', opening: '+' };

function Ledger({ entries }) {
  if (!entries.length) return <p class="muted">{t('lg_none')}</p>;
  return (
    <div class="table-box">
      <table class="ledger">
        <thead><tr><th>{t('lg_time')}</th><th>{t('lg_kind')}</th><th class="num">{t('lg_amount')}</th><th>{t('lg_who')}</th></tr></thead>
        <tbody>
          {[...entries].reverse().map((e) => (
            <tr key={e.id}><td>{moment(e.time_ms)}</td><td>{t(`lg_${e.kind}`)}</td><td class="num">{SIGN[e.kind] ?? ''}{money(e.amount_minor, e.currency)}</td><td><code>{e.merchant_origin}</code></td></tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

export function Orders() {
  if (state.session && state.orders === null) orders_load();
  const { orders, ledger } = state;
  return (
    <main class="scroll page" id="main">
      <div class="sheet">
        {!orders && <p class="loading"><span class="spinner" />{t('loading')}</p>}
        {orders?.length === 0 && <div class="nothing"><Icon name="box" size={34} /><h2>{t('or_none')}</h2><p>{t('or_none_text')}</p></div>}
        {orders?.length > 0 && <ul class="orders">{orders.map((o) => <Order key={o.id} order={o} />)}</ul>}
        {orders?.length > 0 && <Spending />}
        {ledger?.length > 0 && <section class="ledger-part"><h2>{t('ledger')}</h2><Ledger entries={ledger} /></section>}
      </div>
    </main>
  );
}
