// keys.js: shortcuts of the whole page. None of them spends money.
import { go } from './actions.js';
import { state, changed } from './store.js';

export const focus_composer = () => document.querySelector('.composer textarea')?.focus();

document.addEventListener('keydown', (e) => {
  if (e.isComposing || e.keyCode === 229) return;
  const ctrl = e.ctrlKey || e.metaKey;
  if (ctrl && e.shiftKey && e.code === 'KeyO') { e.preventDefault(); go('/'); focus_composer(); }
  else if (ctrl && !e.shiftKey && e.code === 'KeyB') { e.preventDefault(); state.rail_open = !state.rail_open; changed(); }
  else if (e.key === 'Escape' && e.shiftKey) focus_composer();
  else if (e.key === 'Escape' && state.rail_open) { state.rail_open = false; changed(); }
});
