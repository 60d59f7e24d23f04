// model.js: events in, a chat as the page draws it out. No DOM, no network.
//
// chat  {id, title, loaded, last, turns[], by_turn, approvals}
// turn  {id, user, pending, parts[], state, progress, usage, v}   v grows with each change
// part  {kind: text|tool|cards|question|approval|plan|order|hand_over|notice|error, ...}
//
// Durable events have numbers; one with n <= chat.last is already in. Text that
// still streams comes as snapshot and delta with byte offsets; see live_apply().
import { utf8_bytes, utf8_skip } from './utf8.js';

export function chat_new(id, title = '') {
  return { id, title, loaded: false, failed: null, last: 0, turns: [], by_turn: new Map(), approvals: new Map(), plans: new Map(), waiting: [], v: 0 };
}

export function turn_of(chat, turn_id) {
  let turn = chat.by_turn.get(turn_id);
  if (!turn) {
    turn = { id: turn_id, user: null, pending: false, parts: [], state: 'running', progress: null, usage: null, answer: '', time_ms: 0, v: 0 };
    chat.by_turn.set(turn_id, turn);
    chat.turns.push(turn);
  }
  return turn;
}

const part_find = (turn, kind, key, value) => turn.parts.find((p) => p.kind === kind && p[key] === value);

function part_add(turn, part) {
  part.v = 0;
  turn.parts.push(part);
  return part;
}

function part_text(turn, message_id) {
  return part_find(turn, 'text', 'message_id', message_id)
    ?? part_add(turn, { kind: 'text', message_id, text: '', reasoning: '', live: true });
}

const FINAL = new Set(['completed', 'failed', 'refused', 'expired', 'superseded']);
export const approval_final = (approval) => FINAL.has(approval.state);

// The states only go forward; a late answer to an old question changes nothing.
const RANK = { pending: 0, approved: 1, completing: 2, unknown: 3, failed: 4, refused: 4, expired: 4, superseded: 4, completed: 5 };
export function approval_set(chat, approval_id, fields) {
  const found = chat.approvals.get(approval_id);
  if (!found) return;
  const { part, turn } = found;
  if (fields.state && (RANK[fields.state] ?? 0) < (RANK[part.approval.state] ?? 0)) delete fields.state;
  Object.assign(part.approval, fields);
  part.v++;
  turn.v++;
}

// What a plan's card shows is not shown beside it: its parts, and what was given back under it.
export const plan_holds = (chat, approval) => !!approval && (approval.in_plan || (approval.plan_id && chat.plans.has(approval.plan_id)) || approval.by === 'plan');

const PLAN_OPEN = new Set(['approved', 'completing', 'undoing']);
export const plan_open = (plan) => PLAN_OPEN.has(plan.state);

export function plan_set(chat, plan) {
  const found = chat.plans.get(plan.id);
  if (!found) return;
  found.part.plan = plan;
  found.part.v++;
  found.turn.v++;
  for (const a of plan.approvals) approval_set(chat, a.id, { ...a });
}

export function hand_over_set(chat, hand_over) {
  for (const turn of chat.turns) {
    const part = turn.parts.find((p) => p.kind === 'hand_over' && p.hand_over.id === hand_over.id);
    if (!part) continue;
    part.hand_over = hand_over;
    part.v++;
    turn.v++;
  }
}

