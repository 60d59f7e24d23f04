#include "search/page.h"

#include <libxml/HTMLparser.h>
#include <libxml/uri.h>
#include <string.h>

#include "base/utf8.h"

struct reading {
  struct rk_buf text;
  const char *url;
  const xmlNode *top;   /* where the text begins */
  json_t *links;
  char *published;      /* of libxml2 */
  bool space, full;     /* a space is due; no room for more */
};

/* Depth is bounded by the parser (256). */

static bool is(const xmlNode *n, const char *names) {
  if (n->type != XML_ELEMENT_NODE) return false;
  const char *name = (const char *)n->name, *at = strstr(names, name);
  size_t len = strlen(name);
  for (; at && len; at = strstr(at + 1, name))
    if ((at == names || at[-1] == ' ') && (at[len] == 0 || at[len] == ' ')) return true;
  return false;
}

static char *attribute(const xmlNode *n, const char *name) { return (char *)xmlGetProp((xmlNode *)(uintptr_t)n, (const xmlChar *)name); }

static bool attribute_has(const xmlNode *n, const char *name, const char *part) {
  char *v = attribute(n, name);
  bool has = v && strstr(v, part);
  xmlFree(v);
  return has;
}

static bool hidden(const xmlNode *n) {
  if (is(n, "script style noscript template iframe object svg canvas form nav footer button select textarea head")) return true;
  if (xmlHasProp((xmlNode *)(uintptr_t)n, (const xmlChar *)"hidden") || attribute_has(n, "aria-hidden", "true")) return true;
  return attribute_has(n, "style", "display:none") || attribute_has(n, "style", "display: none") || attribute_has(n, "style", "visibility:hidden");
}

/* ---- text ---- */

static void put(struct reading *r, const char *s, size_t n) {
  if (r->full) return;
  if (rk_buf_add(&r->text, s, n)) r->full = true;
}

static void put_text(struct reading *r, const char *s) {
  for (; *s; s++) {
    if (*s == ' ' || *s == '\t' || *s == '\n' || *s == '\r' || *s == '\f') {
      r->space = true;
      continue;
    }
    if (r->space && r->text.n && r->text.p[r->text.n - 1] != '\n' && r->text.p[r->text.n - 1] != ' ') put(r, " ", 1);
    r->space = false;
    put(r, s, 1);
  }
}

static void new_line(struct reading *r) {
  r->space = false;
  while (r->text.n && r->text.p[r->text.n - 1] == ' ') r->text.n--;
  if (r->text.n && r->text.p[r->text.n - 1] != '\n') put(r, "\n", 1);
}

static void begin_element(struct reading *r, const xmlNode *n) {
  if (is(n, "p div section article main ul ol table tr h1 h2 h3 h4 h5 h6 li br blockquote pre dl dt dd figure header")) new_line(r);
  if (is(n, "h1 h2 h3 h4 h5 h6")) put(r, "######" + 6 - (n->name[1] - '0'), (size_t)(n->name[1] - '0')), r->space = true;
  if (is(n, "li")) put(r, "- ", 2);
  if (is(n, "td th") && n->prev) put_text(r, " | "), r->space = true;
}

static void end_element(struct reading *r, const xmlNode *n) {
  if (is(n, "p div section article main ul ol table tr h1 h2 h3 h4 h5 h6 li blockquote pre dl dt dd figure header")) new_line(r);
}

static void add_link(struct reading *r, const xmlNode *n) {
  char *href = attribute(n, "href");
  if (href && json_array_size(r->links) < RK_MAX_PAGE_LINKS) {
    char *url = (char *)xmlBuildURI((const xmlChar *)href, (const xmlChar *)r->url), *text = (char *)xmlNodeGetContent((xmlNode *)(uintptr_t)n);
    bool web = url && (strncmp(url, "http://", 7) == 0 || strncmp(url, "https://", 8) == 0) && rk_utf8_valid(rk_str_c(url));
    if (web) {
      char *mark = strchr(url, '#');
      rk_str words = rk_str_trim(rk_str_c(text));
      if (mark) *mark = 0;
      if (words.n > 200) words.n = rk_utf8_complete((rk_str){words.p, 200});
      if (rk_utf8_valid(words)) json_array_append_new(r->links, json_pack("{s:s%, s:s}", "text", words.p, words.n, "url", url));
    }
    xmlFree(url);
    xmlFree(text);
  }
  xmlFree(href);
}

static void note(struct reading *r, const xmlNode *n) {
  if (is(n, "a")) add_link(r, n);
  if (is(n, "time") && !r->published) r->published = attribute(n, "datetime");
}

