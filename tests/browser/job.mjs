// job.mjs: the job itself in a real Chromium, with the real program, the real
// 1.5B model and the sandbox shops: one sentence to a paid order, and to a
// refusal, in both languages. Four runs of the model in all. The evidence is
// the shop's own database and the ledger, not the page.
// SHOTS_TO=DIR also writes job-zh.png and job-en.png there (docs/img).
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assert, launch, visit, say, pay, test, run_tests, until, SHOTS } from './lib.mjs';

const RUKOU = process.env.RUKOU ?? 'build/release/rukou';
const MODEL = process.env.RUKOU_MODEL ?? '1.5b';
const START_MS = 120_000, MODEL_MS = 240_000, TEST_MS = 420_000;
const MAX_SHOT_BYTES = 300 * 1024;
const PICTURE_HEIGHT = 1780;
const SHOPS = ['chali', 'huayu', 'jiguang', 'kangning', 'lanhai', 'moxiang', 'shanye', 'xinghe', 'yeqing'];
const JOB = { zh: '买一双跑步鞋，500元以内，哪个平台便宜就在哪买', en: 'Buy a pair of running shoes under 500 yuan, wherever it is cheapest' };

const shots = process.env.SHOTS_TO ?? SHOTS;
mkdirSync(shots, { recursive: true });
const data = mkdtempSync(join(tmpdir(), 'rukou-job-'));
const json = (...args) => JSON.parse(execFileSync(RUKOU, [...args, '--json', '--data', data], { encoding: 'utf8' }));
const shop_orders = () => SHOPS.flatMap((shop) => json('shop', 'orders', `shops/${shop}`).orders);
const charges = () => json('orders', '--ledger').filter((e) => e.kind === 'capture');

const server = spawn(RUKOU, ['serve', '--data', data, '--model', MODEL], { stdio: ['ignore', 'pipe', 'inherit'] });
process.on('exit', () => server.kill('SIGKILL'));   // also when a test tool fails
let printed = '';
server.stdout.on('data', (part) => { printed += part; });
const url = await until('rukou prints its address', () => {
  if (server.exitCode !== null) throw new Error(`rukou serve ended with ${server.exitCode}`);
  return /rukou: open (\S+)/.exec(printed)?.[1];
}, START_MS);
const browser = await launch();
const { context, page: first } = await visit(browser, url, { lang: 'zh', viewport: { width: 1180, height: 1060 } });
await first.waitForSelector('.empty');

async function ask(lang) {
  const page = first;
  await page.goto(new URL('/', url).href);
  await page.evaluate((l) => localStorage.setItem('rukou.lang', l), lang);
  await page.reload();
  await page.waitForSelector('.empty');
  await say(page, JOB[lang]);
  await page.waitForSelector('.ap-pending', { timeout: MODEL_MS });
  return page;
}

// Cards and approval as the page shows them, against the limit in the sentence.
async function check_offer(page) {
  const cards = await page.locator('.card').evaluateAll((all) => all.map((c) => ({ shop: c.querySelector('.card-shop').innerText, total: Number(c.querySelector('.card-price strong').innerText.replace(/[^\d.]/g, '')) })));
  assert.ok(cards.length >= 2, `${cards.length} cards`);
  assert.ok(new Set(cards.map((c) => c.shop)).size >= 2, 'offers of two shops');
  assert.ok(cards.every((c) => c.total > 0 && c.total <= 500), JSON.stringify(cards));
  assert.ok((await page.locator('.reason').innerText()).length > 5);
  const total = Number((await page.locator('.ap-total').innerText()).replace(/[^\d.]/g, ''));
  assert.ok(total > 0 && total <= 500 && total <= Math.min(...cards.map((c) => c.total)), `total ${total} of ${JSON.stringify(cards)}`);
  assert.equal(await page.locator('.print + .good').count(), 1, 'the fingerprint matches the terms shown');
  return total;
}

// From the sentence to the approval in one picture, small enough for the repository.
async function picture(page, name) {
  const path = join(shots, `${name}.png`), size = page.viewportSize();
  await page.setViewportSize({ width: size.width, height: PICTURE_HEIGHT });
  await page.locator('.scroll').evaluate((el) => { el.scrollTop = 0; });
  await page.evaluate(() => document.activeElement?.blur());
  await page.waitForTimeout(300);
  await page.screenshot({ path });
  await page.setViewportSize(size);
  assert.ok(statSync(path).size <= MAX_SHOT_BYTES, `${name}.png has ${statSync(path).size} bytes`);
}

for (const lang of ['zh', 'en']) {
  test(`the job, approved (${lang})`, async () => {
    const before = { orders: shop_orders().length, charges: charges().length };
    const page = await ask(lang);
    const total = await check_offer(page);
    await picture(page, `job-${lang}`);
    assert.equal(shop_orders().length, before.orders, 'nothing is bought before the approval');
    await pay(page);
    await page.waitForSelector('.receipt', { timeout: MODEL_MS });
    const receipt = await page.locator('.receipt').innerText();
    const bought = shop_orders();
    assert.equal(bought.length, before.orders + 1, 'one more order in the shops');
    assert.ok(bought.some((o) => receipt.includes(o.id ?? o.order_id)), 'the receipt shows the shop\'s order number');
    const paid = charges();
    assert.equal(paid.length, before.charges + 1, 'one more charge');
    assert.equal(paid.at(-1).amount_minor, Math.round(total * 100));
    await page.waitForSelector('.turn:not(.busy) .actions', { timeout: MODEL_MS });
    await page.reload();
    await page.waitForSelector('.receipt');
    assert.equal(await page.locator('.receipt').count(), 1);
    assert.equal(await page.locator('.asked').count(), 1);
    assert.deepEqual(page.problems, []);
  }, TEST_MS);

  test(`the job, refused (${lang})`, async () => {
    const before = { orders: shop_orders().length, charges: charges().length };
    const page = await ask(lang);
    await page.locator('[data-do=refuse]').click();
    await page.waitForSelector('.ap-refused');
    await page.waitForSelector('.busy', { state: 'detached', timeout: MODEL_MS });
    assert.equal(await page.locator('.receipt').count(), 0);
    assert.equal(shop_orders().length, before.orders, 'no order in the shops');
    assert.equal(charges().length, before.charges, 'no charge');
    assert.deepEqual(page.problems, []);
  }, TEST_MS);
}

try {
  await run_tests();
} finally {
  await context.close();
  await browser.close();
  server.kill('SIGTERM');
  await new Promise((done) => { server.once('exit', done); setTimeout(done, 15_000); });
  rmSync(data, { recursive: true, force: true });
}
process.exit();
