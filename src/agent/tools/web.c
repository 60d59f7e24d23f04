/* web.c - web_search and read_page: pages that are opened, read and cited.
 *
 * Two things never leave this machine in a search or an address: what the
 * profile knows and the user has not written. And a page is opened only where
 * the user wrote its address, or where it stands byte for byte as a link in a
 * result or page that was opened before: text of others makes no address. */
#include <stdio.h>
#include <string.h>

#include "agent/turn.h"
#include "base/utf8.h"
#include "search/web.h"

enum { OPENED = 3, EXCERPT_BYTES = 700, PAGE_BYTES = 2400, LINKS_KEPT = 60 };

/* ---- what may not leave ---- */

/* A string of the profile, four bytes and longer, that stands in text and that the user has not written. */
static bool tells(const struct rk_turn *t, const json_t *v, rk_str text) {
  if (json_is_string(v)) {
    rk_str s = {json_string_value(v), json_string_length(v)};
    return s.n >= 4 && rk_str_find(text, s) >= 0 && rk_str_find(rk_str_c(t->words), s) < 0;
  }
  const char *key;
  json_t *one;
  size_t i;
  if (json_is_object(v)) json_object_foreach((json_t *)(uintptr_t)v, key, one) if (tells(t, one, text)) return true;
  if (json_is_array(v)) json_array_foreach(v, i, one) if (tells(t, one, text)) return true;
  return false;
}

/* ---- pages ---- */

static rk_str cut(rk_str s, size_t most) {
  if (s.n > most) s.n = rk_utf8_complete((rk_str){s.p, most});
  return s;
}

/* Address of a page as a link of this or an earlier answer, or as the user wrote it. */
static bool may_open(const struct rk_turn *t, rk_str url) {
  if (url.n > 8 && rk_str_find(rk_str_c(t->words), url) >= 0) return true;
  const json_t *kept[RK_MAX_PLAN_STEPS + 1] = {rk_json_obj(t->earlier, "web")};
  size_t i, k;
  json_t *link;
  for (int32_t s = 0; s < RK_MAX_PLAN_STEPS; s++) kept[s + 1] = rk_turn_result(t, s);
  for (i = 0; i < sizeof kept / sizeof *kept; i++)
    json_array_foreach(rk_json_arr(kept[i], "links"), k, link)
      if (json_is_string(link) && rk_str_eq_c(url, json_string_value(link))) return true;
  return false;
}

static void keep_links(struct rk_tool_out *out, const json_t *page) {
  if (!out->keep) out->keep = json_pack("{s:[]}", "links");
  json_t *links = json_object_get(out->keep, "links"), *l;
  size_t i;
  json_array_append(links, json_object_get(page, "url"));
  json_array_foreach(rk_json_arr(page, "links"), i, l)
    if (json_array_size(links) < LINKS_KEPT) json_array_append(links, json_object_get(l, "url"));
}

/* Notes an opened page: its source event, its links, its entry in the result. Takes page. */
static void cite(const struct rk_call *c, struct rk_tool_out *out, json_t *pages, json_t *page, const char *title, size_t most) {
  rk_str text = cut(rk_json_str(page, "text"), most);
  const char *own = rk_json_cstr(page, "title", ""), *date = rk_json_cstr(page, "published", ""), *url = rk_json_cstr(page, "url", "");
  int n = (int)json_array_size(pages) + 1;
  json_array_append_new(pages, json_pack("{s:i, s:s, s:s, s:s, s:s%}", "n", n, "title", title ? title : own, "date", date, "url", url, "text", text.p, text.n));
  rk_tool_event(out, "source", json_pack("{s:s, s:i, s:s, s:s, s:s}", "call_id", c->id, "n", n, "url", url, "title", title ? title : own, "date", date));
  keep_links(out, page);
  json_decref(page);
}

/* The sources that were opened, as the answer must name them. */
static json_t *sources_line(bool zh, const json_t *pages) {
  struct rk_buf b;
  rk_buf_init(&b, 8192);
  rk_buf_adds(&b, zh ? "来源：" : "Sources:");
  size_t i;
  json_t *p;
  json_array_foreach(pages, i, p) {
    const char *date = rk_json_cstr(p, "date", "");
    rk_buf_addf(&b, "\n[%zu] %s%s%s%s %s", i + 1, rk_json_cstr(p, "title", ""), date[0] ? (zh ? "（" : " (") : "", date, date[0] ? (zh ? "）" : ")") : "", rk_json_cstr(p, "url", ""));
  }
  json_t *line = json_stringn(rk_buf_str(&b).p, b.n);
  rk_buf_release(&b);
  return line;
}

