#include "site/news.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "http/html.h"
#include "http/http.h"

enum { ARTICLES_MAX = 200, FILE_BYTES = 1 << 20, PAGE_BYTES = 1 << 18, TERMS_MAX = 64, DAY_MS = 86400000 };
enum { IN_TITLE = 3, RESULTS_MAX = 10, SUMMARY_BYTES = 300 };

struct article {
  int64_t ms;                        /* when it appears */
  rk_str lang, section, name, title, body; /* of the file's text */
  char *lower;                       /* section, title and body for searching */
  size_t title_bytes;                /* of lower: section and title */
};

struct rk_news {
  struct rk_http *http;
  struct rk_buf text;
  struct article all[ARTICLES_MAX]; /* newest first */
  int32_t n;
  char origin[64];
};

static const char *const sections[][2] = {{"technology", "科技"}, {"life", "生活"}, {"environment", "环境"}, {"cars", "汽车"}, {"culture", "文化"},
                                          {"food", "美食"}, {"health", "健康"}, {"sports", "体育"}, {"city", "城市"}};

static const char *section_zh(rk_str section) {
  for (size_t i = 0; i < sizeof sections / sizeof *sections; i++)
    if (rk_str_eq_c(section, sections[i][0])) return sections[i][1];
  return "";
}

/* ---- the file ---- */

static rk_str word(rk_str *line) {
  rk_str one;
  rk_str_cut(*line, ' ', &one, line);
  return one;
}

static bool read_head(rk_str line, int64_t now_ms, struct article *a) {
  int64_t day, hour, minute;
  rk_str clock_text, hour_text;
  if (!rk_str_i64(word(&line), &day) || day > 0 || day < -365) return false;
  clock_text = word(&line);
  if (!rk_str_cut(clock_text, ':', &hour_text, &clock_text) || !rk_str_i64(hour_text, &hour) || !rk_str_i64(clock_text, &minute)) return false;
  a->lang = word(&line), a->section = word(&line), a->name = word(&line), a->title = rk_str_trim(line);
  struct rk_date at = rk_local_date(now_ms + day * DAY_MS);
  at.hour = (int32_t)hour, at.minute = (int32_t)minute, at.second = 0;
  a->ms = rk_date_ms(&at);
  return a->title.n > 0 && hour >= 0 && hour < 24 && minute >= 0 && minute < 60;
}

static void lower(struct rk_buf *out, rk_str s) {
  for (size_t i = 0; i < s.n; i++) rk_buf_addc(out, s.p[i] >= 'A' && s.p[i] <= 'Z' ? (char)(s.p[i] + 32) : s.p[i]);
}

static rk_err make_searchable(struct article *a) {
  struct rk_buf b;
  rk_buf_init(&b, FILE_BYTES);
  lower(&b, a->section);
  rk_buf_addf(&b, " %s ", section_zh(a->section));
  lower(&b, a->title);
  a->title_bytes = b.n;
  lower(&b, a->body);
  a->lower = rk_buf_detach(&b);
  return a->lower ? RK_OK : RK_ENOMEM;
}

static int newest_first(const void *x, const void *y) {
  const struct article *a = x, *b = y;
  return a->ms < b->ms ? 1 : a->ms > b->ms ? -1 : 0;
}

static rk_err read_articles(struct rk_news *n, const char *file, struct rk_error *e) {
  rk_str rest = rk_buf_str(&n->text), line;
  int64_t now_ms = rk_now_ms();
  for (int32_t number = 1; rest.n; number++) {
    rk_str_cut(rest, '\n', &line, &rest);
    if (line.n == 0 || line.p[0] == '#') continue;
    if (rk_str_starts(line, RK_STR("@ "))) {
      if (n->n == ARTICLES_MAX) return rk_fail(e, RK_ETOOBIG, "%s: more than %d articles", file, ARTICLES_MAX);
      if (!read_head((rk_str){line.p + 2, line.n - 2}, now_ms, &n->all[n->n]))
        return rk_fail(e, RK_EFORMAT, "%s: line %d is no \"@ DAY HH:MM LANG SECTION NAME TITLE\"", file, number);
      n->all[n->n++].body = (rk_str){line.p + line.n, 0};
    } else if (n->n == 0) {
      return rk_fail(e, RK_EFORMAT, "%s: line %d stands before the first article", file, number);
    } else {
      struct article *a = &n->all[n->n - 1];
      if (a->body.n == 0) a->body.p = line.p;
      a->body.n = (size_t)(line.p + line.n - a->body.p);
    }
  }
  for (int32_t i = 0; i < n->n; i++)
    if (make_searchable(&n->all[i])) return rk_fail(e, RK_ENOMEM, "out of memory");
  qsort(n->all, (size_t)n->n, sizeof *n->all, newest_first);
  return RK_OK;
}

/* ---- pages ---- */

static bool appeared(const struct article *a) { return a->ms <= rk_now_ms(); }

