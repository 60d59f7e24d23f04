// markdown.js: model text to DOM, block by block.
//
// Text from a model is untrusted: no raw HTML, an allow-list of tags, no image
// is loaded (its address could carry data out), links open elsewhere and show
// their real host when the words do not.
import DOMPurify from 'dompurify';
import MarkdownIt from 'markdown-it';

const md = new MarkdownIt({ html: false, linkify: true, breaks: true });

md.renderer.rules.image = (tokens, i) => {
  const { content } = tokens[i];
  return `<span class="image-off">${md.utils.escapeHtml(content || '…')}</span>`;
};

const ALLOW = {
  ALLOWED_TAGS: ['p', 'br', 'strong', 'em', 's', 'code', 'pre', 'ul', 'ol', 'li', 'blockquote', 'hr', 'a', 'span',
    'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'table', 'thead', 'tbody', 'tr', 'th', 'td'],
  ALLOWED_ATTR: ['href', 'class', 'start'],
  ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i,
  RETURN_DOM_FRAGMENT: true,
};

function links_finish(root) {
  for (const a of root.querySelectorAll('a')) {
    let host = '';
    try { host = new URL(a.href).host; } catch { /* no address: stays text */ }
    a.target = '_blank';
    a.rel = 'noopener noreferrer';
    if (!host || a.textContent.includes(host)) continue;
    const note = document.createElement('span');
    note.className = 'link-host';
    note.textContent = ` (${host})`;
    a.after(note);
  }
  for (const table of root.querySelectorAll('table')) {
    const box = document.createElement('div');
    box.className = 'table-box';
    table.replaceWith(box);
    box.append(table);
  }
}

function to_dom(text) {
  const root = DOMPurify.sanitize(md.render(text), ALLOW);
  links_finish(root);
  return root;
}

// Where the last top-level block of text begins: everything before it is finished.
function last_block_start(text) {
  const blocks = md.parse(text, {}).filter((tok) => tok.level === 0 && tok.map && tok.nesting >= 0);
  if (blocks.length < 2) return 0;
  const line = blocks.at(-1).map[0];
  let at = 0;
  for (let i = 0; i < line; i++) at = text.indexOf('\n', at) + 1;
  return at;
}

// Draws growing text into an element; finished blocks are never touched again.
export class MarkdownStream {
  constructor(el) {
    this.el = el;
    this.text = '';
    this.done_chars = 0;
    this.open = [];     // nodes of the block that may still change
  }

  set(text) {
    if (text === this.text) return;
    if (!text.startsWith(this.text)) {
      this.el.replaceChildren();
      this.done_chars = 0;
      this.open = [];
    }
    this.text = text;
    for (const node of this.open) node.remove();
    const tail = text.slice(this.done_chars);
    const cut = last_block_start(tail);
    if (cut > 0) {
      this.el.append(to_dom(tail.slice(0, cut)));
      this.done_chars += cut;
    }
    const rest = to_dom(tail.slice(cut));
    this.open = [...rest.childNodes];
    this.el.append(rest);
  }
}
