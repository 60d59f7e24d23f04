import { useEffect } from 'preact/hooks';
import { state } from '../store.js';
import { spending_load } from '../actions.js';
import { t, t_or, money, month } from '../i18n.js';

const WAYS = ['month', 'merchant', 'category'];

function What({ row }) {
  if (row.month) return month(row.month);
  if (row.merchant) return <>{row.merchant.name}<br /><code class="muted">{row.merchant.origin}</code></>;
  const name = (key) => t_or(`cat_${key}`, key);
  return row.category ? name(row.category) : <>{t('sp_unknown')}{row.claimed && <span class="muted"><br />{t('sp_claimed', { claim: name(row.claimed) })}</span>}</>;
}

// What was spent, less what came back; each currency by itself.
export function Spending() {
  const { spending } = state, by = spending?.by ?? 'month';
  useEffect(() => { if (state.session && !state.spending) spending_load('month'); }, [state.session, state.spending]);
  if (spending?.by === 'month' && spending.rows?.length === 0) return null;
  const rows = spending?.rows ?? [];
  const most = (currency) => Math.max(1, ...rows.filter((r) => r.currency === currency).map((r) => r.net_minor));
  return (
    <section class="ledger-part spending">
      <div class="spending-head">
        <h2>{t('spending')}</h2>
        <div class="ways" role="group" aria-label={t('spending')}>
          {WAYS.map((w) => <button key={w} class={`way ${w === by ? 'way-on' : ''}`} aria-pressed={w === by} onClick={() => spending_load(w)}>{t(`sp_${w}`)}</button>)}
        </div>
      </div>
      <div class="table-box">
        <table class="ledger">
          <thead><tr><th>{t(`sp_${by}`)}</th><th class="num">{t('sp_orders')}</th><th class="num">{t('sp_spent')}</th><th class="num">{t('rc_refunded')}</th><th class="num">{t('sp_net')}</th></tr></thead>
          <tbody>
            {rows.map((r, i) => (
              <tr key={i}>
                <td><What row={r} /></td><td class="num">{r.n_orders}</td><td class="num">{money(r.spent_minor, r.currency)}</td>
                <td class="num">{r.refunded_minor ? money(r.refunded_minor, r.currency) : '–'}</td>
                <td class="num"><b>{money(r.net_minor, r.currency)}</b>{r.on_delivery_minor > 0 && <div class="muted">+ {money(r.on_delivery_minor, r.currency)} {t('kind_on_delivery')}</div>}<meter min="0" max={most(r.currency)} value={Math.max(0, r.net_minor)} aria-hidden="true" /></td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {spending?.ok === false && <p class="bad" role="alert">{t('sp_bad')}</p>}
    </section>
  );
}
