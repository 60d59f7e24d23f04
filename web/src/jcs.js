// jcs.js: the fingerprint of the terms, computed again from what this page shows.
// RFC 8785: keys sorted by UTF-16 units, numbers and strings as ECMAScript writes them.

export function jcs(value) {
  if (Array.isArray(value)) return `[${value.map(jcs).join(',')}]`;
  if (value && typeof value === 'object') {
    return `{${Object.keys(value).sort().map((k) => `${JSON.stringify(k)}:${jcs(value[k])}`).join(',')}}`;
  }
  return JSON.stringify(value);
}

// Hex; null where the browser offers no digest (plain http on a foreign host).
export async function terms_fingerprint(terms) {
  if (!globalThis.crypto?.subtle) return null;
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(jcs(terms)));
  return [...new Uint8Array(digest)].map((b) => b.toString(16).padStart(2, '0')).join('');
}
