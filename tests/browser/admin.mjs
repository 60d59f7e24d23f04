// admin.mjs: the seller's page in a real Chromium: sign-in by the printed link, products edited on a phone, two tabs, no scripts.
import { assert, launch, visit, open, until, test, run_tests, PHONE, WIDE, shot } from './lib.mjs';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const RUKOU = process.env.RUKOU ?? 'build/release/rukou';
const GOODS = `sku,product,category,title,title_en,description,description_en,options,price,stock,weight_g
tea-50,tea,tea,龙井茶,Longjing tea,明前采摘，罐装,Picked before Qingming. Tin,size=50g,48.00,20,120
tea-100,tea,tea,龙井茶,Longjing tea,明前采摘，罐装,Picked before Qingming. Tin,size=100g,88.00,12,200
cup-1,,cups,青瓷茶杯,Celadon tea cup,手工，200 毫升,"Handmade, 200 ml",,36.00,40,260
` + Array.from({ length: 30 }, (_, i) => `box-${i},,boxes,茶叶盒 ${i},Tea box ${i},,,,${10 + i}.50,3,100\n`).join('');
const dir = join(mkdtempSync(join(tmpdir(), 'rukou-admin-')), 'tea');
const rukou = (...args) => execFileSync(RUKOU, args, { encoding: 'utf8' });

rukou('shop', 'new', dir, '--name', '茶小店', '--name-en', 'Tea Corner');
writeFileSync(join(dir, 'goods.csv'), GOODS);
rukou('shop', 'import', dir, join(dir, 'goods.csv'));
const shop = spawn(RUKOU, ['shop', 'serve', dir, '--json', '--sandbox'], { stdio: ['ignore', 'pipe', 'inherit'] });
const origin = JSON.parse(await new Promise((done) => shop.stdout.once('data', (b) => done(String(b))))).origin;
const browser = await launch();
const link = () => JSON.parse(rukou('shop', 'admin', dir, '--json')).url;

// Signed in. Any complaint of a page fails the test; none may be wider than the window.
async function with_seller(run, opts = {}) {
  const { context, page } = await visit(browser, link(), { javaScriptEnabled: false, ...opts });
  try {
    await page.locator('form[action="/admin/sign-in"] button').click();
    await page.waitForURL(`${origin}/admin/products`);
    await run({ context, page });
    for (const p of context.pages()) assert.deepEqual(p.problems ?? [], []);
  } finally {
    await context.close();
  }
}
const seller_test = (name, run, opts) => test(name, () => with_seller(run, opts));

// Nothing sticks out sideways; asked of a browser that may run scripts, which the page itself has none of.
async function fits(page) {
  const cookies = await page.context().cookies(page.url());
  const { context, page: probe } = await visit(browser, `${origin}/admin/style.css`, { viewport: PHONE });
  await context.addCookies(cookies.map(({ name, value, ...c }) => ({ name, value, domain: c.domain, path: c.path })));
  await probe.goto(page.url());
  const [wide, window] = await probe.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  await context.close();
  assert.ok(wide <= window, `${page.url()} is ${wide} px wide`);
}

seller_test('admin: a phone finds a product, changes it, and sees it saved', async ({ page }) => {
  assert.equal(await page.locator('.list li').count(), 25);
  await shot(page, 'admin-products-phone');
  await fits(page);
  await page.locator('.pages a').click();
  assert.equal(await page.locator('.list li').count(), 7);
  await page.locator('nav a').first().click();
  await page.locator('input[name=q]').fill('longjing');
  await page.locator('.find button').click();
  await page.locator('.list a').click();
  await page.locator('input[name="price.tea-50"]').fill('49.5');
  await page.locator('input[name="on.tea-100"]').uncheck();
  await page.locator('input[name=title_en]').fill('Longjing <b>green</b> tea & more');
  await shot(page, 'admin-product-phone');
  await fits(page);
  await page.locator('button', { hasText: 'Save' }).click();
  await page.waitForSelector('.note:not(.fault)');
  assert.equal(await page.locator('input[name="price.tea-50"]').inputValue(), '49.50');
  assert.equal(await page.locator('input[name="on.tea-100"]').isChecked(), false);
  await page.locator('nav a').first().click();
  assert.match(await page.locator('.list li').first().innerText(), /Longjing <b>green<\/b> tea & more[\s\S]*partly off[\s\S]*49\.50 CNY/);
}, { viewport: PHONE });

seller_test('admin: of two tabs the second is told, and loses nothing it did not see', async ({ context, page }) => {
  await page.goto(`${origin}/admin/products/cup-1`);
  const other = await open(context, `${origin}/admin/products/cup-1`);
  await page.locator('input[name="price.cup-1"]').fill('37');
  await page.locator('button', { hasText: 'Save' }).click();
  await page.waitForSelector('.note:not(.fault)');
  await other.locator('input[name="stock.cup-1"]').fill('39');
  await other.locator('button', { hasText: 'Save' }).click();
  assert.match(await other.locator('.note.fault').innerText(), /Nothing of yours was saved/);
  assert.equal(await other.locator('input[name="price.cup-1"]').inputValue(), '37.00');
  assert.equal(await other.locator('input[name="stock.cup-1"]').inputValue(), '40');
  await other.locator('input[name="stock.cup-1"]').fill('-1');
  await other.locator('button', { hasText: 'Save' }).click();
  assert.match(await other.locator('.note.fault').innerText(), /whole number/);
  await shot(other, 'admin-fault');
});

seller_test('admin: a new product, in Chinese, in the dark', async ({ page }) => {
  assert.equal(await page.locator('html').getAttribute('lang'), 'zh-CN');
  await page.getByText('添加商品').click();
  await page.locator('input[name=price]').fill('25');
  await page.locator('input[name=stock]').fill('8');
  await page.locator('input[name=title]').fill('竹茶匙');
  await fits(page);
  await page.getByRole('button', { name: '添加' }).click();
  await page.waitForSelector('.note:not(.fault)');
  await page.locator('input[name=q]').fill('竹茶匙');
  await page.locator('.find button').click();
  assert.equal(await page.locator('.list li').count(), 1);
  await shot(page, 'admin-products-dark');
  await page.getByText('设置').click();
  await fits(page);
  await shot(page, 'admin-settings');
  await page.getByRole('button', { name: 'English' }).click();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.goto(`${origin}/admin/products`);
  assert.equal(await page.locator('.list').count(), 0);
}, { lang: 'zh', theme: 'dark', viewport: WIDE });

test('admin: a used link, and a stranger', async () => {
  const url = link(), first = await visit(browser, url), second = await visit(browser, url);
  await first.page.locator('button').click();
  await first.page.waitForSelector('.list');
  await second.page.locator('button').click();
  assert.match(await second.page.locator('.note.fault').innerText(), /used before/);
  await until('no list', async () => (await second.page.locator('.list').count()) === 0);
  await first.context.close();
  await second.context.close();
});

await run_tests();
await browser.close();
shop.kill('SIGTERM');
await new Promise((done) => shop.once('exit', done));
rmSync(join(dir, '..'), { recursive: true });
