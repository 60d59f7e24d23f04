// page.mjs: the page in a real Chromium against the mock: everything that must hold whatever the model says.
import { assert, launch, visit, open, say, pay, hold, until, test, run_tests, PHONE, shot } from './lib.mjs';
import { Mock, recording } from './mock/server.mjs';
import { chat_live, chat_new, live_apply } from '../../web/src/model.js';

const JOB = { zh: '买一双跑步鞋，500元以内，哪个平台便宜就在哪买', en: 'Buy a pair of running shoes under 500 yuan, wherever it is cheapest' };
const browser = await launch();

// A mock and a signed-in page, gone when the test ends. Any complaint of the page fails the test.
async function with_page(run, { mock: mock_opts, ...opts } = {}) {
  const mock = await new Mock(mock_opts).start();
  const { context, page } = await visit(browser, `${mock.origin}/?token=mock`, opts);
  try {
    await page.waitForSelector('.empty');
    await run({ mock, page, context });
    for (const p of context.pages()) assert.deepEqual(p.problems ?? [], []);
  } finally {
    await context.close();
    await mock.stop();
  }
}
const page_test = (name, run, opts) => test(name, () => with_page(run, opts));
const decisions = (mock) => mock.requests.filter((r) => r.startsWith('POST /api/approvals'));
const last_text = (mock) => mock.events.findLast((e) => e.type === 'message' && e.data.role === 'assistant').data.text;

test('deltas: any overlap at any byte gives the same text, a hole is noticed', () => {
  const text = 'ab你好👋🏽é漢 end', bytes = Buffer.from(text);
  const starts = [...text].reduce((at, ch) => [...at, at.at(-1) + Buffer.byteLength(ch)], [0]);
  for (const a of starts) {
    for (const b of starts.filter((x) => x <= a)) {
      const live = new Map(), base = { turn_id: 't', chat_id: 'c', message_id: 'm' };
      live_apply(live, 'snapshot', { ...base, offset_bytes: a, text: bytes.subarray(0, a).toString(), reasoning: '' });
      const { entry, gap } = live_apply(live, 'delta', { ...base, offset_bytes: b, text: bytes.subarray(b).toString() });
      assert.equal(gap, false);
      assert.equal(entry.text, text);
      assert.equal(entry.bytes, bytes.length);
    }
    if (a > 0) assert.equal(live_apply(new Map(), 'delta', { turn_id: 't', chat_id: 'c', message_id: 'm', offset_bytes: a, text: 'x' }).gap, true);
  }
  const chat = chat_new('c');
  chat_live(chat, { turn_id: 't', chat_id: 'c', message_id: 'm', text, reasoning: '' });
  assert.equal(chat.turns[0].parts[0].text, text);
});

test('sign-in: without a session the page asks for the address and takes it', async () => {
  const mock = await new Mock().start();
  const { context, page } = await visit(browser, mock.origin);
  await page.locator('.signin input').fill(`${mock.origin}/?token=mock`);
  await page.keyboard.press('Enter');
  await page.waitForSelector('.empty');
  const used = await visit(browser, `${mock.origin}/?token=used`);
  await used.page.waitForSelector('.signin .note-warning');
  await context.close();
  await used.context.close();
  await mock.stop();
});

