// actions.js: what the user can do, and how the stream's messages reach the store.
import { api, ApiError } from './api.js';
import { chat_new, chat_apply, chat_live, live_apply, approval_set, approval_final, hand_over_set, plan_holds, plan_open, plan_set, turn_of } from './model.js';
import { state, changed, toast } from './store.js';
import { stream_open } from './stream.js';
import { t, t_or } from './i18n.js';

const live = new Map();      // message_id -> running message, of all chats
let stream = null;

export function error_text(err) {
  if (!(err instanceof ApiError)) return t('error_page');
  if (err.status === 0) return t('error_unreachable');
  return err.message || t('error_http', { status: err.status });
}
const complain = (err) => {
  if (!(err instanceof ApiError)) console.error(err);
  if (err.status !== 401) toast(error_text(err));
};

// ---- start

export async function boot() {
  const session = await api.session();
  state.session = session;
  state.signed_out = false;
  if (session.now_ms) state.clock_skew_ms = session.now_ms - Date.now();
  const list = await api.chats();
  state.chats = list.chats;
  stream = stream_open({
    name: `rukou-${session.data_id}`,
    cursor: list.last_event ?? 0,
    running: () => live.values(),
    on_message,
  });
  changed();
  route_load();
}

// ---- stream -> store

function on_message(msg) {
  if (msg.kind === 'link') {
    const back = state.link === 'lost' && msg.link === 'live';
    state.link = msg.link;
    if (back) approvals_refresh();
  } else if (msg.kind === 'event') on_event(msg.ev);
  else if (msg.kind === 'live') on_live(msg.type, msg.data);
  else if (msg.kind === 'tab') on_tab(msg);
  changed();
}

function on_tab(msg) {
  if (msg.what === 'chat_deleted') chat_forget(msg.chat_id);
  if (msg.what === 'profile') state.profile = null;
  if (msg.what === 'signed_in' && state.signed_out) location.reload();
}

function on_event(ev) {
  list_touch(ev);
  if (ev.type === 'message' && ev.data.role === 'assistant') live.delete(ev.data.message_id);
  if (ev.type === 'turn_done') {
    for (const [id, entry] of live) if (entry.turn_id === ev.turn_id) live.delete(id);
  }
  if (ev.type === 'order') state.orders = state.ledger = state.spending = null;
  const chat = state.models.get(ev.chat_id);
  if (!chat) return;
  if (!chat.loaded) { chat.waiting.push(ev); return; }
  if (chat_apply(chat, ev)) after_event(chat, ev);
}

function after_event(chat, ev) {
  announce_event(ev);
  if (['approval_result', 'notice', 'error', 'turn_done'].includes(ev.type)) approvals_refresh(chat);
}

function on_live(type, data) {
  if (type === 'progress') {
    const chat = state.models.get(data.chat_id ?? state.running.get(data.turn_id));
    const turn = chat?.by_turn.get(data.turn_id);
    if (!turn) return;
    turn.progress = data;
    turn.v++;
    return;
  }
  const { entry, gap } = live_apply(live, type, data);
  if (gap) stream.resync();
  const chat = entry && state.models.get(entry.chat_id);
  if (chat?.loaded) chat_live(chat, entry);
}

function list_touch(ev) {
  if (ev.type === 'turn_done') state.running.delete(ev.turn_id);
  if (ev.type !== 'message' || ev.data.role !== 'user') return;
  state.running.set(ev.turn_id, ev.chat_id);
  const known = state.chats.find((c) => c.id === ev.chat_id);
  const row = known ?? { id: ev.chat_id, title: ev.data.text.split('\n')[0].slice(0, 120), created_ms: ev.time_ms };
  row.updated_ms = ev.time_ms;
  state.chats = [row, ...state.chats.filter((c) => c !== row)];
}

// One polite sentence for those who listen instead of look.
function announce_event(ev) {
  const say = {
    card: () => t('say_cards', { n: ev.data.cards.length }),
    approval_request: () => t('say_approval'),
    plan: () => (ev.data.plan.state === 'pending' ? t('say_approval') : t_or(`pl_say_${ev.data.plan.state}`, '')),
    question: () => ev.data.text,
    order: () => t('say_order'),
    error: () => ev.data.message,
    turn_done: () => (ev.data.state === 'done' ? ev.data.answer : t(`turn_${ev.data.state}`)),
  }[ev.type];
  if (say && !document.hidden) state.announcement = say();
}

// ---- chats

