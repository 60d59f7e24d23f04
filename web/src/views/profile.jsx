import { useEffect, useLayoutEffect, useState } from 'preact/hooks';
import { state, toast } from '../store.js';
import { profile_load, profile_save, permissions_load, permission_end, permit } from '../actions.js';
import { t, money } from '../i18n.js';
import { Icon } from '../icons.jsx';
import { split_codes } from './approval.jsx';

// {a: {b: 1}} with path "a.b" set to a value, everything else shared.
function with_path(value, path, to) {
  const [head, ...rest] = path.split('.');
  const copy = Array.isArray(value) ? [...value] : { ...value };
  copy[head] = rest.length ? with_path(copy[head] ?? {}, rest.join('.'), to) : to;
  return copy;
}
const at_path = (value, path) => path.split('.').reduce((v, k) => v?.[k], value) ?? '';

function Field({ form, path, name, put, ...rest }) {
  return (
    <label class="field"><span>{name}</span>
      <input class="input" value={at_path(form, path)} onInput={(e) => put(path, e.target.value)} {...rest} />
    </label>
  );
}

function Passengers({ form, put }) {
  const list = form.passengers ?? [];
  return (
    <fieldset><legend>{t('pf_passengers')}</legend>
      {list.map((p, i) => (
        <div key={i} class="passenger" role="group" aria-label={p.name || t('pf_passengers')}>
          <Field form={form} path={`passengers.${i}.name`} name={t('pf_name')} put={put} />
          <label class="field"><span>{t('pf_type')}</span>
            <select class="input" value={p.type ?? 'adult'} onChange={(e) => put(`passengers.${i}.type`, e.target.value)}>
              {['adult', 'child'].map((k) => <option key={k} value={k}>{t(`pf_${k}`)}</option>)}
            </select>
          </label>
          <Field form={form} path={`passengers.${i}.document`} name={t('pf_document')} put={put} autocomplete="off" />
          <Field form={form} path={`passengers.${i}.birth_date`} name={t('pf_birth')} put={put} type="date" />
          <button type="button" class="icon-button" aria-label={`${t('pf_passenger_remove')}: ${p.name ?? ''}`} onClick={() => put('passengers', list.filter((_, k) => k !== i))}><Icon name="trash" size={16} /></button>
        </div>
      ))}
      <button type="button" class="button button-small" onClick={() => put('passengers', [...list, { name: '', type: 'adult', document: '', birth_date: '' }])}><Icon name="plus" size={16} />{t('pf_passenger_add')}</button>
    </fieldset>
  );
}

function Instruments({ form, put }) {
  const list = form.instruments ?? [];
  return (
    <fieldset><legend>{t('pf_instruments')}</legend>
      <ul class="instruments">
        {list.map((x) => (
          <li key={x.id}>
            <label class={`instrument ${x.default ? 'instrument-on' : ''}`}>
              <input type="radio" name="instrument" checked={!!x.default} onChange={() => put('instruments', list.map((y) => ({ ...y, default: y.id === x.id })))} />
              <Icon name={x.kind === 'wallet' ? 'wallet' : 'tag'} />
              <span><b>{x.label}</b><span class="muted">{t(`kind_${x.kind}`)}{x.balance_minor !== undefined ? ` · ${t('ap_balance', { balance: money(x.balance_minor, x.currency) })}` : ''}</span></span>
              {x.default && <span class="pill">{t('pf_default')}</span>}
            </label>
          </li>
        ))}
      </ul>
    </fieldset>
  );
}