page_test('streaming: prefill, growing text, Markdown at the end, nothing doubled', async ({ mock, page }) => {
  await say(page, JOB.en);
  await page.waitForSelector('.progress progress');
  await page.waitForSelector('.ap-pending');
  await page.locator('.rail-new').click();
  await say(page, '#stream');
  await page.waitForURL(/\/chat\//);
  const seen = new Set();
  await until('the text grows', async () => { seen.add(await page.locator('.prose').innerText().catch(() => '')); return seen.size > 5; });
  await page.waitForSelector('.actions');
  assert.equal(await page.locator('.prose li').count(), 40);
  assert.equal(await page.locator('.prose h2').count(), 1);
  assert.equal(await page.locator('.prose ol').count(), 1);
  assert.equal(await page.locator('.prose pre code').innerText(), 'int main(void) { return 0; }\n');
  assert.equal(await page.locator('.prose table td').count(), 2);
  assert.match(await page.locator('.prose').innerText(), /Hello 👋🏽, a list follows/);
  assert.equal(await page.locator('.asked').count(), 1);
  assert.equal(mock.streams.size, 1);
});

page_test('stop: the answer so far stays and the turn says so', async ({ mock, page }) => {
  await say(page, '#stream');
  await page.waitForSelector('.prose li:nth-child(3)');
  await page.locator('.send.stop').click();
  await page.waitForSelector('.note-quiet');
  const text = last_text(mock);
  assert.ok(text.length > 40 && text.length < 1200);
  assert.equal(await page.locator('.send.stop').count(), 0);
  await page.reload();
  await page.waitForSelector('.note-quiet');
  assert.ok(await page.locator('.prose li').count() < 40);
});

page_test('connection lost: it says so, comes back, nothing lost and nothing doubled', async ({ mock, page }) => {
  await say(page, '#stream');
  await page.waitForSelector('.prose li:nth-child(3)');
  mock.refuse_streams = true;
  mock.drop_streams();
  await page.waitForSelector('.linkbar');
  await page.waitForTimeout(400);
  mock.refuse_streams = false;
  await page.waitForSelector('.linkbar', { state: 'detached' });
  await page.waitForSelector('.actions');
  assert.equal(await page.locator('.prose li').count(), 40);
  assert.equal(await page.locator('.said').count(), 1);
});

page_test('reload in the middle of a turn: the same text, once', async ({ mock, page }) => {
  await say(page, '#stream');
  await page.waitForSelector('.prose li:nth-child(3)');
  await page.reload();
  await page.waitForSelector('.prose li:nth-child(5)');
  await page.waitForSelector('.actions');
  assert.equal(await page.locator('.prose li').count(), 40);
  assert.equal(await page.locator('.turn').count(), 1);
  assert.equal(mock.events.filter((e) => e.type === 'message' && e.data.role === 'user').length, 1);
});

page_test('two tabs: one event stream, both in step, the second takes over', async ({ mock, page, context }) => {
  await say(page, '#stream');
  await page.waitForURL(/\/chat\//);
  const second = await open(context, page.url());
  await second.waitForSelector('.prose li:nth-child(3)');
  assert.equal(mock.streams.size, 1);
  await page.close();
  await second.waitForSelector('.actions');
  await until('the second tab listens', () => mock.streams.size === 1);
  assert.equal(await second.locator('.prose li').count(), 40);
  const third = await open(context, `${mock.origin}/`);
  await third.waitForSelector('.rail-chat');
  await say(second, JOB.en);
  await second.waitForSelector('.ap-pending');
  await third.locator('.rail-chat').click();
  await third.waitForSelector('.ap-pending');
  await third.locator('[data-do=refuse]').click();
  await second.waitForSelector('.ap-refused');
  assert.equal(mock.streams.size, 1);
  assert.equal(decisions(mock).length, 1);
  await third.locator('.rail-delete').click();
  await third.locator('.button-danger').click();
  await second.waitForSelector('.rail-none');
});

page_test('input methods: Enter that picks a candidate does not send', async ({ mock, page, context }) => {
  const box = page.locator('.composer textarea');
  await box.focus();
  const cdp = await context.newCDPSession(page);
  await cdp.send('Input.imeSetComposition', { text: 'paobu', selectionStart: 5, selectionEnd: 5 });
  await cdp.send('Input.dispatchKeyEvent', { type: 'rawKeyDown', key: 'Process', code: 'Enter', windowsVirtualKeyCode: 229 });
  await box.dispatchEvent('keydown', { key: 'Enter', isComposing: true, bubbles: true });
  await box.dispatchEvent('keydown', { key: 'Enter', keyCode: 229, bubbles: true });
  await cdp.send('Input.insertText', { text: '跑步' });
  assert.equal(mock.events.length, 0);
  await page.waitForTimeout(60);
  await page.keyboard.press('Shift+Enter');
  await page.keyboard.type('b');
  assert.equal(mock.events.length, 0);
  await page.keyboard.press('Enter');
  await until('it is sent', () => mock.events.length > 0);
  assert.equal(mock.events[0].data.text, '跑步\nb');
});

page_test('hostile text from model, shop and page stays text', async ({ page }) => {
  await say(page, '#xss');
  await page.waitForSelector('.ap-pending');
  await page.locator('.fold summary').first().click();
  await page.waitForTimeout(300);
  assert.equal(await page.evaluate(() => window.pwned), undefined);
  const thread = page.locator('.thread');
  for (const tag of ['script', 'img:not(.picture)', 'iframe', 'style', '.prose form', '.prose svg', '.prose details', '[onerror]', '[onload]', '[onclick]']) assert.equal(await thread.locator(tag).count(), 0, tag);
  for (const href of await thread.locator('a').evaluateAll((all) => all.map((a) => a.getAttribute('href')))) assert.match(href, /^(https?:|\/)/);
  for (const link of await thread.locator('.prose a').all()) assert.equal(await link.getAttribute('rel'), 'noopener noreferrer');
  assert.match(await thread.innerText(), /bank\.example \(evil\.example\)/);
  assert.match(await thread.locator('.card-title').first().innerText(), /<img src=x/);
});

page_test('approval: exact terms, two acts, never by Enter', async ({ mock, page }) => {
  await say(page, JOB.en);
  const card = page.locator('.ap-pending');
  await card.waitFor();
  const words = await card.innerText();
  for (const part of ['Haitang Select', 'http://127.0.0.2:9102', "merchant's own claim", 'Cloudrun 3', 'dark grey', '42', '¥359.00', '−¥30.00', '¥329.00', 'SAVE30', '张伟', '漕溪北路18号', 'Sandbox wallet', '¥1,000.00', '¥671.00', 'Returns within 7 days', 'Sandbox merchant', 'demo profile', 'matches the terms']) assert.ok(words.includes(part), `${part} in\n${words}`);
  assert.match(words, /expires in 1[45]:\d\d/);
  await page.locator('[data-do=review]').focus();
  await page.keyboard.press('Enter');
  await page.locator('[data-do=pay]').focus();
  for (let i = 0; i < 3; i++) await page.keyboard.press('Enter');
  await page.locator('[data-do=pay]').click();
  await hold(page, 300);
  await page.locator('[data-do=pay]').evaluate((el) => el.click());
  assert.equal(decisions(mock).length, 0);
  await page.locator('[data-do=back]').click();
  await pay(page);
  await page.waitForSelector('.receipt');
  const receipt = await page.locator('.receipt').innerText();
  for (const part of [mock.orders[0].id, mock.orders[0].merchant_order_id, '¥329.00', 'Sandbox wallet']) assert.ok(receipt.includes(part), part);
  assert.equal(decisions(mock).length, 1);
  assert.equal(mock.ledger.length, 1);
  await page.reload();
  await page.waitForSelector('.receipt');
  await page.waitForSelector('.ap-completed');
  assert.equal(await page.locator('.receipt').count(), 1);
  await page.locator('.receipt footer a[href="/orders"]').click();
  await page.waitForSelector('.ledger tbody tr');
  assert.equal(await page.locator('.ledger tbody tr').count(), 1);
});

page_test('approval by the space bar, held', async ({ mock, page }) => {
  await say(page, JOB.en);
  await page.locator('[data-do=review]').click();
  await page.locator('[data-do=pay]').focus();
  await page.keyboard.press(' ');
  assert.equal(decisions(mock).length, 0);
  await page.keyboard.down(' ');
  await page.waitForTimeout(1250);
  await page.keyboard.up(' ');
  await page.waitForSelector('.receipt');
});

page_test('refuse: one act, nothing bought', async ({ mock, page }) => {
  await say(page, JOB.zh);
  await page.locator('[data-do=refuse]').click();
  await page.waitForSelector('.ap-refused');
  await page.waitForSelector('.actions');
  assert.equal(mock.orders.length, 0);
  assert.match(await page.locator('.approval').innerText(), /什么也没买/);
}, { lang: 'zh' });

page_test('terms that do not match their fingerprint cannot be approved', async ({ page }) => {
  await say(page, '#broken');
  await page.waitForSelector('.ap-pending .note-error');
  assert.equal(await page.locator('[data-do=review], [data-do=pay]').count(), 0);
  assert.equal(await page.locator('.ap-pending button:has-text("buy")').count(), 1);
});

page_test('a balance too low is said and stops the approval; another payment method makes new terms', async ({ mock, page }) => {
  await say(page, JOB.en);
  await page.waitForSelector('.ap-pending');
  assert.match(await page.locator('.ap-pending').innerText(), /balance too low/);
  assert.ok(await page.locator('[data-do=review]').isDisabled());
  await page.locator('.pay-with').selectOption('card');
  await page.waitForSelector('.ap-superseded');
  assert.doesNotMatch(await page.locator('.ap-pending').innerText(), /balance/);
  await pay(page);
  await page.waitForSelector('.receipt');
  assert.equal(mock.orders.length, 1);
  assert.equal(mock.orders[0].instrument.id, 'card');
}, { mock: { balance_minor: 10_000 } });

page_test('an approval that expires says so and offers nothing', async ({ mock, page }) => {
  await say(page, JOB.en);
  await page.waitForSelector('.ap-pending');
  await page.waitForSelector('.ap-expired');
  assert.equal(await page.locator('[data-do]').count(), 0);
  await page.waitForSelector('.actions');
  assert.equal(mock.orders.length, 0);
}, { mock: { expires_ms: 2500 } });

page_test('outcome unknown: shown as such, only read again, ends as an order', async ({ mock, page }) => {
  await say(page, '#unknown');
  await page.locator('.ap-pending').waitFor();
  await pay(page);
  await page.waitForSelector('.ap-unknown');
  assert.match(await page.locator('.ap-unknown').innerText(), /Nothing will be sent again/);
  await page.waitForSelector('.note-warning');
  await page.locator('.ap-unknown .link').click();
  mock.reconciled = true;
  await page.waitForSelector('.receipt');
  await page.waitForSelector('.ap-completed');
  assert.equal(decisions(mock).length, 1);
});

page_test('a shop that needs the buyer at its page: a way out with its real host, on the card of the approval', async ({ mock, page }) => {
  await say(page, '#needs');
  await page.locator('.ap-pending').waitFor();
  await pay(page);
  const out = page.locator('.ap-unknown .button-main');
  await out.waitFor();
  assert.equal(await out.getAttribute('href'), 'https://bank.example/3ds/7');
  assert.match(await out.innerText(), /bank\.example/);
  assert.match(await page.locator('.ap-unknown').innerText(), /needs you at its page/);
  mock.reconciled = true;
  await page.waitForSelector('.ap-completed');
});

page_test('handed over: host, number, what is left, and read again when the user was there', async ({ mock, page }) => {
  await say(page, '#handover');
  const card = page.locator('.hand-over');
  await card.waitFor();
  const words = await card.innerText();
  for (const part of ['Haitang Select', "merchant's own claim", 'co-4711', 'pay.example', 'another host', 'Pay ¥329.00 there', '<b>Sign in first</b>', 'Nothing was paid here', 'Cloudrun 3']) assert.ok(words.includes(part), `${part} in\n${words}`);
  const link = card.locator('a');
  assert.deepEqual([await link.getAttribute('href'), await link.getAttribute('rel'), await link.getAttribute('target')], ['https://pay.example/co-4711?x=1', 'noopener noreferrer', '_blank']);
  assert.equal(await page.locator('.note-info').count(), 0, 'the notice says nothing beside its card');
  await shot(page, 'page-handover');
  await page.setViewportSize(PHONE);
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth), 0);
  await shot(page, 'page-handover-phone');
  Object.assign(mock.hand_over, { state: 'completed', merchant_order_id: 'SO-99', order_url: 'https://shop.example/SO-99' });
  await card.locator('[data-do=check]').click();
  await page.waitForSelector('.ho-completed');
  assert.match(await card.innerText(), /Ordered[\s\S]*SO-99[\s\S]*shop\.example/);
});