export async function chat_load(chat_id) {
  let chat = state.models.get(chat_id);
  if (chat?.loaded || chat?.loading) return;
  if (!chat) {
    chat = chat_new(chat_id, state.chats.find((c) => c.id === chat_id)?.title);
    state.models.set(chat_id, chat);
  }
  chat.loading = true;
  chat.failed = null;
  changed();
  try {
    const { chat: head, events } = await api.chat(chat_id);
    chat.title = head.title;
    for (const ev of events) chat_apply(chat, ev);
    chat.loaded = true;
    for (const ev of chat.waiting.splice(0)) if (chat_apply(chat, ev)) after_event(chat, ev);
    for (const turn of chat.turns) if (turn.state === 'running') state.running.set(turn.id, chat_id);
    for (const entry of live.values()) if (entry.chat_id === chat_id) chat_live(chat, entry);
    approvals_refresh(chat);
  } catch (err) {
    chat.failed = err instanceof ApiError && err.status === 404 ? t('chat_gone') : error_text(err);
  }
  chat.loading = false;
  changed();
}

function chat_forget(chat_id) {
  state.chats = state.chats.filter((c) => c.id !== chat_id);
  state.models.delete(chat_id);
  if (state.route.chat_id === chat_id) go('/');
}

export async function chat_delete(chat_id) {
  try {
    await api.chat_delete(chat_id);
    stream.tell_tabs({ what: 'chat_deleted', chat_id });
    chat_forget(chat_id);
  } catch (err) {
    complain(err);
  }
  changed();
}

// True when the server took it. The key is made once per text, so a repeated press can not send twice.
export async function send(text, chat_id) {
  const key = crypto.randomUUID();
  try {
    const reply = await api.turn(chat_id ? { chat_id, text } : { text }, key);
    let chat = state.models.get(reply.chat_id);
    if (!chat) {
      chat = chat_new(reply.chat_id, text.split('\n')[0]);
      state.models.set(reply.chat_id, chat);
    }
    state.running.set(reply.turn_id, reply.chat_id);
    if (chat.loaded || chat_id) {
      const turn = turn_of(chat, reply.turn_id);
      if (turn.user === null) { turn.user = text; turn.pending = true; turn.v++; }
    }
    if (!chat_id) go(`/chat/${reply.chat_id}`);
    changed();
    return true;
  } catch (err) {
    complain(err);
    return false;
  }
}

export async function stop(turn_id) {
  try { await api.turn_cancel(turn_id); } catch (err) { complain(err); }
}

// ---- approvals

export async function decide(chat, approval, decision) {
  try {
    const reply = await api.decide(approval.id, decision, approval.terms_hash);
    if (reply.approval) approval_set(chat, approval.id, reply.approval);
    approvals_refresh(chat);
  } catch (err) {
    complain(err);
    await approval_refresh(chat, approval.id);
  }
  changed();
}

// The server answers with a new approval, which also comes as an event; the old one is superseded.
export async function approval_edit(chat, approval, changes) {
  try {
    await api.approval_change(approval.id, changes);
  } catch (err) {
    complain(err);
  }
  await approval_refresh(chat, approval.id);
}

const REFRESH_MS = [700, 1500, 3000, 5000, 10000, 20000, 30000];
const refreshing = new Set();

async function approval_refresh(chat, approval_id) {
  try {
    const { approval } = await api.approval(approval_id);
    approval_set(chat, approval_id, approval);
    changed();
  } catch { /* the stream will say, or the next look */ }
}

// An approval that money hangs on is read again until it has ended.
async function approval_watch(chat, approval_id) {
  if (refreshing.has(approval_id)) return;
  refreshing.add(approval_id);
  for (let i = 0; i < 60; i++) {
    await approval_refresh(chat, approval_id);
    const { state: now } = chat.approvals.get(approval_id).part.approval;
    if (!['approved', 'completing', 'unknown'].includes(now)) break;
    await new Promise((done) => setTimeout(done, REFRESH_MS[Math.min(i, REFRESH_MS.length - 1)]));
  }
  refreshing.delete(approval_id);
}

export function approvals_refresh(only) {
  for (const chat of only ? [only] : state.models.values()) {
    for (const [id, { part }] of chat.approvals) if (!approval_final(part.approval) && !plan_holds(chat, part.approval)) approval_watch(chat, id);
    plans_refresh(chat);
  }
}

// What an edit may choose from, one list a line; null when the merchant does not say.
export async function variants_load(approval) {
  try {
    return (await api.variants(approval.id)).variants;
  } catch (err) {
    complain(err);
    return null;
  }
}

// The user was at the merchant's page: what became of it is read there, and comes as an event if it is new.
export async function hand_over_check(chat, hand_over_id) {
  try {
    const { hand_over } = await api.hand_over(hand_over_id);
    hand_over_set(chat, hand_over);
  } catch (err) {
    complain(err);
  }
  changed();
}

// ---- plans

