// lib.mjs: a real Chromium, a few words for what the tests do, and the count at the end.
import { chromium } from 'playwright-core';
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

export { assert };
export const SHOTS = process.env.RUKOU_SHOTS ?? 'build/browser';
mkdirSync(SHOTS, { recursive: true });

export const launch = () => chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--disable-background-networking', '--disable-component-update',
    '--disable-sync', '--no-first-run', '--no-default-browser-check', '--font-render-hinting=none'],
});

export const WIDE = { width: 1280, height: 860 }, PHONE = { width: 375, height: 760 };

// A browser profile of its own, signed in. Whatever the page complains about is kept in .problems.
export async function visit(browser, url, { lang = 'en', theme = 'light', viewport = WIDE, ...rest } = {}) {
  const context = await browser.newContext({ viewport, locale: lang === 'zh' ? 'zh-CN' : 'en-GB', colorScheme: theme, timezoneId: 'Asia/Shanghai', hasTouch: viewport === PHONE, ...rest });
  await context.addInitScript((l) => { if (!localStorage.getItem('rukou.lang')) localStorage.setItem('rukou.lang', l); }, lang);
  const page = await open(context, url);
  return { context, page };
}

export async function open(context, url) {
  const page = await context.newPage();
  page.problems = [];
  page.on('pageerror', (err) => page.problems.push(`error: ${err.message}`));
  page.on('console', (m) => { if (m.type() === 'error' && !/Failed to load resource/.test(m.text())) page.problems.push(`console: ${m.text()}`); });
  page.on('request', (r) => { if (!r.url().startsWith(new URL(url).origin) && !r.url().startsWith('data:')) page.problems.push(`foreign request: ${r.url()}`); });
  await page.goto(url);
  return page;
}

export const say = async (page, text) => {
  await page.locator('.composer textarea').fill(text);
  await page.keyboard.press('Enter');
};

// The whole deliberate approval: arm, then hold.
export async function pay(page) {
  await page.locator('[data-do=review]').click();
  await hold(page, 1250);
}
export async function hold(page, ms) {
  const button = page.locator('[data-do=pay]');
  await button.scrollIntoViewIfNeeded();
  const box = await button.boundingBox();
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  await page.mouse.down();
  await page.waitForTimeout(ms);
  await page.mouse.up();
}

export async function until(what, test, timeout_ms = 8000) {
  const end = Date.now() + timeout_ms;
  for (;;) {
    const value = await test();
    if (value) return value;
    if (Date.now() > end) throw new Error(`waited ${timeout_ms} ms in vain: ${what}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

const tests = [];
export const test = (name, run, timeout_ms = 60_000) => tests.push({ name, run, timeout_ms });

// Runs all, in order; prints one line each and the count.
export async function run_tests() {
  const only = process.env.ONLY;
  let passed = 0, failed = 0;
  for (const { name, run, timeout_ms } of tests) {
    if (only && !name.includes(only)) continue;
    const start = Date.now();
    let timer;
    try {
      await Promise.race([run(), new Promise((_, no) => { timer = setTimeout(() => no(new Error(`still running after ${timeout_ms} ms`)), timeout_ms); })]);
      passed++;
      console.log(`ok    ${name} (${Date.now() - start} ms)`);
    } catch (err) {
      failed++;
      console.log(`FAIL  ${name}\n${err.stack}`);
    }
    clearTimeout(timer);
  }
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed ? 1 : 0;
}

export const shot = (page, name) => page.screenshot({ path: join(SHOTS, `${name}.png`) });
