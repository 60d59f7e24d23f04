// sale.mjs: after the sale, in a real Chromium over real HTTP: the real program and the sandbox shops, and a model
// that says what the test says. The evidence is the shops' databases and the ledger, not the page.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assert, launch, visit, say, pay, hold, test, run_tests, until, PHONE, shot } from './lib.mjs';
import { scripted_model } from './mock/model.mjs';

const RUKOU = process.env.RUKOU ?? 'build/release/rukou';
const START_MS = 60_000;
const data = mkdtempSync(join(tmpdir(), 'rukou-sale-'));
const json = (...args) => JSON.parse(execFileSync(RUKOU, [...args, '--json', '--data', data], { encoding: 'utf8' }));
const ledger = (kind) => json('orders', '--ledger').filter((e) => e.kind === kind);

const model = await scripted_model({ query: '跑步鞋' });
const server = spawn(RUKOU, ['serve', '--data', data, ...model.args], { stdio: ['ignore', 'pipe', 'inherit'] });
process.on('exit', () => server.kill('SIGKILL'));
let printed = '';
server.stdout.on('data', (part) => { printed += part; });
const url = await until('rukou prints its address', () => {
  if (server.exitCode !== null) throw new Error(`rukou serve ended with ${server.exitCode}`);
  return /rukou: open (\S+)/.exec(printed)?.[1];
}, START_MS);
const browser = await launch();
const { context, page } = await visit(browser, url, { lang: 'en' });
await page.waitForSelector('.empty');

const minor = (text) => Math.round(Number(text.replace(/[^\d.]/g, '')) * 100);
const fresh = async () => { await page.goto(new URL('/', url).href); await page.waitForSelector('.empty'); };

async function buy(text) {
  await fresh();
  await say(page, text);
  await page.waitForSelector('.ap-pending', { timeout: 20_000 });
}

test('pictures of the real shops stand on cards and approval', async () => {
  await buy('买一双跑步鞋，500元以内，哪个平台便宜就在哪买');
  await until('pictures are drawn', () => page.evaluate(() => {
    const all = [...document.querySelectorAll('.card .picture')].slice(0, 2), line = document.querySelector('.ap-pending .picture');
    return all.length === 2 && line && [...all, line].every((i) => i.complete && i.naturalWidth > 0);
  }));
  await page.locator('.scroll').evaluate((el) => { el.scrollTop = 0; });
  await shot(page, 'sale-pictures');
  await page.setViewportSize(PHONE);
  await shot(page, 'sale-pictures-phone');
  await page.setViewportSize({ width: 1280, height: 860 });
});

test('variants: the shop is asked, another size makes new terms with old beside new', async () => {
  await page.locator('.ap-pending .ap-edit summary').click();
  const size = page.locator('.variants select[name=size]');
  await size.waitFor();
  const before = await size.inputValue();
  const other = (await size.locator('option').evaluateAll((all) => all.map((o) => o.value))).find((v) => v !== before);
  await size.selectOption(other);
  assert.match(await page.locator('.variants-price').innerText(), /¥[\d.]+ ¥[\d.]+ \((the same|[+−]¥)/);
  await page.locator('.variants').scrollIntoViewIfNeeded();
  await shot(page, 'sale-variants');
  await page.locator('.variants button').click();
  await page.waitForSelector('.ap-pending .diff');
  assert.match(await page.locator('.ap-pending .items').innerText(), new RegExp(`${other}`));
  assert.match(await page.locator('.ap-pending .diff').innerText(), new RegExp(`${before}[\\s\\S]*${other}`));
});

test('bought: the receipt is one sheet whose sums hold, to print without the frame', async () => {
  const total = minor(await page.locator('.ap-pending .ap-total').innerText());
  await pay(page);
  await page.waitForSelector('.receipt', { timeout: 20_000 });
  assert.equal(ledger('capture').at(-1).amount_minor, total);
  await page.locator('.receipt footer .link', { hasText: 'Receipt' }).click();
  await page.waitForSelector('.rp');
  const [order] = json('orders'), sheet = json('orders', 'receipt', order.id), words = await page.locator('.rp').innerText();
  assert.ok(sheet.ok && sheet.stands_minor === total && sheet.approval.signed && sheet.checks.length >= 7);
  for (const part of [order.id, order.merchant_order_id, sheet.approval.terms_hash, 'All sums hold', 'on this page', (total / 100).toFixed(2)]) assert.ok(words.includes(part), `${part} in\n${words}`);
  await shot(page, 'sale-receipt');
  await page.emulateMedia({ media: 'print' });
  assert.equal(await page.locator('.rail').isVisible() || await page.locator('.topbar').isVisible() || await page.locator('.no-print').isVisible(), false);
  await shot(page, 'sale-receipt-print');
  await page.emulateMedia({ media: 'screen' });
  await page.setViewportSize(PHONE);
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth), 0);
  await shot(page, 'sale-receipt-phone');
  await page.setViewportSize({ width: 1280, height: 860 });
});

test('spending: by month, merchant and category, a claim is marked as one', async () => {
  await page.locator('.no-print a').click();
  const row = page.locator('.spending tbody tr');
  await row.first().waitFor();
  const net = minor(await row.first().locator('td').last().locator('b').innerText());
  assert.equal(net, json('orders', '--by', 'month').rows[0].net_minor);
  await page.locator('.way', { hasText: 'Category' }).click();
  await page.waitForSelector('.spending td:has-text("the merchant says")');
  await page.locator('.way', { hasText: 'Merchant' }).click();
  await page.waitForSelector('.spending td code');
  await shot(page, 'sale-spending');
});

test('returned on the page: terms, approval, money back on sheet, ledger and list', async () => {
  const before = ledger('refund').length, [order] = json('orders');
  await page.goto(new URL('/orders', url).href);
  await page.locator('.order summary').first().click();
  await page.locator('.order footer button').first().click();
  const card = page.locator('.ap-pending');
  await card.waitFor();
  const words = await card.innerText();
  assert.ok(words.includes(order.merchant_order_id), words);
  assert.equal(json('orders')[0].status, order.status, 'nothing happens before the approval');
  await card.locator('[data-do=review]').click();
  assert.match(await page.locator('.armed-text').innerText(), /Give this order back to/);
  await card.scrollIntoViewIfNeeded();
  await shot(page, 'sale-return');
  await hold(page, 1250);
  await until('the money is back', () => ledger('refund').length === before + 1, 20_000);
  const back = ledger('refund').at(-1).amount_minor;
  assert.ok(back > 0);
  await page.goto(new URL(`/orders/${order.id}/receipt`, url).href);
  await page.waitForSelector('.rp');
  const sheet = json('orders', 'receipt', order.id);
  assert.equal(sheet.refunded_minor, back);
  assert.equal(sheet.stands_minor, sheet.paid_minor - back);
  assert.ok(sheet.ok && sheet.returns.length === 1, JSON.stringify(sheet.checks));
  assert.ok((await page.locator('.rp').innerText()).includes('Paid back'));
  await shot(page, 'sale-returned');
  assert.equal(json('orders', '--by', 'month').rows[0].net_minor, sheet.stands_minor);
  assert.equal(json('orders', 'audit').ok, true);
  assert.deepEqual(page.problems, []);
});

try {
  await run_tests();
} finally {
  await context.close();
  await browser.close();
  model.stop();
  server.kill('SIGTERM');
  await new Promise((done) => { server.once('exit', done); setTimeout(done, 15_000); });
  rmSync(data, { recursive: true, force: true });
}
process.exit();