async function plan_refresh(chat, plan_id) {
  try {
    plan_set(chat, (await api.plan(plan_id)).plan);
    changed();
  } catch { /* the stream will say, or the next look */ }
}

export async function plan_decide(chat, plan, decision) {
  try {
    plan_set(chat, (await api.plan_decide(plan.id, decision, plan.sheet_hash)).plan);
    plans_refresh(chat);
  } catch (err) {
    complain(err);
    await plan_refresh(chat, plan.id);
  }
  changed();
}

// What happens when a part fails; it makes another sheet.
export async function plan_change(chat, plan, on_failure) {
  try {
    plan_set(chat, (await api.plan_change(plan.id, { on_failure })).plan);
  } catch (err) {
    complain(err);
  }
  changed();
}

// Every part is held anew, each with new terms that only end later.
export async function plan_renew(chat, plan) {
  for (const a of plan.approvals) await approval_edit(chat, a, { renew: true });
  await plan_refresh(chat, plan.id);
}

async function plan_watch(chat, plan_id) {
  if (refreshing.has(plan_id)) return;
  refreshing.add(plan_id);
  for (let i = 0; i < 60; i++) {
    await plan_refresh(chat, plan_id);
    if (!plan_open(chat.plans.get(plan_id).part.plan)) break;
    await new Promise((done) => setTimeout(done, REFRESH_MS[Math.min(i, REFRESH_MS.length - 1)]));
  }
  refreshing.delete(plan_id);
}

export function plans_refresh(chat) {
  for (const [id, { part }] of chat.plans) if (plan_open(part.plan)) plan_watch(chat, id);
}

// ---- other views

// What the merchant would give back, as an approval in the chat of the order.
export async function order_back(order, kind) {
  try {
    await api.order_back(order.id, kind, document.documentElement.lang);
    go(`/chat/${order.chat_id}`);
  } catch (err) {
    complain(err);
  }
}

export async function permissions_load() {
  try {
    state.permissions = (await api.permissions()).permissions;
  } catch (err) {
    complain(err);
  }
  changed();
}

export async function permit(permission) {
  try {
    await api.permit(permission);
  } catch (err) {
    complain(err);
  }
  await permissions_load();
}

export async function permission_end(permission_id) {
  try {
    await api.permission_end(permission_id);
  } catch (err) {
    complain(err);
  }
  await permissions_load();
}

export async function orders_load() {
  try {
    const [o, l] = await Promise.all([api.orders(), api.ledger()]);
    state.orders = o.orders;
    state.ledger = l.entries;
  } catch (err) {
    complain(err);
    state.orders ??= [];
    state.ledger ??= [];
  }
  changed();
}

// by: month | merchant | category. What was asked for last is shown.
export async function spending_load(by) {
  state.spending = { by, rows: state.spending?.by === by ? state.spending.rows : null };
  try {
    const { spending } = await api.spending(by);
    if (state.spending?.by === by) state.spending = spending;
  } catch (err) {
    complain(err);
    if (state.spending?.by === by) state.spending = { by, rows: [], ok: true };
  }
  changed();
}

// Null when it cannot be had; the toast says why.
export async function receipt_load(order_id) {
  try {
    return (await api.receipt(order_id)).receipt;
  } catch (err) {
    complain(err);
    return null;
  }
}

export async function profile_load() {
  try {
    state.profile = (await api.profile()).profile;
  } catch (err) {
    complain(err);
  }
  changed();
}

export async function profile_save(profile) {
  try {
    state.profile = (await api.profile_put(profile)).profile ?? profile;
    stream.tell_tabs({ what: 'profile' });
    toast(t('profile_saved'), 'info');
    changed();
    return true;
  } catch (err) {
    complain(err);
    return false;
  }
}

// ---- where we are

function route_parse(path) {
  const chat = path.match(/^\/chat\/([^/]+)$/);
  if (chat) return { view: 'chat', chat_id: decodeURIComponent(chat[1]) };
  const receipt = path.match(/^\/orders\/([^/]+)\/receipt$/);
  if (receipt) return { view: 'receipt', chat_id: null, order_id: decodeURIComponent(receipt[1]) };
  if (path === '/orders' || path === '/profile') return { view: path.slice(1), chat_id: null };
  return { view: 'chat', chat_id: null };
}

function route_load() {
  const { view, chat_id } = state.route;
  if (chat_id) chat_load(chat_id);
  if (view === 'orders') orders_load();
  if (view === 'profile') profile_load();
}

export function route_read() {
  state.route = route_parse(location.pathname);
  state.rail_open = false;
  if (state.session) route_load();
  changed();
}

export function go(path) {
  if (path !== location.pathname) history.pushState(null, '', path);
  route_read();
}
window.addEventListener('popstate', route_read);
