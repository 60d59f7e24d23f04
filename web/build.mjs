// build.mjs OUT.h: esbuild bundles web/src and web/style; every file is gzipped into a C array.
import { build } from 'esbuild';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const web = dirname(fileURLToPath(import.meta.url));
const out = process.argv[2];
const MAX_FIRST_LOAD_BYTES = 120_000;

const CSP = [
  "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:", "connect-src 'self'",
  "manifest-src 'self'", "base-uri 'none'", "form-action 'self'", "frame-ancestors 'none'",
  "require-trusted-types-for 'script'", "trusted-types dompurify",
].join('; ');

async function bundle(entry, loader) {
  const result = await build({
    entryPoints: [join(web, entry)], bundle: true, minify: true, write: false, target: 'es2022', format: 'esm',
    legalComments: 'none', logLevel: 'warning', jsx: 'automatic', jsxImportSource: 'preact', loader,
  });
  return Buffer.from(result.outputFiles[0].contents);
}

const files = [
  { path: '/', name: 'index.html', type: 'text/html; charset=utf-8', body: readFileSync(join(web, 'index.html')) },
  { path: '/app.js', name: 'app.js', type: 'text/javascript; charset=utf-8', body: await bundle('src/main.jsx') },
  { path: '/app.css', name: 'app.css', type: 'text/css; charset=utf-8', body: await bundle('style/app.css') },
  { path: '/icon.svg', name: 'icon.svg', type: 'image/svg+xml', body: readFileSync(join(web, 'icon.svg')) },
  { path: '/manifest.webmanifest', name: 'manifest.webmanifest', type: 'application/manifest+json', body: readFileSync(join(web, 'manifest.webmanifest')) },
];

function c_array(bytes) {
  const lines = [];
  for (let i = 0; i < bytes.length; i += 32) lines.push('  ' + [...bytes.subarray(i, i + 32)].join(',') + ',');
  return lines.join('\n');
}

const plain = join(dirname(out), 'web');
mkdirSync(plain, { recursive: true });
let first_load_bytes = 0;
const arrays = [], rows = [];
files.forEach((f, i) => {
  const gz = gzipSync(f.body, { level: 9 });
  const etag = createHash('sha256').update(f.body).digest('hex').slice(0, 16);
  first_load_bytes += gz.length;
  writeFileSync(join(plain, f.name), f.body);
  arrays.push(`static const unsigned char asset_${i}[] = {\n${c_array(gz)}\n};`);
  rows.push(`  {"${f.path}", "${f.type}", "\\"${etag}\\"", asset_${i}, sizeof asset_${i}},`);
});
writeFileSync(join(plain, 'csp.txt'), CSP);
if (first_load_bytes > MAX_FIRST_LOAD_BYTES) {
  console.error(`error: the page is ${first_load_bytes} bytes gzipped, over ${MAX_FIRST_LOAD_BYTES}; load the new part when it is first needed`);
  process.exit(1);
}
writeFileSync(out, `/* Made by web/build.sh from web/. ${first_load_bytes} bytes gzipped. */
${arrays.join('\n')}
const struct rk_asset rk_assets[] = {
${rows.join('\n')}
};
const size_t rk_n_assets = sizeof rk_assets / sizeof rk_assets[0];
const char rk_assets_csp[] = ${JSON.stringify(CSP)};
`);
