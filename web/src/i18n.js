// i18n.js: words by key from one table per language; numbers, money and dates by Intl.
import { prefs } from './prefs.js';
import { zh } from './words.zh.js';
import { en } from './words.en.js';

const TABLES = { zh, en };
const locale = () => (prefs.lang === 'zh' ? 'zh-CN' : 'en-GB');

export function t(key, vars) {
  const text = TABLES[prefs.lang][key];
  if (text === undefined) return key;
  return vars ? text.replace(/\{(\w+)\}/g, (_, name) => vars[name] ?? '') : text;
}
// A word that may have no translation: a tool's name, an option's name.
export const t_or = (key, fallback) => TABLES[prefs.lang][key] ?? fallback;

const cache = new Map();
function intl(kind, opts) {
  const key = locale() + kind.name + JSON.stringify(opts);
  if (!cache.has(key)) cache.set(key, new kind(locale(), opts));
  return cache.get(key);
}

export function money(minor, currency) {
  const fmt = intl(Intl.NumberFormat, { style: 'currency', currency, currencyDisplay: 'narrowSymbol' });
  return fmt.format(minor / 10 ** fmt.resolvedOptions().maximumFractionDigits);
}
export const number = (n) => intl(Intl.NumberFormat, {}).format(n);

const DAY = { weekday: 'short', month: 'short', day: 'numeric' };
// "2026-11-26" is a day, not an instant: no zone may move it.
export function day(date) {
  const m = /^(\d{4})-(\d\d)-(\d\d)$/.exec(date ?? '');
  return m ? intl(Intl.DateTimeFormat, { ...DAY, timeZone: 'UTC' }).format(Date.UTC(m[1], m[2] - 1, m[3])) : (date ?? '');
}
export function month(text) {
  const m = /^(\d{4})-(\d\d)$/.exec(text ?? '');
  return m ? intl(Intl.DateTimeFormat, { year: 'numeric', month: 'long', timeZone: 'UTC' }).format(Date.UTC(m[1], m[2] - 1, 1)) : (text ?? '');
}
export const moment = (ms) => intl(Intl.DateTimeFormat, { ...DAY, hour: '2-digit', minute: '2-digit' }).format(ms);
export const clock = (ms) => intl(Intl.DateTimeFormat, { hour: '2-digit', minute: '2-digit' }).format(ms);
export const seconds = (ms) => (ms < 1000 ? `${ms} ms` : `${intl(Intl.NumberFormat, { maximumFractionDigits: 1 }).format(ms / 1000)} s`);

// Today, yesterday, or the month: headings of the chat list.
export function age(ms, now_ms) {
  const start = new Date(now_ms).setHours(0, 0, 0, 0);
  if (ms >= start) return t('today');
  if (ms >= start - 86_400_000) return t('yesterday');
  if (ms >= start - 6 * 86_400_000) return t('this_week');
  return intl(Intl.DateTimeFormat, { year: 'numeric', month: 'long' }).format(ms);
}
