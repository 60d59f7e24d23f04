// prefs.js: what this browser remembers: language, theme, unsent drafts.
import { changed } from './store.js';

function read(key) { try { return localStorage.getItem(key); } catch { return null; } }
function write(key, value) {
  try { if (value === null) localStorage.removeItem(key); else localStorage.setItem(key, value); } catch { /* private mode: this tab only */ }
}

export const prefs = {
  lang: read('rukou.lang') ?? (navigator.language.toLowerCase().startsWith('zh') ? 'zh' : 'en'),
  theme: read('rukou.theme') ?? 'auto',    // auto | light | dark
};

function apply() {
  document.documentElement.lang = prefs.lang === 'zh' ? 'zh-CN' : 'en';
  if (prefs.theme === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = prefs.theme;
}
apply();

export function pref_set(name, value) {
  prefs[name] = value;
  write(`rukou.${name}`, value);
  apply();
  changed();
}
// Another tab changed it: stay in step.
window.addEventListener('storage', (e) => {
  const name = e.key?.replace('rukou.', '');
  if (e.newValue && name in prefs) { prefs[name] = e.newValue; apply(); changed(); }
});

export const draft_read = (chat_id) => read(`rukou.draft.${chat_id ?? 'new'}`) ?? '';
export const draft_write = (chat_id, text) => write(`rukou.draft.${chat_id ?? 'new'}`, text || null);
