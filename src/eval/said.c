/* said.c - the words of what was said, asked and looked up. */
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "eval/try.h"
#include "eval/words.h"

static bool is_type(const json_t *ev, const char *type) { return rk_str_eq_c(rk_json_str(ev, "type"), type); }
static const json_t *data_of(const json_t *ev) { return rk_json_obj(ev, "data"); }

static bool is_purchase_request(const json_t *ev) {
  return is_type(ev, "approval_request") && strcmp(rk_json_cstr(rk_json_obj(data_of(ev), "approval"), "kind", "purchase"), "purchase") == 0;
}

bool word_no_card(const struct rk_case *c, const json_t *arg, struct rk_buf *why) {
  size_t i, n = 0;
  json_t *ev;
  json_array_foreach(case_list(c, "events"), i, ev) n += is_purchase_request(ev);
  (void)arg;
  return n == 0 || word_missed(why, "no_card: got %zu purchase approvals", n);
}

/* A tool that looks something up at shops, sellers or pages. */
static bool is_search(const char *tool) {
  static const char *const places[] = {"trains", "flights", "hotels", "tickets", "films"};
  size_t n = strlen(tool);
  for (size_t i = 0; i < sizeof places / sizeof *places; i++)
    if (strcmp(tool, places[i]) == 0) return true;
  return strncmp(tool, "search_", 7) == 0 || (n > 7 && strcmp(tool + n - 7, "_search") == 0);
}

bool word_searched(const struct rk_case *c, const json_t *arg, struct rk_buf *why) {
  size_t i;
  json_t *ev;
  (void)arg;
  json_array_foreach(case_list(c, "events"), i, ev)
    if (is_type(ev, "tool_result") && is_search(rk_json_cstr(data_of(ev), "name", ""))) return true;
  return word_missed(why, "searched: no search tool ran");
}

bool word_no_tool(const struct rk_case *c, const json_t *arg, struct rk_buf *why) {
  size_t i;
  json_t *ev;
  (void)arg;
  json_array_foreach(case_list(c, "events"), i, ev)
    if (is_type(ev, "tool_call")) return word_missed(why, "no_tool: %s ran", rk_json_cstr(data_of(ev), "name", "a tool"));
  return true;
}

static bool names_slot(const json_t *question, const json_t *wanted) {
  size_t i, k;
  json_t *slot, *name;
  json_array_foreach((json_t *)(uintptr_t)wanted, k, name) {
    if (rk_str_eq_c((rk_str){json_string_value(name), json_string_length(name)}, "any")) return true;
    json_array_foreach(rk_json_arr(question, "slots"), i, slot)
      if (json_equal(json_object_get(slot, "name"), name)) return true;
  }
  return false;
}

bool word_asked(const struct rk_case *c, const json_t *arg, struct rk_buf *why) {
  size_t i;
  json_t *ev;
  if (!json_is_array(arg)) return word_missed(why, "asked: no list");
  json_array_foreach(case_list(c, "events"), i, ev) {
    if (is_type(ev, "approval_request")) break;
    if (is_type(ev, "question") && names_slot(data_of(ev), arg)) return true;
  }
  return word_missed(why, "asked: no question about it before the first approval");
}

/* ---- the answer ---- */

enum { SHOWN_ANSWER = 160 };

static bool is_list(const char *word, const json_t *arg, struct rk_buf *why) {
  size_t i;
  json_t *v;
  json_array_foreach((json_t *)(uintptr_t)arg, i, v)
    if (!json_is_string(v)) return word_missed(why, "%s: no list of texts", word);
  return json_is_array(arg) || word_missed(why, "%s: no list of texts", word);
}

static bool answer_missed(const struct rk_case *c, const char *word, const char *text, struct rk_buf *why) {
  char shown[SHOWN_ANSWER];
  rk_utf8_copy(shown, sizeof shown, rk_str_c(case_answer(c)));
  return word_missed(why, "%s: asked %s, got \"%s\"", word, text, shown);
}

bool word_answer_has(const struct rk_case *c, const json_t *arg, struct rk_buf *why) {
  size_t i;
  json_t *v;
  if (!is_list("answer_has", arg, why)) return false;
  json_array_foreach((json_t *)(uintptr_t)arg, i, v)
    if (!strstr(case_answer(c), json_string_value(v))) return answer_missed(c, "answer_has", json_string_value(v), why);
  return true;
}

bool word_answer_any(const struct rk_case *c, const json_t *arg, struct rk_buf *why) {
  size_t i;
  json_t *v;
  if (!is_list("answer_any", arg, why)) return false;
  json_array_foreach((json_t *)(uintptr_t)arg, i, v)
    if (strstr(case_answer(c), json_string_value(v))) return true;
  return answer_missed(c, "answer_any", "one of its texts", why);
}

bool word_answer_not(const struct rk_case *c, const json_t *arg, struct rk_buf *why) {
  size_t i;
  json_t *v;
  if (!is_list("answer_not", arg, why)) return false;
  json_array_foreach((json_t *)(uintptr_t)arg, i, v)
    if (strstr(case_answer(c), json_string_value(v))) return answer_missed(c, "answer_not", json_string_value(v), why);
  return true;
}

