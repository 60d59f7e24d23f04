import { useEffect, useState } from 'preact/hooks';
import { variants_load } from '../actions.js';
import { t, money } from '../i18n.js';
import { option_name } from './cards.jsx';

const fits = (variant, chosen) => Object.keys(variant.options).every((k) => variant.options[k] === chosen[k]);

// What one option may be, in the shop's order.
function values_of(variants, option) {
  const seen = new Map();
  for (const v of variants) if (v.options[option] !== undefined && !seen.has(v.options[option])) seen.set(v.options[option], v.labels?.[option] || v.options[option]);
  return [...seen];
}

// One line of the purchase: each option by itself, and the price that the choice has beside the price now.
function Line({ line, at, variants, on_change, busy }) {
  const now = variants.find((v) => v.item_id === line.item_id) ?? variants[0];
  const [chosen, set_chosen] = useState(now.options);
  const found = variants.find((v) => fits(v, chosen));
  const differs = found && found.item_id !== line.item_id;
  return (
    <form class="variants" onSubmit={(e) => { e.preventDefault(); if (differs) on_change({ item_id: found.item_id, line: at }); }}>
      {Object.keys(now.options).map((option) => (
        <label key={option} class="field">{option_name(option)}
          <select class="input" name={option} value={chosen[option]} onChange={(e) => set_chosen({ ...chosen, [option]: e.target.value })}>
            {values_of(variants, option).map(([value, label]) => <option key={value} value={value} selected={value === chosen[option]}>{label}</option>)}
          </select>
        </label>
      ))}
      <p class="variants-price" role="status">
        {!found && <span class="bad">{t('va_gone')}</span>}
        {differs && <>{t('va_price')} <s>{money(line.unit_minor, found.currency)}</s> <b>{money(found.unit_minor, found.currency)}</b> ({found.unit_minor === line.unit_minor ? t('va_same') : `${found.unit_minor > line.unit_minor ? '+' : '−'}${money(Math.abs(found.unit_minor - line.unit_minor), found.currency)}`})</>}
      </p>
      <button class="button button-small" type="submit" disabled={busy || !differs}>{t('va_pick')}</button>
    </form>
  );
}

// Asked of the merchant when it is opened.
export function Variants({ approval, on_change, busy }) {
  const [lists, set_lists] = useState(undefined);
  useEffect(() => { variants_load(approval).then(set_lists); }, [approval.id]);
  if (lists === undefined) return <p class="loading"><span class="spinner" /></p>;
  return (lists ?? []).map((variants, at) => variants.length > 1 && <Line key={at} line={approval.terms.lines[at]} at={at} variants={variants} on_change={on_change} busy={busy} />);
}