page_test('paid on delivery: said on the card, on the button and on the order', async ({ page }) => {
  await say(page, '#door');
  const card = page.locator('.ap-pending');
  await card.waitFor();
  assert.match(await card.innerText(), /pay on delivery \(to the carrier\)[\s\S]*Nothing is charged here\. You pay ¥329\.00 to the carrier/);
  assert.equal(await card.locator('.ap-sandbox').count(), 0);
  await card.locator('[data-do=review]').click();
  assert.match(await page.locator('.armed').innerText(), /pay the carrier on delivery[\s\S]*¥329\.00 on delivery/);
  await shot(page, 'page-door');
  await hold(page, 1250);
  await page.waitForSelector('.receipt');
  assert.match(await page.locator('.receipt').innerText(), /To pay on delivery[\s\S]*¥329\.00/);
});

page_test('a purchase that fails: the reason is the merchant\'s, nothing charged', async ({ page }) => {
  await say(page, '#failed');
  await page.locator('.ap-pending').waitFor();
  await pay(page);
  await page.waitForSelector('.ap-failed');
  assert.match(await page.locator('.ap-failed').innerText(), /out of stock/);
});

page_test('a shop that is down: said in the row and beside the offers', async ({ page }) => {
  await say(page, '#down');
  await page.waitForSelector('.note-warning');
  await page.locator('.tool summary').first().click();
  assert.match(await page.locator('.shop-bad').innerText(), /Qingsong Mall[\s\S]*no answer within 5 s/);
  assert.match(await page.locator('.tool').first().innerText(), /running shoes/);
});

