// api.js: the requests of docs/api.md. A failed one throws ApiError with the server's own words.
import { state, changed } from './store.js';

export class ApiError extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

const RETRIES = 3;
const wait = (ms) => new Promise((done) => setTimeout(done, ms));

async function once(method, path, body, key) {
  const headers = { Accept: 'application/json' };
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  if (method !== 'GET' && state.session) headers['X-CSRF-Token'] = state.session.csrf;
  if (key) headers['Idempotency-Key'] = key;
  let reply;
  try {
    reply = await fetch(path, { method, headers, credentials: 'same-origin', body: body === undefined ? undefined : JSON.stringify(body) });
  } catch {
    throw new ApiError(0, 'unreachable', '');
  }
  let json = null;
  try { json = await reply.json(); } catch { /* not JSON: the status says enough */ }
  if (reply.ok) return json ?? {};
  if (reply.status === 401) { state.signed_out = true; changed(); }
  throw new ApiError(reply.status, json?.error?.code ?? `http_${reply.status}`, json?.error?.message ?? '');
}

// A write with an idempotency key may be repeated: the server answers it once.
async function call(method, path, body, key) {
  for (let i = 0; ; i++) {
    try {
      return await once(method, path, body, key);
    } catch (err) {
      const again = (method === 'GET' || key) && (err.status === 0 || err.status === 503) && i < RETRIES;
      if (!again) throw err;
      await wait(300 * 2 ** i);
    }
  }
}

const id = encodeURIComponent;
export const api = {
  session: () => call('GET', '/api/session'),
  chats: () => call('GET', '/api/chats'),
  chat: (chat_id) => call('GET', `/api/chats/${id(chat_id)}`),
  chat_delete: (chat_id) => call('DELETE', `/api/chats/${id(chat_id)}`),
  turn: (body, key) => call('POST', '/api/turns', body, key),
  turn_cancel: (turn_id) => call('POST', `/api/turns/${id(turn_id)}/cancel`, {}),
  approval: (approval_id) => call('GET', `/api/approvals/${id(approval_id)}`),
  decide: (approval_id, decision, terms_hash) =>
    call('POST', `/api/approvals/${id(approval_id)}`, { decision, terms_hash }, `${approval_id}-${decision}`),
  approval_change: (approval_id, changes) => call('PATCH', `/api/approvals/${id(approval_id)}`, { changes }),
  plan: (plan_id) => call('GET', `/api/plans/${id(plan_id)}`),
  plan_decide: (plan_id, decision, sheet_hash) => call('POST', `/api/plans/${id(plan_id)}`, { decision, sheet_hash }, `${plan_id}-${decision}`),
  plan_change: (plan_id, changes) => call('PATCH', `/api/plans/${id(plan_id)}`, { changes }),
  variants: (approval_id) => call('GET', `/api/approvals/${id(approval_id)}/variants`),
  hand_over: (hand_over_id) => call('GET', `/api/hand-overs/${id(hand_over_id)}`),
  order_back: (order_id, kind, lang) => call('POST', `/api/orders/${id(order_id)}/back`, { kind, lang }),
  receipt: (order_id) => call('GET', `/api/orders/${id(order_id)}/receipt`),
  spending: (by) => call('GET', `/api/spending?by=${id(by)}`),
  permissions: () => call('GET', '/api/permissions'),
  permit: (permission) => call('POST', '/api/permissions', permission),
  permission_end: (permission_id) => call('DELETE', `/api/permissions/${id(permission_id)}`),
  orders: () => call('GET', '/api/orders'),
  order: (order_id) => call('GET', `/api/orders/${id(order_id)}`),
  ledger: () => call('GET', '/api/ledger'),
  profile: () => call('GET', '/api/profile'),
  profile_put: (profile) => call('PUT', '/api/profile', profile),
};
