import { useState } from 'preact/hooks';
import { t, t_or } from '../i18n.js';
import { Icon } from '../icons.jsx';

const slot_name = (slot) => t_or(`slot_${slot.name}`, slot.name);
const TYPES = { date: 'date', qty: 'number' };

function answer_text(slots, values) {
  const given = slots.filter((s) => values[s.name]);
  if (given.length === 1) return values[given[0].name];
  return given.map((s) => `${slot_name(s)}: ${values[s.name]}`).join('\n');
}

function Slot({ slot, value, put }) {
  if (slot.enum?.length) {
    return (
      <fieldset class="field"><legend>{slot_name(slot)}</legend>
        <div class="chips">
          {slot.enum.map((v) => (
            <label key={v} class={`chip ${value === String(v) ? 'chip-on' : ''}`}>
              <input type="radio" name={slot.name} checked={value === String(v)} onChange={() => put(String(v))} />{v}
            </label>
          ))}
        </div>
      </fieldset>
    );
  }
  return (
    <label class="field"><span>{slot_name(slot)}</span>
      <input class="input" type={TYPES[slot.name] ?? 'text'} min={slot.name === 'qty' ? 1 : undefined} value={value ?? ''} onInput={(e) => put(e.target.value)} />
    </label>
  );
}

export function Question({ part, on_answer }) {
  const [values, set_values] = useState({});
  const text = answer_text(part.slots, values);
  const submit = (e) => { e.preventDefault(); if (text && on_answer) on_answer(text); };
  return (
    <form class="question" aria-label={t('q_title')} onSubmit={submit}>
      <p class="question-text"><Icon name="info" />{part.text}</p>
      {on_answer && (
        <>
          {part.slots.map((s) => <Slot key={s.name} slot={s} value={values[s.name]} put={(v) => set_values({ ...values, [s.name]: v })} />)}
          <div class="buttons"><button class="button button-main" type="submit" disabled={!text}>{t('q_send')}</button></div>
        </>
      )}
    </form>
  );
}