page_test('cards: cheapest marked, lines add up, another can be taken', async ({ mock, page }) => {
  await say(page, JOB.en);
  await page.waitForSelector('.ap-pending');
  assert.equal(await page.locator('.card').count(), 4);
  assert.match(await page.locator('.card-best').innerText(), /Cheapest[\s\S]*¥329\.00[\s\S]*¥359\.00[\s\S]*SAVE30[\s\S]*−¥30\.00[\s\S]*21 yuan less/);
  assert.match(await page.locator('.reason').innerText(), /cheapest of 4/);
  assert.match(await page.locator('.tool').first().innerText(), /running shoes · Qingsong Mall 2 · Haitang Select 2/);
  assert.equal((await page.locator('.thread').innerText()).split('cheapest of 4').length, 2, 'the reason is said once');
  await page.locator('.card').nth(1).locator('button').click();
  await until('it is asked for', () => mock.events.some((e) => e.data.text === 'Take number 2'));
});

page_test('pictures: on cards and approval, by way of our server, inert; a missing one leaves no gap', async ({ mock, page }) => {
  await say(page, JOB.en);
  await page.waitForSelector('.ap-pending');
  await page.locator('.cards').evaluate((el) => el.scrollTo({ left: 9999, behavior: 'instant' })); // what is out of sight is not asked for
  await until('three of four cards have one', async () => (await page.locator('.card .picture').count()) === 3);
  await until('they are drawn', () => page.evaluate(() => [...document.querySelectorAll('.picture')].every((i) => i.complete && i.naturalWidth > 0)));
  assert.equal(await page.locator('.ap-pending .picture').count(), 1);
  assert.match(await page.locator('.card .picture').first().getAttribute('alt'), /Cloudrun 3/);
  for (const src of await page.locator('.picture').evaluateAll((all) => all.map((i) => new URL(i.src).origin))) assert.equal(src, mock.origin);
  assert.equal(await page.evaluate(() => window.pwned), undefined);
  await shot(page, 'page-pictures');
});