static void answer(const struct rk_turn *t, struct rk_tool_out *out, json_t *pages) {
  out->ok = true;
  out->close = sources_line(t->intent.chinese, pages);
  out->result = json_pack("{s:o, s:s}", "pages", pages, "answer_in", t->intent.chinese ? "中文" : "English");
}

static rk_err nothing(const struct rk_turn *t, struct rk_tool_out *out, const char *zh, const char *en, const char *why) {
  out->close = json_sprintf("%s%s%s", t->intent.chinese ? zh : en, why[0] ? (t->intent.chinese ? "：" : ": ") : "", why);
  return rk_tool_refuse(out, json_string(en));
}

/* ---- web_search ---- */

rk_err rk_tool_web_search(struct rk_turn *t, const struct rk_call *c, struct rk_tool_out *out, struct rk_error *e) {
  rk_str query = rk_json_str(c->args, "query");
  struct rk_error why = {0};
  json_t *results = NULL, *r, *pages = json_array();
  (void)e;
  if (tells(t, t->profile, query)) {
    json_decref(pages);
    return nothing(t, out, "搜索词里有你没有写过的个人资料，没有搜索", "the query holds something of the profile that the user has not written: search without it", "");
  }
  const char *range = rk_words_has(rk_str_c(t->said), "今天|今日|today|today's") ? "day" : NULL;
  if (!t->sv->search_url[0]) rk_fail(&why, RK_EUNAVAIL, "search_url is not set");
  else if (!rk_web_search(t->sv->net, t->sv->search_url, query, range, t->cancel, &results, &why) && json_array_size(results) == 0 && range) {
    json_decref(results);
    results = NULL;
    if (rk_web_search(t->sv->net, t->sv->search_url, query, NULL, t->cancel, &results, &why)) results = NULL;
  }
  size_t i;
  json_array_foreach(results, i, r) {
    json_t *page = NULL;
    if (json_array_size(pages) == OPENED) break;
    if (rk_web_read(t->sv->net, rk_json_cstr(r, "url", ""), t->cancel, &page, &why) == RK_OK) {
      if (!json_object_get(page, "published") && json_object_get(r, "published")) json_object_set(page, "published", json_object_get(r, "published"));
      cite(c, out, pages, page, rk_json_cstr(r, "title", ""), json_array_size(results) == 1 ? PAGE_BYTES : EXCERPT_BYTES);
    }
  }
  bool searched = results != NULL;
  json_decref(results);
  if (json_array_size(pages)) return answer(t, out, pages), RK_OK;
  json_decref(pages);
  if (!searched) return nothing(t, out, "现在不能搜索", "no search was possible", why.msg);
  return nothing(t, out, "没有搜到相关的内容", "nothing was found; other words may help", "");
}

/* ---- read_page ---- */

rk_err rk_tool_read_page(struct rk_turn *t, const struct rk_call *c, struct rk_tool_out *out, struct rk_error *e) {
  rk_str given = rk_str_trim(rk_json_str(c->args, "address"));
  char url[2048];
  struct rk_error why = {0};
  json_t *page = NULL;
  (void)e;
  snprintf(url, sizeof url, "%.*s", RK_STR_ARG(given));
  if (given.n >= sizeof url || !may_open(t, given))
    return nothing(t, out, "只能打开你写出的网址，或已打开的页面里的链接", "only an address that the user wrote, or a link of an opened page, can be opened: search instead", "");
  if (tells(t, t->profile, given)) return nothing(t, out, "网址里有你没有写过的个人资料，没有打开", "the address holds something of the profile: it was not opened", "");
  if (rk_web_read(t->sv->net, url, t->cancel, &page, &why)) return nothing(t, out, "这个页面打不开", "the page could not be opened", why.msg);
  json_t *pages = json_array();
  cite(c, out, pages, page, NULL, PAGE_BYTES);
  return answer(t, out, pages), RK_OK;
}