static void iso(const struct article *a, char out[32]) {
  struct rk_date d = rk_local_date(a->ms);
  char date[11];
  rk_date_iso(&d, date);
  snprintf(out, 32, "%sT%02d:%02d:00", date, d.hour, d.minute);
}

static rk_str first_paragraph(const struct article *a) {
  rk_str one, rest;
  rk_str_cut(a->body, '\n', &one, &rest);
  return one;
}

static void begin(struct rk_buf *b, rk_str title, rk_str lang) {
  rk_buf_init(b, PAGE_BYTES);
  rk_buf_addf(b, "<!doctype html><html lang=\"%.*s\"><head><meta charset=\"utf-8\"><title>", RK_STR_ARG(lang));
  rk_html_escape(b, title);
  rk_buf_adds(b, "</title></head><body><header><nav><a href=\"/\">沙箱新闻 Sandbox News</a></nav><form action=\"/search\"><input name=\"q\"></form></header><main>");
}

static void entry(struct rk_buf *b, const struct article *a) {
  char at[32];
  iso(a, at);
  rk_buf_addf(b, "<article><h2><a href=\"/articles/%.*s\">", RK_STR_ARG(a->name));
  rk_html_escape(b, a->title);
  rk_buf_addf(b, "</a></h2><p><time datetime=\"%s\">%s</time> · %s %.*s</p><p>", at, at, section_zh(a->section), RK_STR_ARG(a->section));
  rk_html_escape(b, first_paragraph(a));
  rk_buf_adds(b, "</p></article>\n");
}

static void reply_page(struct rk_http_req *r, int32_t status, struct rk_buf *b) {
  rk_buf_adds(b, "</main><footer>沙箱里的文章都是为测试编写的。 All articles of the sandbox are made up for tests.</footer></body></html>\n");
  rk_http_reply(r, status, "text/html; charset=utf-8", rk_buf_str(b));
  rk_buf_release(b);
}

static void front(struct rk_http_req *r, void *ctx) {
  const struct rk_news *n = ctx;
  struct rk_buf b;
  begin(&b, RK_STR("沙箱新闻 Sandbox News"), RK_STR("zh"));
  rk_buf_adds(&b, "<h1>沙箱新闻 Sandbox News</h1>\n");
  for (int32_t i = 0; i < n->n; i++)
    if (appeared(&n->all[i])) entry(&b, &n->all[i]);
  reply_page(r, 200, &b);
}

static void article(struct rk_http_req *r, void *ctx) {
  const struct rk_news *n = ctx;
  rk_str name = rk_http_param(r, "name"), rest, line;
  const struct article *a = NULL;
  for (int32_t i = 0; i < n->n; i++)
    if (rk_str_eq(n->all[i].name, name) && appeared(&n->all[i])) a = &n->all[i];
  struct rk_buf b;
  begin(&b, a ? a->title : RK_STR("404"), a ? a->lang : RK_STR("zh"));
  if (a) {
    char at[32];
    iso(a, at);
    rk_buf_adds(&b, "<article><h1>");
    rk_html_escape(&b, a->title);
    rk_buf_addf(&b, "</h1><p><time datetime=\"%s\">%s</time> · %s %.*s</p>\n", at, at, section_zh(a->section), RK_STR_ARG(a->section));
    for (rest = a->body; rest.n;) {
      rk_str_cut(rest, '\n', &line, &rest);
      rk_buf_adds(&b, "<p>");
      rk_html_escape(&b, line);
      rk_buf_adds(&b, "</p>\n");
    }
    rk_buf_adds(&b, "</article>");
  } else {
    rk_buf_adds(&b, "<h1>404</h1><p>没有这篇文章。 There is no such article.</p>");
  }
  reply_page(r, a ? 200 : 404, &b);
}

/* ---- search ---- */

struct terms { rk_str one[TERMS_MAX]; int32_t n; };