page_test('question: a form for its slots, answered once', async ({ mock, page }) => {
  await say(page, '#question');
  await page.locator('.question .chip:has-text("42")').click();
  await page.locator('.question input[type=text]').fill('1 Harbour Road');
  await page.locator('.question .button-main').click();
  await until('the answer is sent', () => mock.events.some((e) => e.data.text === 'Size: 42\nDelivery address: 1 Harbour Road'));
  await page.waitForSelector('.turn:nth-child(2)');
  assert.equal(await page.locator('.question .button-main').count(), 0);
});

page_test('thinking is folded to its last line', async ({ page }) => {
  await say(page, '#think');
  await page.waitForSelector('.actions');
  const fold = page.locator('.fold');
  assert.match(await fold.locator('summary').innerText(), /Then the size/);
  assert.equal(await fold.locator('.reasoning').isVisible(), false);
  await fold.locator('summary').click();
  assert.match(await fold.locator('.reasoning').innerText(), /First the budget/);
});

page_test('language and theme: switched without a reload, kept after one', async ({ page }) => {
  await page.evaluate(() => { window.same = 1; });
  await say(page, JOB.en);
  await page.waitForSelector('.ap-pending');
  assert.match(await page.locator('.ap-pending').innerText(), /Approve this purchase/);
  await page.locator('.rail-prefs button').first().click();
  await page.waitForSelector('.ap-pending:has-text("确认购买")');
  assert.match(await page.locator('.card').first().innerText(), /最便宜[\s\S]*11月|最便宜[\s\S]*\d+月\d+日/);
  assert.equal(await page.evaluate(() => document.documentElement.lang), 'zh-CN');
  const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await paper();
  await page.locator('.rail-prefs button').nth(1).click();
  assert.equal(await paper(), light);
  await page.locator('.rail-prefs button').nth(1).click();
  assert.notEqual(await paper(), light);
  assert.equal(await page.evaluate(() => window.same), 1);
  await page.reload();
  await page.waitForSelector('.ap-pending:has-text("确认购买")');
  assert.notEqual(await paper(), light);
});

test('words: both tables have the same keys and the same blanks', async () => {
  const { zh } = await import('../../web/src/words.zh.js'), { en } = await import('../../web/src/words.en.js');
  assert.deepEqual(Object.keys(zh).sort(), Object.keys(en).sort());
  const blanks = (s) => [...s.matchAll(/\{\w+\}/g)].map(String).sort();
  for (const key of Object.keys(zh)) assert.deepEqual(blanks(zh[key]), blanks(en[key]), key);
});

