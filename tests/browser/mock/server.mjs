// server.mjs: a stand-in for rukou's server that plays event sequences of docs/api.md.
//
// For states a real run reaches rarely: an unknown outcome, a lost connection, a
// shop that is down, a chat of 2,000 messages. It decides nothing and says at
// the page's edge that it is a mock. Run by hand: node server.mjs [PORT]
// A message that begins with #NAME plays scripts.mjs's NAME; any other plays the job.
import { createServer } from 'node:http';
import { randomBytes, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { terms_fingerprint } from '../../../web/src/jcs.js';
import * as scripts from './scripts.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const BUILT = process.env.RUKOU_WEB ?? join(here, '../../../build/release/gen/web');
const TYPES = { html: 'text/html; charset=utf-8', js: 'text/javascript; charset=utf-8', css: 'text/css; charset=utf-8', svg: 'image/svg+xml', webmanifest: 'application/manifest+json' };
const STRIPE_CSS = 'body::after{content:"MOCK SERVER · recorded events · nothing is real";position:fixed;inset:0 0 auto;z-index:99;font:600 10px/14px monospace;text-align:center;color:#fff;background:#7a4f97;pointer-events:none;opacity:.85}';

const wait = (ms) => new Promise((done) => setTimeout(done, ms));

// The lines of a recording: the head, then [ms, type, data].
export const recording = (name) => readFileSync(new URL(`../recorded/${name}.jsonl`, import.meta.url), 'utf8').trim().split('\n').map((l) => JSON.parse(l));

export class Mock {
  constructor({ pace_ms = 12, expires_ms = 15 * 60_000, balance_minor = 100_000 } = {}) {
    Object.assign(this, { pace_ms, expires_ms, balance_minor });
    this.data_id = randomBytes(4).toString('hex');
    this.n = 0;
    this.events = [];
    this.chats = new Map();
    this.turns = new Map();
    this.approvals = new Map();
    this.plans = new Map();
    this.orders = [];
    this.ledger = [];
    this.live = new Map();
    this.streams = new Set();
    this.keys = new Map();
    this.requests = [];
    this.refuse_streams = false;
    this.profile = scripts.demo_profile();
  }

  // ---- events
  emit(turn, type, data) {
    const ev = { n: ++this.n, type, chat_id: turn.chat_id, turn_id: turn.id, time_ms: Date.now(), data };
    this.events.push(ev);
    for (const s of this.streams) s.write(`id: ${ev.n}\nevent: ${type}\ndata: ${JSON.stringify(ev)}\n\n`);
    return ev;
  }
  send_live(type, data) { for (const s of this.streams) s.write(`event: ${type}\ndata: ${JSON.stringify(data)}\n\n`); }

  // ---- what a script can do; each ends early when the turn is cancelled
  script(turn) {
    const mock = this;
    const gone = () => { if (turn.cancelled) throw new Error('cancelled'); };
    return {
      zh: /[\u4e00-\u9fff]/.test(turn.text), turn, mock,
      async wait(ms) { await wait(ms); gone(); },
      emit(type, data) { gone(); return mock.emit(turn, type, data); },
      async prefill(n_total) {
        for (let n_done = 0; n_done <= n_total; n_done += Math.ceil(n_total / 6)) {
          gone();
          mock.send_live('progress', { turn_id: turn.id, n_done, n_total });
          await wait(mock.pace_ms * 5);
        }
      },
      async say(text, { reasoning = '' } = {}) {
        const id = randomUUID(), entry = { turn_id: turn.id, chat_id: turn.chat_id, message_id: id, offset_bytes: 0, text: '', reasoning };
        mock.live.set(id, entry);
        if (reasoning) mock.send_live('snapshot', { ...entry });
        for (const piece of text.match(/[\s\S]{1,5}/gu) ?? []) {
          if (turn.cancelled) break;
          mock.send_live('delta', { turn_id: turn.id, chat_id: turn.chat_id, message_id: id, offset_bytes: Buffer.byteLength(entry.text), text: piece });
          entry.text += piece;
          await wait(mock.pace_ms);
        }
        mock.live.delete(id);
        mock.emit(turn, 'message', { message_id: id, parent_id: turn.message_id, role: 'assistant', text: entry.text, reasoning });
        gone();
        return entry.text;
      },
      async tool(name, args, result, ms = 300) {
        const call_id = randomUUID();
        this.emit('tool_call', { call_id, name, args });
        await this.wait(Math.min(ms, mock.pace_ms * 40));
        this.emit('tool_result', { call_id, name, ok: true, ms, ...result });
        return call_id;
      },
      // Asks and waits; gives the state the approval ended in.
      async approve(terms, { broken_print = false } = {}) {
        terms.expires_ms = Date.now() + mock.expires_ms;
        const a = {
          id: randomUUID(), state: 'pending', terms, terms_hash: await terms_fingerprint(terms), created_ms: Date.now(), expires_ms: terms.expires_ms,
          chat_id: turn.chat_id, turn_id: turn.id, demo_profile: mock.profile.demo, pictures: terms.lines?.map((l) => l.item_id.replace(/^i/, 'picture-')),
          wallet: terms.instrument.kind === 'wallet' ? { balance_minor: mock.balance_minor, currency: terms.currency } : null,
        };
        if (broken_print) a.terms_hash = a.terms_hash.replace(/^./, (c) => (c === '0' ? '1' : '0'));
        const decided = new Promise((done) => mock.approvals.set(a.id, { approval: a, turn, done }));
        this.emit('approval_request', { approval: structuredClone(a) });
        const timer = setTimeout(() => mock.decide_end(a, 'expired'), mock.expires_ms).unref();
        await decided;
        clearTimeout(timer);
        let held = mock.approvals.get(a.id);
        while (held.now) held = mock.approvals.get(held.now.id);
        return held.approval;
      },
      // Several purchases on one sheet; gives the plan when it is decided.
      async plan(title, parts) {
        const plan = { id: randomUUID(), title, state: 'pending', on_failure: 'undo', created_ms: Date.now(), expires_ms: Date.now() + mock.expires_ms, chat_id: turn.chat_id, turn_id: turn.id, approvals: [] };
        for (const { terms, undo } of parts) {
          terms.expires_ms = plan.expires_ms;
          const a = { id: randomUUID(), plan_id: plan.id, state: 'pending', terms, terms_hash: await terms_fingerprint(terms), created_ms: Date.now(), expires_ms: plan.expires_ms, chat_id: turn.chat_id, turn_id: turn.id, demo_profile: mock.profile.demo, wallet: null, ...(undo ? { undo } : {}) };
          plan.approvals.push(a);
          this.emit('approval_request', { approval: { ...structuredClone(a), plan_id: undefined, in_plan: true } });
        }
        const decided = new Promise((done) => mock.plans.set(plan.id, { plan, turn, done }));
        await mock.plan_sheet(plan);
        this.plan_event(plan);
        await decided;
        return plan;
      },
      plan_event(plan) { this.emit('plan', { plan: structuredClone(plan) }); },
      // A turn as the real program sent it (tests/tools/record_stream.py), with the ids of this turn; the approval
      // gets a new time and waits for the page, which must decide as was recorded.
      async replay(name) {
        const [head, ...events] = recording(name);
        const ids = new Map(), new_id = (id) => ids.get(id) ?? ids.set(id, randomUUID()).get(id);
        let approval;
        for (const [, type, data] of events) {
          await this.wait(mock.pace_ms);
          const here = { ...data, turn_id: turn.id, chat_id: turn.chat_id }, id = data.message_id && new_id(data.message_id);
          if (type === 'message' && data.role === 'user') continue;
          if (type === 'progress') mock.send_live(type, here);
          else if (type === 'snapshot') { mock.live.set(id, { ...here, message_id: id }); mock.send_live(type, { ...here, message_id: id }); }
          else if (type === 'delta') { mock.live.get(id).text += data.text; mock.send_live(type, { ...here, message_id: id }); }
          else if (type === 'message') { mock.live.delete(id); this.emit(type, { ...data, message_id: id, parent_id: turn.message_id }); }
          else if (type === 'approval_request') {
            approval = await this.approve(data.approval.terms);
            if (approval.state !== { approve: 'approved', refuse: 'refused' }[head.decision]) throw new Error(`${name} was recorded with ${head.decision}`);
          } else if (type === 'order') {
            approval.state = 'completed';
            mock.orders.unshift({ ...data.order, approval_id: approval.id });
            this.emit(type, { order: mock.orders[0] });
          } else if (type !== 'approval_result') this.emit(type, data);
        }
        turn.state = 'done';
      },
      order(a) {
        const t = a.terms;
        const order = {
          id: randomUUID(), approval_id: a.id, merchant: t.merchant, merchant_order_id: `SO-${randomBytes(3).toString('hex').toUpperCase()}`, status: 'placed', lines: t.lines, totals: t.totals,
          total_minor: t.total_minor, currency: t.currency, instrument: t.instrument, address: t.fulfilment.address, delivery: { title: t.fulfilment.method, date: t.fulfilment.date },
          placed_ms: Date.now(), chat_id: turn.chat_id, turn_id: turn.id,
        };
        a.state = 'completed';
        a.order_id = order.id;
        mock.orders.unshift(order);
        mock.ledger.push({ id: randomUUID(), time_ms: Date.now(), approval_id: a.id, order_id: order.id, kind: 'capture', instrument_id: t.instrument.id, merchant_origin: t.merchant.origin, amount_minor: t.total_minor, currency: t.currency });
        this.emit('order', { order });
      },
      done(answer = '') {
        this.emit('turn_done', { state: 'done', answer, usage: { model_calls: 2, tokens_prefilled: 1240, tokens_cached: 980, tokens_decoded: 143, ms: 5210 } });
        turn.state = 'done';
      },
    };
  }

  async play(turn) {
    const name = /^#(\w+)/.exec(turn.text)?.[1] ?? 'job';
    try {
      await (scripts[name] ?? scripts.job)(this.script(turn));
    } catch (err) {
      if (err.message !== 'cancelled') throw err;
      for (const e of this.live.values()) if (e.turn_id === turn.id) this.live.delete(e.message_id);
      this.emit(turn, 'turn_done', { state: 'cancelled', answer: '', usage: null });
      turn.state = 'cancelled';
    }
  }

  turn_new({ chat_id, text }) {
    const id = chat_id ?? randomUUID();
    if (!this.chats.has(id)) this.chats.set(id, { id, title: text.split('\n')[0], created_ms: Date.now() });
    this.chats.get(id).updated_ms = Date.now();
    const turn = { id: randomUUID(), chat_id: id, text, message_id: randomUUID(), state: 'running', cancelled: false };
    this.turns.set(turn.id, turn);
    this.emit(turn, 'message', { message_id: turn.message_id, parent_id: null, role: 'user', text });
    this.play(turn);
    return { chat_id: id, turn_id: turn.id };
  }

  async plan_sheet(plan) {
    plan.totals = {};
    for (const { terms } of plan.approvals) plan.totals[terms.currency] = (plan.totals[terms.currency] ?? 0) + terms.total_minor;
    plan.sheet_hash = await terms_fingerprint({ on_failure: plan.on_failure, parts: plan.approvals.map((a) => ({ terms_hash: a.terms_hash, undo_fee_minor: a.undo?.fee_minor ?? null })) });
  }

  decide_end(a, decision, by = 'page') {
    const held = this.approvals.get(a.id);
    if (a.state !== 'pending') return;
    a.state = { approve: 'approved', refuse: 'refused', expired: 'expired' }[decision];
    this.emit(held.turn, 'approval_result', { approval_id: a.id, decision, by });
    held.done();
  }

  // New terms under a new id; whoever waits for the old one waits for the new one.
  async instrument_change(held, instrument_id) {
    const old = held.approval, { id, kind, label } = this.profile.instruments.find((x) => x.id === instrument_id);
    const a = { ...structuredClone(old), id: randomUUID(), wallet: kind === 'wallet' ? { balance_minor: this.balance_minor, currency: old.terms.currency } : null };
    a.terms.instrument = { id, kind, label };
    a.terms_hash = await terms_fingerprint(a.terms);
    old.state = 'superseded';
    this.emit(held.turn, 'approval_result', { approval_id: old.id, decision: 'superseded', by: 'page' });
    this.approvals.set(a.id, { approval: a, turn: held.turn, done: held.done });
    this.emit(held.turn, 'approval_request', { approval: structuredClone(a) });
    held.now = a;
    return a;
  }

  // A chat with n messages that are all over, for tests of size.
  fill_chat(title, n_messages) {
    const turn0 = { chat_id: randomUUID() };
    this.chats.set(turn0.chat_id, { id: turn0.chat_id, title, created_ms: Date.now() - 9e8, updated_ms: Date.now() - 8e8 });
    for (let i = 0; i < n_messages / 2; i++) {
      const turn = { id: randomUUID(), chat_id: turn0.chat_id };
      this.emit(turn, 'message', { message_id: randomUUID(), parent_id: null, role: 'user', text: `Question ${i + 1}: 第 ${i + 1} 个问题` });
      this.emit(turn, 'message', { message_id: randomUUID(), parent_id: null, role: 'assistant', text: `Answer **${i + 1}** with a list:\n\n- one\n- two\n\nand \`code\`.` });
      this.emit(turn, 'turn_done', { state: 'done', answer: '', usage: null });
    }
    return turn0.chat_id;
  }

  // ---- HTTP
  async start(port = 0) {
    this.server = createServer((req, res) => this.serve(req, res).catch((err) => { console.error(err); res.writeHead(500).end(); }));
    await new Promise((done) => this.server.listen(port, '127.0.0.1', done));
    this.origin = `http://127.0.0.1:${this.server.address().port}`;
    return this;
  }
  drop_streams() { for (const s of this.streams) s.destroy(); this.streams.clear(); }
  async stop() {
    this.drop_streams();
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
  }

  async serve(req, res) {
    const url = new URL(req.url, this.origin);
    const cookie = `rukou_${this.data_id}=1`;
    const json = (status, body) => res.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
    const fail = (status, code, message) => json(status, { error: { code, type: code, message } });
    if (!url.pathname.startsWith('/api/')) return this.serve_page(url, res, cookie);
    this.requests.push(`${req.method} ${url.pathname}`);
    if (!(req.headers.cookie ?? '').includes(cookie)) return fail(401, 'unauthorized', 'sign in first');
    if (url.pathname === '/api/events') return this.serve_stream(req, res, url);
    if (url.pathname.startsWith('/api/pictures/')) return this.serve_picture(url, res);

    let body = {};
    if (req.method !== 'GET') {
      if (req.headers['x-csrf-token'] !== 'mock-csrf') return fail(403, 'forbidden', 'CSRF token missing');
      let raw = '';
      for await (const part of req) raw += part;
      body = raw ? JSON.parse(raw) : {};
    }
    const key = req.headers['idempotency-key'];
    if (key && this.keys.has(key)) return json(202, this.keys.get(key));
    const [, , kind, id, verb] = url.pathname.split('/');
    const chat = this.chats.get(id);
    switch (`${req.method} ${kind}${id ? '/ID' : ''}${verb ? `/${verb}` : ''}`) {
      case 'GET session': return json(200, { user_id: 'u', csrf: 'mock-csrf', data_id: this.data_id, version: 'mock', model: { name: 'Qwen2.5-Coder-1.5B', local: true, n_ctx: 32768 }, sandbox: true, lang: 'zh', now_ms: Date.now() });
      case 'GET chats': return json(200, { chats: [...this.chats.values()].sort((a, b) => b.updated_ms - a.updated_ms), last_event: this.n });
      case 'GET chats/ID': return chat ? json(200, { chat, messages: [], events: this.events.filter((e) => e.chat_id === id), last_event: this.n }) : fail(404, 'not_found', 'no such chat');
      case 'DELETE chats/ID': this.chats.delete(id); return json(200, {});
      case 'POST turns': {
        if (this.fail_turns) return fail(503, 'busy', 'the queue is full; try again in a moment');
        const made = this.turn_new(body);
        if (key) this.keys.set(key, made);
        return json(202, made);
      }
      case 'POST turns/ID/cancel': {
        const turn = this.turns.get(id);
        turn.cancelled = true;
        for (const { approval, done, turn: t } of this.approvals.values()) if (t === turn && approval.state === 'pending') { approval.state = 'refused'; done(); }
        return json(200, {});
      }
      case 'GET approvals/ID': return json(200, { approval: this.approvals.get(id).approval });
      case 'POST approvals/ID': {
        const { approval } = this.approvals.get(id);
        if (body.terms_hash !== approval.terms_hash) return fail(409, 'conflict', 'these are not the terms of this approval');
        if (approval.state !== 'pending') return fail(410, 'gone', `this approval is ${approval.state}`);
        this.decide_end(approval, body.decision);
        return json(200, { approval });
      }
      case 'PATCH approvals/ID': return json(200, { approval: await this.instrument_change(this.approvals.get(id), body.changes.instrument_id) });
      case 'GET plans/ID': return json(200, { plan: this.plans.get(id).plan });
      case 'POST plans/ID': {
        const { plan, done } = this.plans.get(id);
        if (body.sheet_hash !== plan.sheet_hash) return fail(409, 'conflict', 'this is not the sheet that is waiting');
        plan.state = { approve: 'approved', refuse: 'refused' }[body.decision];
        for (const a of plan.approvals) a.state = plan.state;
        done();
        return json(200, { plan });
      }
      case 'PATCH plans/ID': {
        const { plan, turn } = this.plans.get(id);
        plan.on_failure = body.changes.on_failure;
        await this.plan_sheet(plan);
        this.emit(turn, 'plan', { plan: structuredClone(plan) });
        return json(200, { plan });
      }
      case 'GET orders': return json(200, { orders: this.orders });
      case 'GET hand-overs/ID': return json(200, { hand_over: this.hand_over });
      case 'GET spending': return json(200, { spending: { by: url.searchParams.get('by'), rows: [], ok: true } });
      case 'GET permissions': return json(200, { permissions: [] });
      case 'GET ledger': return json(200, { entries: this.ledger });
      case 'GET profile': return json(200, { profile: this.profile });
      case 'PUT profile': this.profile = body; return json(200, { profile: body });
      default: return fail(404, 'not_found', `${req.method} ${url.pathname}`);
    }
  }

  // The fourth cannot be had; the others carry a script, which no picture may run.
  serve_picture(url, res) {
    if (url.pathname.endsWith('-4')) return res.writeHead(502).end();
    res.writeHead(200, { 'Content-Type': 'image/svg+xml', 'Content-Security-Policy': "default-src 'none'; style-src 'unsafe-inline'; sandbox", 'Cache-Control': 'private, max-age=86400' });
    res.end('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 120 120" width="240" height="240"><rect width="120" height="120" rx="8" fill="#cfe0d4"/><path d="M18 76q6-6 10-26l14 4q4 10 18 8l36 18q10 4 8 14H18z" fill="#31556b"/><script>window.pwned = 1; top.pwned = 1;</script></svg>');
  }

  serve_stream(req, res, url) {
    if (this.refuse_streams) return res.writeHead(503).end();
    const after = Number(req.headers['last-event-id'] ?? url.searchParams.get('after') ?? 0);
    res.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
    res.write(': hello\n\n');
    for (const ev of this.events) if (ev.n > after) res.write(`id: ${ev.n}\nevent: ${ev.type}\ndata: ${JSON.stringify(ev)}\n\n`);
    for (const e of this.live.values()) res.write(`event: snapshot\ndata: ${JSON.stringify({ ...e, offset_bytes: Buffer.byteLength(e.text) })}\n\n`);
    this.streams.add(res);
    req.on('close', () => this.streams.delete(res));
  }

  serve_page(url, res, cookie) {
    if (url.searchParams.get('token') === 'mock') return res.writeHead(303, { Location: '/', 'Set-Cookie': `${cookie}; HttpOnly; SameSite=Strict; Path=/` }).end();
    if (url.pathname === '/mock.css') return res.writeHead(200, { 'Content-Type': TYPES.css }).end(STRIPE_CSS);
    const name = /\.\w+$/.test(url.pathname) ? url.pathname.slice(1) : 'index.html';
    let body;
    try { body = readFileSync(join(BUILT, name)); } catch { return res.writeHead(404).end(); }
    if (name === 'index.html') body = String(body).replace('</head>', '<link rel="stylesheet" href="/mock.css"></head>');
    res.writeHead(200, { 'Content-Type': TYPES[name.split('.').pop()], 'Content-Security-Policy': String(readFileSync(join(BUILT, 'csp.txt'))) }).end(body);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const mock = await new Mock({ pace_ms: 25 }).start(Number(process.argv[2] ?? 8799));
  mock.fill_chat('2,000 messages', 2000);
  console.log(`mock: open ${mock.origin}/?token=mock`);
}
