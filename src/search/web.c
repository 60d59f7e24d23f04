#include "search/web.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/utf8.h"
#include "search/page.h"

enum { URL_BYTES = 4096, ANSWER_BYTES = 2 << 20 };

static void percent(struct rk_buf *b, rk_str s) {
  for (size_t i = 0; i < s.n; i++) {
    char c = s.p[i];
    bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("-._~", c));
    if (plain) rk_buf_addc(b, c);
    else rk_buf_addf(b, "%%%02X", (unsigned char)c);
  }
}

static rk_err get(struct rk_net *n, const char *url, size_t max_bytes, const atomic_int *cancel, struct rk_net_response *r, struct rk_error *e) {
  rk_net_fetch(n, &(struct rk_net_request){.method = "GET", .url = url, .max_bytes = max_bytes, .follow_redirects = true, .cancel = cancel}, r);
  if (r->err) return rk_fail(e, r->err, "%s", r->error.msg);
  if (r->status == 404) return rk_fail(e, RK_ENOTFOUND, "there is no such page (404)");
  return r->status == 200 ? RK_OK : rk_fail(e, RK_EUPSTREAM, "the site answered HTTP %d", r->status);
}

static void copy_text(json_t *to, const char *as, const json_t *from, const char *key, size_t most) {
  rk_str s = rk_json_str(from, key);
  if (s.n > most) s.n = rk_utf8_complete((rk_str){s.p, most});
  if (s.n) json_object_set_new(to, as, json_stringn(s.p, s.n));
}

static json_t *results_of(const json_t *answer) {
  json_t *out = json_array(), *one;
  size_t i;
  json_array_foreach(rk_json_arr(answer, "results"), i, one) {
    rk_str url = rk_json_str(one, "url");
    bool web = rk_str_starts(url, RK_STR("http://")) || rk_str_starts(url, RK_STR("https://"));
    if (!web || url.n >= URL_BYTES || json_array_size(out) == RK_MAX_WEB_RESULTS) continue;
    json_t *v = json_pack("{s:s%, s:s, s:s}", "url", url.p, url.n, "title", "", "content", "");
    copy_text(v, "title", one, "title", 300);
    copy_text(v, "content", one, "content", 600);
    copy_text(v, "published", one, "publishedDate", 10);
    json_array_append_new(out, v);
  }
  return out;
}

rk_err rk_web_search(struct rk_net *n, const char *engine_url, rk_str query, const char *range, const atomic_int *cancel, json_t **out, struct rk_error *e) {
  struct rk_buf url;
  rk_buf_init(&url, URL_BYTES);
  rk_buf_addf(&url, "%s?format=json&q=", engine_url);
  percent(&url, query);
  if (range) rk_buf_addf(&url, "&time_range=%s", range);
  rk_buf_addc(&url, 0);
  struct rk_net_response r = {0};
  rk_err err = url.err ? rk_fail(e, RK_ETOOBIG, "the search is too long") : get(n, url.p, ANSWER_BYTES, cancel, &r, e);
  json_t *answer = err ? NULL : rk_json_parse(rk_buf_str(&r.body), ANSWER_BYTES, e);
  if (!err && !rk_json_arr(answer, "results")) err = rk_fail(e, RK_EUPSTREAM, "the search engine's answer has no results");
  if (!err) *out = results_of(answer);
  json_decref(answer);
  rk_net_response_release(&r);
  rk_buf_release(&url);
  return err;
}

/* "text/html; charset=gb2312": the charset, or "". */
static void charset_of(rk_str type, char out[40]) {
  ptrdiff_t at = rk_str_find(type, RK_STR("charset="));
  out[0] = 0;
  if (at < 0) return;
  size_t n = 0;
  for (size_t i = (size_t)at + 8; i < type.n && n < 39 && !strchr("; \"'", type.p[i]); i++) out[n++] = type.p[i];
  out[n] = 0;
}

static bool is_type(rk_str type, const char *wanted) { return type.n >= strlen(wanted) && strncasecmp(type.p, wanted, strlen(wanted)) == 0; }

static rk_err plain(rk_str text, const char *url, json_t **out, struct rk_error *e) {
  if (text.n > RK_MAX_PAGE_TEXT_BYTES) text.n = rk_utf8_complete((rk_str){text.p, RK_MAX_PAGE_TEXT_BYTES});
  if (!rk_utf8_valid(text)) return rk_fail(e, RK_EFORMAT, "the text is not UTF-8");
  *out = json_pack("{s:s, s:s, s:s%, s:[]}", "url", url, "title", "", "text", text.p, text.n, "links");
  return RK_OK;
}

rk_err rk_web_read(struct rk_net *n, const char *url, const atomic_int *cancel, json_t **out, struct rk_error *e) {
  struct rk_net_response r = {0};
  rk_err err = get(n, url, RK_MAX_PAGE_HTML_BYTES, cancel, &r, e);
  rk_str type = err ? RK_STR("") : rk_net_header(&r, "Content-Type");
  char charset[40];
  charset_of(type, charset);
  if (!err && (type.n == 0 || is_type(type, "text/html") || is_type(type, "application/xhtml")))
    err = rk_page_read(rk_buf_str(&r.body), url, charset[0] ? charset : NULL, out, e);
  else if (!err && is_type(type, "text/")) err = plain(rk_buf_str(&r.body), url, out, e);
  else if (!err) err = rk_fail(e, RK_EFORMAT, "the page is no text but %.*s", RK_STR_ARG(type));
  rk_net_response_release(&r);
  return err;
}