page_test('phone: 375 px without sideways scroll, big enough to tap, cards swipe', async ({ page }) => {
  const overflow = () => page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.equal(await overflow(), 0);
  await say(page, JOB.zh);
  await page.waitForSelector('.ap-pending');
  assert.equal(await overflow(), 0);
  assert.ok(await page.locator('.thread').evaluate((el) => [...el.querySelectorAll('*')].every((n) => n.closest('.cards') || n.getBoundingClientRect().right <= innerWidth + 1)));
  const cards = page.locator('.cards');
  assert.ok(await cards.evaluate((el) => { el.scrollTo({ left: 400, behavior: 'instant' }); return el.scrollLeft > 200; }));
  await page.locator('[data-do=review]').scrollIntoViewIfNeeded();
  await page.locator('[data-do=review]').click();
  for (const sel of ['[data-do=pay]', '[data-do=back]', '.send', '.topbar .icon-button']) {
    const box = await page.locator(sel).boundingBox();
    assert.ok(box.height >= 44 && box.width >= 44, `${sel} ${JSON.stringify(box)}`);
  }
  assert.equal(await page.locator('.rail').isVisible(), false);
  await page.locator('.topbar .icon-button').click();
  await page.locator('.rail-chat').waitFor();
  await page.keyboard.press('Escape');
  await page.waitForFunction(() => getComputedStyle(document.querySelector('.rail')).visibility === 'hidden');
  assert.ok(await page.locator('.composer textarea').evaluate((el) => parseFloat(getComputedStyle(el).fontSize) >= 16));
}, { lang: 'zh', viewport: PHONE });

page_test('2,000 messages: opens fast, types without lag, earlier ones come when asked', async ({ mock, page }) => {
  const id = mock.fill_chat('long', 2000);
  let start = Date.now();
  await page.goto(`${mock.origin}/chat/${id}`);
  await page.waitForSelector('.turn:has-text("Answer 1000")');
  assert.ok(Date.now() - start < 4000, `opened in ${Date.now() - start} ms`);
  const shown = await page.locator('.turn').count();
  assert.ok(shown <= 90, `${shown} turns drawn`);
  const lag_ms = await page.evaluate(async () => {
    const box = document.querySelector('.composer textarea');
    const begin = performance.now();
    for (let i = 0; i < 20; i++) {
      box.value += 'x';
      box.dispatchEvent(new Event('input', { bubbles: true }));
      await new Promise((done) => requestAnimationFrame(done));
    }
    return (performance.now() - begin) / 20;
  });
  assert.ok(lag_ms < 100, `a key takes ${lag_ms} ms`);
  await page.locator('.scroll').evaluate((el) => { el.scrollTop = 0; });
  await until('earlier turns', async () => await page.locator('.turn').count() > shown);
  await say(page, '#stream');
  await page.waitForSelector('.busy .prose li:nth-child(5)');
  await page.waitForSelector('.busy', { state: 'detached' });
});

page_test('scrolling: follows the end until the reader goes up, and again at the end', async ({ page }) => {
  const scroll = page.locator('.scroll');
  const from_end = () => scroll.evaluate((el) => el.scrollHeight - el.scrollTop - el.clientHeight);
  await say(page, '#stream');
  await page.waitForSelector('.prose li:nth-child(26)');
  assert.ok(await from_end() < 60);
  await page.mouse.move(700, 400);
  await page.mouse.wheel(0, -300);
  await page.waitForSelector('.jump');
  const top = await scroll.evaluate((el) => el.scrollTop);
  await page.waitForSelector('.actions');
  assert.ok(Math.abs(await scroll.evaluate((el) => el.scrollTop) - top) < 3);
  await page.locator('.jump').click();
  await until('at the end', async () => await from_end() < 3);
}, { viewport: { width: 1280, height: 620 } });

