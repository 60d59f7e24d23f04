import { useEffect, useState } from 'preact/hooks';
import { t, money } from '../i18n.js';
import { hand_over_check } from '../actions.js';
import { Icon } from '../icons.jsx';
import { Lines } from './approval.jsx';
import { ShopMark } from './cards.jsx';

// The host that a link really leads to; null: no page that we send anybody to.
export function host_of(url) {
  try {
    const { protocol, host } = new URL(url);
    return protocol === 'https:' || protocol === 'http:' ? host : null;
  } catch { return null; }
}

// A way out of this page, with its real host beside it.
export function WayOut({ url, label }) {
  const host = host_of(url);
  if (!host) return <p class="bad">{t('ho_no_page')}</p>;
  return <a class="button button-main" href={url} target="_blank" rel="noopener noreferrer">{t(label)} <span class="link-host">{host}</span></a>;
}

// A purchase that is finished at the merchant's own page: where, under which number, what is left, and what became of it.
export function HandOver({ chat, hand_over: h }) {
  const [busy, set_busy] = useState(false);
  const open = h.state === 'open';
  const check = async () => {
    set_busy(true);
    await hand_over_check(chat, h.id);
    set_busy(false);
  };
  useEffect(() => {
    if (!open) return undefined;
    const back = () => { if (!document.hidden) check(); };
    document.addEventListener('visibilitychange', back);
    return () => document.removeEventListener('visibilitychange', back);
  }, [open, h.id]);
  return (
    <section class={`approval hand-over ho-${h.state}`} aria-label={t('ho_title')}>
      <header class="ap-head">
        <span class={`ap-icon ${open ? 'ap-icon-unknown' : h.state === 'completed' ? 'ap-icon-completed' : ''}`}><Icon name={open ? 'home' : h.state === 'completed' ? 'check' : 'close'} /></span>
        <b class="ap-name">{t('ho_title')}</b><span class="ap-total">{money(h.total_minor, h.currency)}</span>
        <span class={`pill st-${open ? 'unknown' : h.state === 'completed' ? 'completed' : 'failed'}`}>{t(`ho_${h.state}`)}</span>
      </header>
      <dl class="terms">
        <div class="term"><dt>{t('ap_merchant')}</dt><dd><div class="merchant"><ShopMark name={h.merchant.name} origin={h.merchant.origin} /><b>{h.merchant.name}</b></div><span class="muted"><code>{h.merchant.origin}</code> · {t('ap_claim')}</span></dd></div>
        <div class="term"><dt>{t('ap_items')}</dt><dd><Lines lines={h.lines} currency={h.currency} /></dd></div>
        <div class="term"><dt>{t(h.merchant_order_id ? 'rc_theirs' : 'ho_checkout')}</dt><dd><code class="print">{h.merchant_order_id ?? h.checkout_id}</code></dd></div>
        <div class="term"><dt>{t('ho_host')}</dt><dd><code>{host_of(h.url) ?? h.url}</code>{h.foreign_host && <div class="warn">{t('ho_foreign')}</div>}</dd></div>
        <div class="term"><dt>{t('ho_left')}</dt><dd>{open ? <>{t('ho_pay', { total: money(h.total_minor, h.currency) })}{h.left?.map((x) => <div key={x} class="muted">{t('ho_says', { text: x })}</div>)}</> : t('ho_nothing')}</dd></div>
      </dl>
      <footer class="ap-foot">
        <span class="ap-clock">{t('ho_not_here')}</span>
        <div class="buttons">
          {open && <button class="button" data-do="check" disabled={busy} onClick={check}>{busy && <span class="spinner" />}{t('ho_check')}</button>}
          {open && <WayOut url={h.url} label="ho_go" />}
          {h.state === 'completed' && h.order_url && <WayOut url={h.order_url} label="ho_order" />}
        </div>
      </footer>
    </section>
  );
}
