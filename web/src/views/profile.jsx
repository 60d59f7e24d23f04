import { useEffect, useLayoutEffect, useState } from 'preact/hooks';
import { state, toast } from '../store.js';
import { profile_load, profile_save } from '../actions.js';
import { t, money } from '../i18n.js';
import { Icon } from '../icons.jsx';

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

export function Profile() {
  const [form, set_form] = useState(state.profile);
  useEffect(() => { if (state.session && !state.profile) profile_load(); }, [state.session]);
  useLayoutEffect(() => { if (state.profile) set_form(state.profile); }, [state.profile]); // at once: later it could undo what is being typed
  if (!form) return <main class="scroll page" id="main"><p class="loading"><span class="spinner" />{t('loading')}</p></main>;

  const put = (path, value) => set_form((now) => with_path(now, path, value));
  const split = typeof form.address === 'object' && form.address !== null;
  const street = split ? 'address.street' : 'address';
  const save = (e) => {
    e.preventDefault();
    if (!form.name?.trim() || !form.phone?.trim() || !String(at_path(form, street)).trim()) { toast(t('pf_required')); return; }
    profile_save({ ...form, demo: false });
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
        <Passengers {...f} />
        <Instruments {...f} />
        <div class="buttons"><button class="button button-main" type="submit">{t('pf_save')}</button></div>
      </form>
    </main>
  );
}
