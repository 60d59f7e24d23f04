// store.js: what the page knows, and who wants to hear of a change.
// Everything is mutated in place; changed() asks for one redraw per frame.

export const state = {
  session: null,          // GET /api/session; null: not known yet
  signed_out: false,
  route: { view: 'chat', chat_id: null },
  link: 'connecting',     // connecting | live | lost
  chats: [],              // newest first
  models: new Map(),      // chat_id -> chat of model.js
  running: new Map(),     // turn_id -> chat_id
  clock_skew_ms: 0,       // server's clock minus this browser's
  orders: null, ledger: null, spending: null, profile: null, permissions: null,
  toasts: [],
  dialog: null,           // {title, text, action, run}
  rail_open: false,
};

const listeners = new Set();
let scheduled = false;

export function subscribe(fn) {
  listeners.add(fn);
  return () => listeners.delete(fn);
}

function flush() {
  if (!scheduled) return;
  scheduled = false;
  for (const fn of listeners) fn();
}

export function changed() {
  if (scheduled) return;
  scheduled = true;
  if (document.hidden) setTimeout(flush, 100);   // no frames in a hidden tab
  else requestAnimationFrame(flush);
}
document.addEventListener('visibilitychange', flush);

export const server_now_ms = () => Date.now() + state.clock_skew_ms;

let next_toast = 1;
export function toast(text, level = 'error') {
  const t = { id: next_toast++, text, level };
  state.toasts.push(t);
  changed();
  setTimeout(() => dismiss_toast(t.id), level === 'error' ? 9000 : 4000);
}
export function dismiss_toast(id) {
  state.toasts = state.toasts.filter((t) => t.id !== id);
  changed();
}