static bool is_latin(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

/* Words of Latin letters, and pairs of neighbouring other characters. */
static void find_terms(rk_str q, struct terms *out) {
  out->n = 0;
  for (size_t i = 0; i < q.n && out->n < TERMS_MAX;) {
    size_t from = i;
    uint32_t cp;
    while (i < q.n && is_latin(q.p[i])) i++;
    if (i > from) {
      if (i - from > 1) out->one[out->n++] = (rk_str){q.p + from, i - from};
      continue;
    }
    int one = rk_utf8_next((rk_str){q.p + i, q.n - i}, &cp);
    if (one <= 0) break;
    i += (size_t)one;
    if (one < 3 || cp < 0x3400) continue; /* signs */
    int two = rk_utf8_next((rk_str){q.p + i, q.n - i}, &cp);
    if (two == 3 && cp >= 0x3400) out->one[out->n++] = (rk_str){q.p + from, (size_t)(one + two)};
  }
}

static int32_t score(const struct article *a, const struct terms *t) {
  int32_t n = 0;
  rk_str all = rk_str_c(a->lower);
  for (int32_t i = 0; i < t->n; i++) {
    ptrdiff_t at = rk_str_find(all, t->one[i]);
    if (at >= 0) n += (size_t)at < a->title_bytes ? IN_TITLE : 1;
  }
  return n;
}

static bool in_range(const struct article *a, rk_str range) {
  int64_t days = rk_str_eq(range, RK_STR("month")) ? 31 : rk_str_eq(range, RK_STR("year")) ? 366 : 0;
  if (range.n == 0) return true;
  if (days) return a->ms > rk_now_ms() - days * DAY_MS;
  struct rk_date today = rk_local_date(rk_now_ms()), day = rk_local_date(a->ms);
  return today.year == day.year && today.month == day.month && today.day == day.day;
}

/* Best first; at most RESULTS_MAX. */
static int32_t find(const struct rk_news *n, rk_str query, rk_str range, const struct article *out[RESULTS_MAX]) {
  struct rk_buf q;
  struct terms t;
  int32_t scores[RESULTS_MAX], found = 0;
  rk_buf_init(&q, 4096);
  lower(&q, query);
  find_terms(rk_buf_str(&q), &t);
  for (int32_t i = 0; i < n->n; i++) {
    int32_t s = appeared(&n->all[i]) && in_range(&n->all[i], range) ? score(&n->all[i], &t) : 0, at = found;
    if (s == 0) continue;
    while (at > 0 && scores[at - 1] < s) at--;
    if (at >= RESULTS_MAX) continue;
    if (found < RESULTS_MAX) found++;
    memmove(&scores[at + 1], &scores[at], sizeof *scores * (size_t)(found - 1 - at));
    memmove(&out[at + 1], &out[at], sizeof *out * (size_t)(found - 1 - at));
    scores[at] = s, out[at] = &n->all[i];
  }
  rk_buf_release(&q);
  return found;
}

static void search_json(struct rk_http_req *r, const struct rk_news *n, rk_str query, const struct article *const found[], int32_t n_found) {
  json_t *results = json_array();
  for (int32_t i = 0; i < n_found; i++) {
    char at[32], url[300];
    iso(found[i], at);
    snprintf(url, sizeof url, "%s/articles/%.*s", n->origin, RK_STR_ARG(found[i]->name));
    rk_str text = first_paragraph(found[i]);
    json_array_append_new(results, json_pack("{s:s, s:s%, s:s%, s:s, s:s}", "url", url, "title", found[i]->title.p, found[i]->title.n, "content", text.p,
                                             text.n, "publishedDate", at, "engine", "sandbox news"));
  }
  rk_http_reply_json(r, 200, json_pack("{s:s%, s:i, s:o}", "query", query.p, query.n, "number_of_results", n_found, "results", results));
}

static void search(struct rk_http_req *r, void *ctx) {
  const struct rk_news *n = ctx;
  const struct article *found[RESULTS_MAX];
  rk_str query = rk_http_query(r, "q");
  int32_t n_found = find(n, query, rk_http_query(r, "time_range"), found);
  if (rk_str_eq(rk_http_query(r, "format"), RK_STR("json"))) {
    search_json(r, n, query, found, n_found);
    return;
  }
  struct rk_buf b;
  begin(&b, RK_STR("搜索 Search"), RK_STR("zh"));
  rk_buf_adds(&b, "<h1>");
  rk_html_escape(&b, query);
  rk_buf_adds(&b, "</h1>\n");
  for (int32_t i = 0; i < n_found; i++) entry(&b, found[i]);
  if (n_found == 0) rk_buf_adds(&b, "<p>没有找到。 Nothing was found.</p>");
  reply_page(r, 200, &b);
}

static void robots(struct rk_http_req *r, void *ctx) {
  (void)ctx;
  rk_http_reply_static(r, 200, "text/plain; charset=utf-8", RK_STR("User-agent: *\nDisallow: /search\n"));
}

static const struct rk_route routes[] = {{"GET", "/", front}, {"GET", "/articles/:name", article}, {"GET", "/search", search}, {"GET", "/robots.txt", robots}};

rk_err rk_news_start(const char *file, const char *address, int32_t port, struct rk_news **out, struct rk_error *e) {
  struct rk_news *n = calloc(1, sizeof *n);
  if (!n) return rk_fail(e, RK_ENOMEM, "out of memory");
  rk_buf_init(&n->text, FILE_BYTES);
  rk_err err = rk_buf_read_file(&n->text, file, e);
  if (!err) err = read_articles(n, file, e);
  if (!err) err = rk_http_start(&(struct rk_http_opts){.address = address, .port = port, .routes = routes, .n_routes = sizeof routes / sizeof *routes, .ctx = n}, &n->http, e);
  if (err) {
    rk_news_stop(n);
    return err;
  }
  snprintf(n->origin, sizeof n->origin, "http://%s:%d", address, rk_http_port(n->http));
  *out = n;
  return RK_OK;
}

const char *rk_news_origin(const struct rk_news *n) { return n->origin; }

void rk_news_stop(struct rk_news *n) {
  if (!n) return;
  if (n->http) rk_http_stop(n->http);
  for (int32_t i = 0; i < n->n; i++) free(n->all[i].lower);
  rk_buf_release(&n->text);
  free(n);
}