// The user's word given beforehand: none by default, each with its limits and what it was used for.
function Permissions() {
  useEffect(() => { if (state.session && !state.permissions) permissions_load(); }, [state.session]);
  const list = (state.permissions ?? []).filter((p) => !p.revoked_ms);
  const minor = (v) => Math.round(Number(v) * 100);
  const add = (e) => {
    e.preventDefault();
    const f = new FormData(e.currentTarget), optional = (name) => (f.get(name) ? minor(f.get(name)) : null);
    permit({ currency: 'CNY', per_order_minor: minor(f.get('order')), per_day_minor: optional('day'), per_month_minor: optional('month'), merchant_origin: f.get('merchant').trim() || null });
    e.currentTarget.reset();
  };
  return (
    <form class="sheet permissions" onSubmit={add}>
      <h2>{t('pm_title')}</h2>
      <p class="muted">{t('pm_text')}</p>
      {list.length === 0 && <p>{t('pm_none')}</p>}
      <ul class="instruments">
        {list.map((p) => (
          <li key={p.id}>
            <b>{p.merchant_origin ?? t('pm_any')}</b> <span class="muted">{t('pm_order')} {money(p.per_order_minor, p.currency)}
              {p.per_day_minor !== null && ` · ${t('pm_day')} ${money(p.used_day_minor, p.currency)} / ${money(p.per_day_minor, p.currency)}`}
              {p.per_month_minor !== null && ` · ${t('pm_month')} ${money(p.used_month_minor, p.currency)} / ${money(p.per_month_minor, p.currency)}`} · {t('pm_uses', { n: p.uses.length })}</span>
            <button type="button" class="link" onClick={() => permission_end(p.id)}>{t('pm_end')}</button>
          </li>
        ))}
      </ul>
      <div class="grid2">
        <label class="field">{t('pm_order')} (CNY)<input class="input" name="order" type="number" min="0" step="0.01" required /></label>
        <label class="field">{t('pm_day')} (CNY)<input class="input" name="day" type="number" min="0" step="0.01" /></label>
        <label class="field">{t('pm_month')} (CNY)<input class="input" name="month" type="number" min="0" step="0.01" /></label>
        <label class="field">{t('pm_merchant')}<input class="input" name="merchant" placeholder="https://" /></label>
      </div>
      <div class="buttons"><button class="button" type="submit">{t('pm_add')}</button></div>
    </form>
  );
}

export function Profile() {
  const [form, set_form] = useState(state.profile);
  const [codes, set_codes] = useState(null);   // as typed; null: as stored
  useEffect(() => { if (state.session && !state.profile) profile_load(); }, [state.session]);
  useLayoutEffect(() => { if (state.profile) set_form(state.profile); }, [state.profile]); // at once: later it could undo what is being typed
  if (!form) return <main class="scroll page" id="main"><p class="loading"><span class="spinner" />{t('loading')}</p></main>;

  const put = (path, value) => set_form((now) => with_path(now, path, value));
  const split = typeof form.address === 'object' && form.address !== null;
  const street = split ? 'address.street' : 'address';
  const save = (e) => {
    e.preventDefault();
    if (!form.name?.trim() || !form.phone?.trim() || !String(at_path(form, street)).trim()) { toast(t('pf_required')); return; }
    profile_save({ ...form, ...(codes === null ? {} : { coupons: split_codes(codes) }), demo: false }).then((saved) => saved && set_codes(null));
  };
  const f = { form, put };
  return (
    <main class="scroll page" id="main">
      <form class="sheet profile" onSubmit={save}>
        <p class="muted">{t('pf_text')}</p>
        {form.demo && <p class="note note-warning"><Icon name="info" size={16} /><span>{t('pf_demo')}</span></p>}
        <fieldset><legend>{t('pf_contact')}</legend>
          <div class="grid2"><Field {...f} path="name" name={t('pf_name')} autocomplete="name" /><Field {...f} path="phone" name={t('pf_phone')} autocomplete="tel" inputmode="tel" /></div>
          <Field {...f} path={street} name={t(split ? 'pf_street' : 'pf_address')} autocomplete="street-address" />
          <div class="grid2">{split && <Field {...f} path="address.city" name={t('pf_city')} autocomplete="address-level2" />}<Field {...f} path="home_city" name={t('pf_home_city')} /></div>
        </fieldset>
        <fieldset><legend>{t('pf_sizes')}</legend>
          <div class="grid2"><Field {...f} path="sizes.shoes" name={t('pf_shoes')} /><Field {...f} path="sizes.clothes" name={t('pf_clothes')} /></div>
        </fieldset>
        <fieldset><legend>{t('pf_coupons')}</legend>
          <p class="muted">{t('pf_coupons_text')}</p>
          <label class="field"><span>{t('ap_codes')}</span><input class="input" name="coupons" value={codes ?? (form.coupons ?? []).join(' ')} onInput={(e) => set_codes(e.target.value)} autocomplete="off" /></label>
        </fieldset>
        <Passengers {...f} />
        <Instruments {...f} />
        <div class="buttons"><button class="button button-main" type="submit">{t('pf_save')}</button></div>
      </form>
      <Permissions />
    </main>
  );
}
