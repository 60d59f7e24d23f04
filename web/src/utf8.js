// utf8.js: offsets of the event stream count UTF-8 bytes; strings here count UTF-16 units.

const width = (code) => (code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4);

export function utf8_bytes(text) {
  let n = 0;
  for (const ch of text) n += width(ch.codePointAt(0));
  return n;
}

// What is left of text after its first n bytes.
export function utf8_skip(text, n) {
  let at = 0;
  for (const ch of text) {
    if (n <= 0) break;
    n -= width(ch.codePointAt(0));
    at += ch.length;
  }
  return text.slice(at);
}