page_test('chats: address, title, back, delete with a question, a gone chat', async ({ mock, page }) => {
  await say(page, '#think one');
  await page.waitForSelector('.actions');
  const one = page.url();
  assert.match(await page.title(), /^#think one/);
  await page.keyboard.press('Control+Shift+O');
  await page.waitForSelector('.empty');
  await say(page, '#think two');
  await page.waitForSelector('.actions');
  await page.goBack();
  await page.waitForSelector('.empty');
  await page.goBack();
  await page.waitForSelector('.asked:has-text("one")');
  assert.equal(page.url(), one);
  await page.locator('.rail-chat.here .rail-delete').click();
  await page.waitForSelector('dialog[open]');
  await page.keyboard.press('Escape');
  await page.waitForSelector('dialog', { state: 'detached' });
  assert.equal(mock.chats.size, 2);
  await page.locator('.rail-chat.here .rail-delete').click();
  await page.locator('.button-danger').click();
  await page.waitForSelector('.empty');
  assert.equal(mock.chats.size, 1);
  await page.goto(one);
  await page.waitForSelector('.note-warning:has-text("no such chat")');
});

page_test('what could not be sent comes back into the box', async ({ mock, page }) => {
  mock.fail_turns = true;
  await say(page, 'keep me');
  await page.waitForSelector('.toast-error:has-text("the queue is full")');
  assert.equal(await page.locator('.composer textarea').inputValue(), 'keep me');
  await page.reload();
  assert.equal(await page.locator('.composer textarea').inputValue(), 'keep me');
});

// What the real model said and the real shops sold, drawn: nothing lost, nothing doubled.
const recorded_of = (name, type) => recording(name).slice(1).filter((e) => e[1] === type).map((e) => e[2]);

page_test('recorded: a bought turn of the real model', async ({ mock, page }) => {
  const [{ cards }] = recorded_of('job-zh', 'card'), [{ order }] = recorded_of('job-zh', 'order');
  await say(page, '#recorded job-zh');
  await page.waitForSelector('.ap-pending');
  assert.equal(await page.locator('.card').count(), cards.length);
  assert.match(await page.locator('.card-best').innerText(), new RegExp(cards[0].title));
  await pay(page);
  await page.waitForSelector('.receipt');
  assert.match(await page.locator('.receipt').innerText(), new RegExp(order.merchant_order_id));
  const said = recorded_of('job-zh', 'message').filter((m) => m.role === 'assistant');
  await until('all that was said is shown', async () => {
    const shown = (await page.locator('.thread').innerText()).replace(/\s+/g, '');
    return said.every((m) => m.text.replace(/[\s*_`]+/g, '').split('\n').every((line) => shown.split(line).length === 2));
  });
  assert.equal(mock.orders.length, 1);
});

page_test('recorded: a refused turn of the real model', async ({ mock, page }) => {
  await say(page, '#recorded job-en');
  await page.locator('[data-do=refuse]').click();
  await page.waitForSelector('.ap-refused');
  const last = recorded_of('job-en', 'message').at(-1).text;
  await until('the last words', async () => (await page.locator('.thread').innerText()).includes(last.split('\n')[0].slice(0, 30)));
  assert.equal(mock.orders.length, 0);
});

page_test('recorded: offers only, and a question', async ({ page }) => {
  await say(page, '#recorded browse-zh');
  await until('the cards', async () => (await page.locator('.card').count()) === recorded_of('browse-zh', 'card')[0].cards.length);
  await page.locator('.send.stop').waitFor({ state: 'detached' });
  assert.equal(await page.locator('.ap-pending').count(), 0);
  await say(page, '#recorded question-zh');
  await page.waitForSelector('.question');
  assert.match(await page.locator('.question').innerText(), new RegExp(recorded_of('question-zh', 'question')[0].text.slice(0, 6)));
});

page_test('profile: demo is marked and can be replaced', async ({ mock, page }) => {
  await say(page, JOB.en);
  await page.locator('.demo .link').click();
  await page.waitForSelector('.profile .note-warning');
  await page.locator('[autocomplete=name]').fill('Li Na');
  await page.locator('[autocomplete=street-address]').fill('1 Harbour Road');
  await page.locator('.instrument').first().click();
  await page.locator('.profile .button-main').click();
  await page.waitForSelector('.toast-info');
  assert.equal(mock.profile.name, 'Li Na');
  assert.equal(mock.profile.demo, false);
  assert.deepEqual(mock.profile.instruments.map((x) => x.default), [true, false]);
  assert.equal(mock.profile.passengers.length, 1);
  await page.locator('.passenger input').nth(1).fill('E12345678');
  await page.locator('.passenger input[type=date]').fill('1990-01-31');
  await page.locator('.passenger select').selectOption('child');
  await page.locator('.profile .button-main').click();
  await until('the passenger is stored', () => mock.profile.passengers[0].document);
  assert.deepEqual(mock.profile.passengers[0], { name: '张伟', type: 'child', document: 'E12345678', birth_date: '1990-01-31' });
  await page.waitForSelector('.profile .note-warning', { state: 'detached' });
});

page_test('for everybody: landmarks, a log, names on every control, focus in the dialog', async ({ page }) => {
  await say(page, JOB.en);
  await page.waitForSelector('.ap-pending');
  for (const sel of ['main', 'nav', 'header', 'h1', '[role=log]', '[role=status]', '.skip']) assert.ok(await page.locator(sel).count() > 0, sel);
  const nameless = await page.evaluate(() => [...document.querySelectorAll('button, a, input, textarea')].filter((el) => !(el.innerText?.trim() || el.getAttribute('aria-label') || el.labels?.length)).map((el) => el.outerHTML));
  assert.deepEqual(nameless, []);
  await page.locator('.rail-delete').click();
  await page.waitForSelector('dialog[open]');
  assert.ok(await page.evaluate(() => document.querySelector('dialog').contains(document.activeElement)));
  await page.keyboard.press('Escape');
  await page.waitForSelector('dialog', { state: 'detached' });
  assert.ok(await page.evaluate(() => document.activeElement.matches('.rail-delete')));
  assert.match(await page.locator('.app > .sr-only').textContent(), /check the terms/);
});

page_test('reduced motion and forced theme keep working', async ({ page }) => {
  await say(page, '#think');
  await page.waitForSelector('.actions');
  assert.equal(await page.evaluate(() => getComputedStyle(document.querySelector('.composer')).transitionDuration), '1e-05s');
  await shot(page, 'page-reduced-dark');
}, { reducedMotion: 'reduce', theme: 'dark' });

page_test('plan: one sheet, one answer; every part, the whole, and what happens when a part fails', async ({ mock, page }) => {
  const parts = () => page.locator('.plan .pl-part');
  await say(page, '#plan trip');
  await page.waitForSelector('.plan.ap-pending');
  assert.equal(await parts().count(), 4);
  assert.equal(await page.locator('.approval').count(), 1); // its parts have no cards of their own
  const sheet = await page.locator('.plan').innerText();
  for (const words of ['G2 Shanghai', 'G25 Beijing', 'Yunqi Hotels', 'Palace Museum', '张伟', '¥3,286.00', 'a fee of at most ¥66.20', 'not possible, so it is paid last', 'in full']) assert.ok(sheet.includes(words), words);
  await page.waitForSelector('.plan .pl-print .good');
  const before = mock.plans.values().next().value.plan.sheet_hash;
  await page.locator('.pl-choice input').nth(1).click();
  await until('another sheet', () => mock.plans.values().next().value.plan.sheet_hash !== before);
  await page.waitForSelector('.plan .pl-chosen:nth-of-type(2)');
  await page.locator('.pl-choice input').first().click();
  await until('the first sheet again', () => mock.plans.values().next().value.plan.sheet_hash === before);
  await page.waitForSelector('.pl-choice label:nth-of-type(1).pl-chosen');
  await parts().first().locator('summary').first().click();
  await shot(page, 'plan-sheet');
  await page.locator('.plan [data-do=review]').click();
  await shot(page, 'plan-armed');
  await hold(page, 1250);
  await page.waitForSelector('.plan .pl-mark .spinner');
  await page.waitForSelector('.plan.ap-completed');
  assert.equal(await page.locator('.pl-pill-stands').count(), 4);
  assert.match(await page.locator('.pl-cost').innerText(), /3,286\.00/);
  assert.equal(mock.requests.filter((r) => r.startsWith('POST /api/plans')).length, 1);
});

for (const lang of ['en', 'zh'])
  page_test(`plan: what stands, what came back and what can be done (${lang})`, async ({ page }) => {
    await say(page, lang === 'zh' ? '#plan_undone 北京' : '#plan_undone trip');
    await page.waitForSelector('.plan.ap-pending');
    await pay(page);
    await page.waitForSelector('.plan.ap-partial');
    assert.equal(await page.locator('.pl-pill-refunded').count(), 2);
    assert.equal(await page.locator('.pl-pill-stands').count(), 1);
    assert.equal(await page.locator('.pl-pill-failed').count(), 1);
    const text = await page.locator('.plan').innerText();
    for (const words of lang === 'zh' ? ['退回 ¥1,257.80，手续费 ¥66.20', '比计划单上写的高', '取消订单', '实际花费'] : ['¥1,257.80 back, fee ¥66.20', 'higher than the sheet said', 'Cancel the order', 'What it cost'])
      assert.ok(text.includes(words), words);
    await shot(page, `plan-partial-${lang}`);
  }, { lang, viewport: lang === 'zh' ? PHONE : undefined });

await run_tests();
await browser.close();
process.exit();