const HANDLERS = {
  message(chat, turn, d) {
    if (d.role === 'user') {
      turn.user = d.text;
      turn.pending = false;
      if (!chat.title) chat.title = d.text.split('\n')[0];
      return;
    }
    const part = part_text(turn, d.message_id);
    part.text = d.text ?? '';
    part.reasoning = d.reasoning ?? part.reasoning;
    part.live = false;
    part.v++;
    turn.progress = null;
  },
  tool_call(chat, turn, d) {
    if (!part_find(turn, 'tool', 'call_id', d.call_id)) part_add(turn, { kind: 'tool', call_id: d.call_id, name: d.name, args: d.args, result: null });
    turn.progress = null;
  },
  tool_result(chat, turn, d) {
    const part = part_find(turn, 'tool', 'call_id', d.call_id)
      ?? part_add(turn, { kind: 'tool', call_id: d.call_id, name: d.name, args: {}, result: null });
    part.result = d;
    part.v++;
  },
  card(chat, turn, d) { part_add(turn, { kind: 'cards', ...d }); },
  question(chat, turn, d) { part_add(turn, { kind: 'question', ...d }); },
  approval_request(chat, turn, d) {
    const known = chat.approvals.get(d.approval.id);
    if (known) {
      approval_set(chat, d.approval.id, { in_plan: false, ...d.approval });
      return;
    }
    const part = part_add(turn, { kind: 'approval', approval: { ...d.approval } });
    chat.approvals.set(d.approval.id, { part, turn });
  },
  plan(chat, turn, d) {
    if (!chat.plans.has(d.plan.id)) chat.plans.set(d.plan.id, { turn, part: part_add(turn, { kind: 'plan', plan: d.plan }) });
    plan_set(chat, d.plan);
  },
  approval_result(chat, turn, d) {
    const state = { approve: 'approved', refuse: 'refused', expired: 'expired', superseded: 'superseded' }[d.decision];
    approval_set(chat, d.approval_id, { state, by: d.by });
  },
  order(chat, turn, d) {
    approval_set(chat, d.order.approval_id, { state: 'completed', order_id: d.order.id });
    const known = chat.turns.flatMap((t) => t.parts).find((p) => p.kind === 'order' && p.order.id === d.order.id);
    if (known) { known.order = d.order; known.v++; } else part_add(turn, { kind: 'order', order: d.order });
  },
  hand_over(chat, turn, d) {
    const known = chat.turns.flatMap((t) => t.parts).find((p) => p.kind === 'hand_over' && p.hand_over.id === d.hand_over.id);
    if (known) { known.hand_over = d.hand_over; known.v++; } else part_add(turn, { kind: 'hand_over', hand_over: d.hand_over });
  },
  notice(chat, turn, d) {
    if (d.hand_over_id) return;                 // its card says the same
    if (d.code === 'order_needs_you' && chat.approvals.has(d.approval_id)) { approval_set(chat, d.approval_id, { needs: d }); return; }
    part_add(turn, { kind: 'notice', ...d });
  },
  error(chat, turn, d) { part_add(turn, { kind: 'error', ...d }); },
  turn_done(chat, turn, d) {
    turn.state = d.state;
    turn.usage = d.usage ?? null;
    turn.progress = null;
    for (const p of turn.parts) if (p.kind === 'text' && p.live) { p.live = false; p.v++; }
    const said = turn.parts.some((p) => p.kind === 'text' && p.text.trim());
    if (d.answer && !said) part_add(turn, { kind: 'text', message_id: `${turn.id}-answer`, text: d.answer, reasoning: '', live: false });
  },
};

// False: the event was already in, or is of a type this page does not know.
export function chat_apply(chat, ev) {
  if (ev.n <= chat.last) return false;
  chat.last = ev.n;
  const handler = HANDLERS[ev.type];
  if (!handler) return false;
  const turn = turn_of(chat, ev.turn_id);
  if (!turn.time_ms) turn.time_ms = ev.time_ms;
  handler(chat, turn, ev.data);
  turn.v++;
  chat.v++;
  return true;
}

export function turn_waits(turn) {
  return turn.parts.some((p) => (p.kind === 'approval' && p.approval.state === 'pending') || (p.kind === 'plan' && p.plan.state === 'pending'));
}

// ---- running messages: one map per browser tab, fed by snapshot and delta

// Returns {entry, gap}: gap means bytes are missing and a new snapshot is needed.
export function live_apply(live, type, d) {
  let entry = live.get(d.message_id);
  if (type === 'snapshot') {
    if (!entry) {
      entry = { ...d };
      live.set(d.message_id, entry);
    }
    Object.assign(entry, d, { reasoning: d.reasoning ?? '', bytes: utf8_bytes(d.text) });
    return { entry, gap: false };
  }
  if (!entry) {
    if (d.offset_bytes !== 0) return { entry: null, gap: true };
    entry = { ...d, text: '', reasoning: '', bytes: 0 };
    live.set(d.message_id, entry);
  }
  if (d.offset_bytes > entry.bytes) return { entry, gap: true };
  const fresh = utf8_skip(d.text ?? '', entry.bytes - d.offset_bytes);
  entry.text += fresh;
  entry.bytes += utf8_bytes(fresh);
  if (d.reasoning) entry.reasoning += d.reasoning;
  return { entry, gap: false };
}

export function chat_live(chat, entry) {
  const turn = turn_of(chat, entry.turn_id);
  const known = part_find(turn, 'text', 'message_id', entry.message_id);
  if (turn.state !== 'running' || (known && !known.live)) return;
  const part = known ?? part_text(turn, entry.message_id);
  part.text = entry.text;
  part.reasoning = entry.reasoning;
  part.v++;
  turn.progress = null;
  turn.v++;
  chat.v++;
}