static int64_t n_chars(const char *text) {
  int64_t n = 0;
  for (; *text; text++) n += ((unsigned char)*text & 0xc0) != 0x80;
  return n;
}

bool word_answer_min_chars(const struct rk_case *c, const json_t *arg, struct rk_buf *why) {
  int64_t n = n_chars(case_answer(c));
  if (!json_is_integer(arg)) return word_missed(why, "answer_min_chars: no number");
  return n >= json_integer_value(arg) || word_missed(why, "answer_min_chars: asked %lld, got %lld", (long long)json_integer_value(arg), (long long)n);
}

/* Ours or the merchant's, of an order that the shops know. */
bool word_answer_has_order_id(const struct rk_case *c, const json_t *arg, struct rk_buf *why) {
  size_t i;
  json_t *row;
  if (!json_is_true(arg)) return true;
  json_array_foreach(case_list(c, "orders"), i, row)
    if (strstr(case_answer(c), rk_json_cstr(row, "id", "\n")) || strstr(case_answer(c), rk_json_cstr(row, "merchant_order_id", "\n"))) return true;
  return answer_missed(c, "answer_has_order_id", "the number of an order", why);
}

/* ---- sources and memory ---- */

static bool holds_text_of(const json_t *pages, rk_str url) {
  size_t i;
  json_t *page;
  json_array_foreach(pages, i, page)
    if (rk_str_eq(rk_json_str(page, "url"), url)) return rk_json_str(page, "text").n > 0;
  return false;
}

/* A source counts when a tool of this run opened that page: the result of the same call_id is ok and holds its text. */
static bool was_opened(const struct rk_case *c, const json_t *source) {
  rk_str call_id = rk_json_str(source, "call_id");
  size_t i;
  json_t *ev;
  json_array_foreach(case_list(c, "events"), i, ev)
    if (is_type(ev, "tool_result") && call_id.n && rk_str_eq(rk_json_str(data_of(ev), "call_id"), call_id))
      return rk_json_bool(data_of(ev), "ok", false) && holds_text_of(rk_json_arr(rk_json_obj(data_of(ev), "result"), "pages"), rk_json_str(source, "url"));
  return false;
}

bool word_cites(const struct rk_case *c, const json_t *arg, struct rk_buf *why) {
  const char *date = rk_json_cstr(case_expect(c), "cites_date", NULL);
  json_t *urls = json_object(), *ev;
  size_t i;
  json_array_foreach(case_list(c, "events"), i, ev) {
    const json_t *source = data_of(ev);
    const char *url = rk_json_cstr(source, "url", "");
    if (is_type(ev, "source") && *url && was_opened(c, source) && (!date || strncmp(rk_json_cstr(source, "date", ""), date, 10) == 0)) json_object_set_new(urls, url, json_true());
  }
  size_t n = json_object_size(urls);
  json_decref(urls);
  if (!json_is_integer(arg)) return word_missed(why, "cites: no number");
  return (json_int_t)n >= json_integer_value(arg) ||
         word_missed(why, "cites: asked %lld opened sources%s%s, got %zu", (long long)json_integer_value(arg), date ? " of " : "", date ? date : "", n);
}

bool word_memory_has(const struct rk_case *c, const json_t *arg, struct rk_buf *why) {
  size_t i, k;
  json_t *text, *row;
  if (!is_list("memory_has", arg, why)) return false;
  json_array_foreach((json_t *)(uintptr_t)arg, i, text) {
    bool held = false;
    json_array_foreach(case_list(c, "memory"), k, row) held = held || strstr(rk_json_cstr(row, "text", ""), json_string_value(text));
    if (!held) return word_missed(why, "memory_has: asked %s, got %zu other memories", json_string_value(text), json_array_size(case_list(c, "memory")));
  }
  return true;
}

/* ---- code ---- */

/* The bodies of the ``` blocks of the text, one after another. */
static void code_of(rk_str text, struct rk_buf *out) {
  rk_str fence = RK_STR("```");
  for (;;) {
    ptrdiff_t open = rk_str_find(text, fence);
    if (open < 0) return;
    text = (rk_str){text.p + open + 3, text.n - (size_t)open - 3};
    rk_str info, body = text;
    if (!rk_str_cut(text, '\n', &info, &body)) return;
    ptrdiff_t close = rk_str_find(body, fence);
    size_t n = close < 0 ? body.n : (size_t)close;
    rk_buf_add(out, body.p, n);
    rk_buf_addc(out, '\n');
    if (close < 0) return;
    text = (rk_str){body.p + close + 3, body.n - (size_t)close - 3};
  }
}

bool word_code_compiles(const struct rk_case *c, const json_t *arg, struct rk_buf *why) {
  struct rk_buf code;
  char said[300] = "";
  if (!json_is_string(arg) || strcmp(json_string_value(arg), "c") != 0) return word_missed(why, "code_compiles: only c is known");
  rk_buf_init(&code, 1 << 20);
  code_of(rk_str_c(case_answer(c)), &code);
  bool ok = code.n > 0 ? rk_try_compile_c(rk_buf_str(&code), c->dir, said, sizeof said) || word_missed(why, "code_compiles: %s", said)
                       : answer_missed(c, "code_compiles", "a block of code", why);
  rk_buf_release(&code);
  return ok;
}
