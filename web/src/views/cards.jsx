import { useState } from 'preact/hooks';
import { t, t_or, money, day, number, clock } from '../i18n.js';
import { Icon } from '../icons.jsx';

// A colour of its own for each shop, from its name.
export function ShopMark({ name, origin }) {
  let sum = 0;
  for (const ch of origin || name) sum = (sum * 31 + ch.codePointAt(0)) % 9973;
  return <span class={`shop-mark mark-${sum % 6}`} aria-hidden="true">{[...name][0]}</span>;
}

// The merchant's picture, by way of our own server. One that does not come leaves no gap.
export function Picture({ id, title, kind }) {
  const [gone, set_gone] = useState(false);
  if (!id || gone) return null;
  return <img class={`picture picture-${kind}`} src={`/api/pictures/${encodeURIComponent(id)}`} alt={title} width="96" height="96" loading="lazy" decoding="async" onError={() => set_gone(true)} />;
}

export const option_name = (key) => t_or(`opt_${key.toLowerCase()}`, key);

// What a dated place is read by, in this order; other options stay as they come.
const READ = ['date', 'starts', 'ends', 'end_date', 'opens', 'closes', 'class', 'room', 'guests', 'passenger', 'seats'];
const place = ([key]) => READ.indexOf(key) + 1 || READ.length + 1;

export function Options({ options }) {
  const list = Object.entries(options ?? {}).sort((a, b) => place(a) - place(b));
  if (!list.length) return null;
  return <ul class="options">{list.map(([k, v]) => <li key={k}><span>{option_name(k)}</span> {String(v)}</li>)}</ul>;
}

function Line({ name, children, minus }) {
  return <div class={`line ${minus ? 'line-minus' : ''}`}><dt>{name}</dt><dd>{children}</dd></div>;
}

// When a dated place is, and for how many.
function When({ travel }) {
  const { starts, ends, end_date } = travel;
  const hours = [starts, ends].filter(Boolean).join(' – '), days = end_date && end_date !== travel.date ? `${day(travel.date)} – ${day(end_date)}` : day(travel.date);
  return (
    <>
      <li><Icon name="clock" size={15} />{days} {travel.kind === 'stay' ? t('nights', { n: travel.nights, rooms: travel.rooms }) : hours}</li>
      <li><Icon name="user" size={15} />{t('party', { adults: travel.adults, children: travel.children })}</li>
    </>
  );
}

function Card({ card, best, on_choose }) {
  const c = card, off = c.discount_minor > 0;
  return (
    <li class={`card ${best ? 'card-best' : ''}`}>
      <div class="card-top">
        <ShopMark name={c.shop_name} origin={c.origin} /><span class="card-shop">{c.shop_name}</span>
        {best ? <span class="badge">{t('cheapest')}</span> : <span class="card-number">{t('offer_n', { n: c.number })}</span>}
      </div>
      <Picture id={c.picture_id} title={c.title} kind="card" />
      <h4 class="card-title" title={c.title}>{c.title}</h4>
      <div class="card-price">
        <strong>{money(c.total_minor, c.currency)}</strong>
        {off && <span class="card-tag"><span class="sr-only">{t('tag_price')} </span><s>{money(c.subtotal_minor, c.currency)}</s></span>}
      </div>
      <dl class="lines">
        <Line name={c.quantity > 1 ? `${t('items')} × ${c.quantity}` : t('items')}>{money(c.subtotal_minor, c.currency)}</Line>
        {off && <Line minus name={c.coupon ? `${t('coupon')} ${c.coupon.code}` : t('discount')}>−{money(c.discount_minor, c.currency)}</Line>}
        {c.fees_minor ? <Line minus={c.fees_minor < 0} name={t(c.fees_minor < 0 ? 'discount' : 'fees')}>{money(c.fees_minor, c.currency)}</Line> : null}
        {c.total_from === 'unknown_delivery' && <Line name={t('delivery')}>{t('delivery_unknown')}</Line>}
        {c.delivery && <Line name={t('delivery')}>{c.delivery.fee_minor ? `+${money(c.delivery.fee_minor, c.currency)}` : t('delivery_free')}</Line>}
      </dl>
      <ul class="facts">
        {c.travel ? <When travel={c.travel} /> : <li><Icon name="truck" size={15} />{c.delivery?.date ? t('arrives', { date: day(c.delivery.date) }) : t('no_date')}</li>}
        {c.rating > 0 && <li class="stars"><Icon name="star" size={15} /><span aria-label={t('rating', { rating: c.rating })}>{c.rating}</span><span class="muted">{t('reviews', { n: number(c.n_reviews ?? 0) })}</span></li>}
        {c.stock === 0 && <li class="bad">{t('stock_out')}</li>}
        {c.stock > 0 && c.stock < 10 && <li class="warn">{t('stock_left', { n: c.stock })}</li>}
      </ul>
      <Options options={c.options} />
      {c.why && <p class="card-why">{c.why}</p>}
      {c.total_from === 'expected' && <p class="card-why">{t('delivery_expected')}</p>}
      {c.also_at?.length > 0 && <p class="card-why">{t('also_at', { shops: c.also_at.map((o) => `${o.shop_name} ${money(o.total_minor, c.currency)}`).join(', ') })}</p>}
      {c.warnings?.map((w) => <p key={w} class="card-warning"><Icon name="alert" size={14} />{w}</p>)}
      <div class="card-bottom">
        <span class="muted">{t('checked', { time: clock(c.checked_ms) })}</span>
        {on_choose && <button class="button button-small" onClick={() => on_choose(t('choose_text', { n: c.number }))}>{t('choose')}</button>}
      </div>
    </li>
  );
}

export function Cards({ part, on_choose }) {
  return (
    <section class="offers" aria-label={t('offers_label', { n: part.cards.length })}>
      <ol class="cards" tabindex={0}>
        {part.cards.map((c) => <Card key={c.number} card={c} best={c.number === part.cheapest} on_choose={on_choose} />)}
      </ol>
      {part.reason && <p class="reason"><Icon name="check" size={16} /><span>{part.reason}</span></p>}
    </section>
  );
}