/* Next node in the order of the document, below top; closes what ends on the way. */
static const xmlNode *next_node(struct reading *r, const xmlNode *n, bool into) {
  if (into && n->children) return n->children;
  for (; n != r->top; n = n->parent) {
    if (n->type == XML_ELEMENT_NODE) end_element(r, n);
    if (n->next) return n->next;
  }
  return NULL;
}

static void walk(struct reading *r) {
  for (const xmlNode *n = r->top->children; n;) {
    bool into = n->type == XML_ELEMENT_NODE && !hidden(n);
    if (n->type == XML_TEXT_NODE && n->content) put_text(r, (const char *)n->content);
    if (into) begin_element(r, n), note(r, n);
    n = next_node(r, n, into);
  }
  new_line(r);
}

/* ---- the document ---- */

static const xmlNode *after(const xmlNode *top, const xmlNode *n) {
  if (n->children) return n->children;
  while (n != top && !n->next) n = n->parent;
  return n == top ? NULL : n->next;
}

static const xmlNode *find(const xmlNode *top, const char *name, int *count) {
  const xmlNode *found = NULL;
  *count = 0;
  for (const xmlNode *n = top; n; n = after(top, n))
    if (is(n, name) && (*count)++ == 0) found = n;
  return found;
}

static const xmlNode *main_part(const xmlNode *root) {
  static const char *const names[] = {"main", "article", "body"};
  for (int i = 0; i < 3; i++) {
    int count;
    const xmlNode *n = find(root, names[i], &count);
    if (n && count == 1) return n;
  }
  return root;
}

static void read_metas(struct reading *r, const xmlNode *root) {
  for (const xmlNode *n = root; n && !r->published; n = after(root, n))
    if (is(n, "meta") && (attribute_has(n, "property", "article:published_time") || attribute_has(n, "name", "date"))) r->published = attribute(n, "content");
}

/* A string of libxml2 that is UTF-8; takes it. */
static void set_text(json_t *out, const char *key, char *text, size_t most) {
  rk_str s = rk_str_trim(rk_str_c(text));
  if (s.n > most) s.n = rk_utf8_complete((rk_str){s.p, most});
  if (s.n && rk_utf8_valid(s)) json_object_set_new(out, key, json_stringn(s.p, s.n));
  xmlFree(text);
}

static bool is_date(const char *s) {
  for (int i = 0; i < 10; i++)
    if (i == 4 || i == 7 ? s[i] != '-' : s[i] < '0' || s[i] > '9') return false;
  return true;
}

static json_t *page_of(struct reading *r, const xmlNode *root) {
  json_t *out = json_pack("{s:s, s:s, s:O}", "url", r->url, "title", "", "links", r->links);
  int count;
  const xmlNode *title = find(root, "title", &count);
  if (title) set_text(out, "title", (char *)xmlNodeGetContent((xmlNode *)(uintptr_t)title), 300);
  set_text(out, "lang", attribute(root, "lang"), 20);
  if (r->published && is_date(r->published)) json_object_set_new(out, "published", json_stringn(r->published, 10));
  rk_str text = rk_str_trim(rk_buf_str(&r->text));
  text.n = rk_utf8_complete(text);
  json_object_set_new(out, "text", rk_utf8_valid(text) ? json_stringn(text.p, text.n) : json_string(""));
  if (r->full) json_object_set_new(out, "cut", json_true());
  return out;
}

rk_err rk_page_read(rk_str html, const char *url, const char *charset, json_t **out, struct rk_error *e) {
  if (html.n > RK_MAX_PAGE_HTML_BYTES) return rk_fail(e, RK_ETOOBIG, "the page is larger than %d MB", RK_MAX_PAGE_HTML_BYTES >> 20);
  htmlDocPtr doc = html.n ? htmlReadMemory(html.p, (int)html.n, url, charset, HTML_PARSE_RECOVER | HTML_PARSE_NOERROR | HTML_PARSE_NOWARNING | HTML_PARSE_NONET) : NULL;
  const xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;
  if (!root) {
    xmlFreeDoc(doc);
    return rk_fail(e, RK_EFORMAT, "there is nothing to read on the page");
  }
  struct reading r = {.url = url, .top = main_part(root), .links = json_array()};
  rk_buf_init(&r.text, RK_MAX_PAGE_TEXT_BYTES);
  walk(&r);
  read_metas(&r, root);
  *out = page_of(&r, root);
  xmlFree(r.published);
  json_decref(r.links);
  rk_buf_release(&r.text);
  xmlFreeDoc(doc);
  return RK_OK;
}
