/* search.c - the merchants' answer to what a goal asks for, priced and picked. */
#include <string.h>

#include "agent/turn.h"
#include "base/limits.h"

enum { MAX_WANTED = 6 };

static json_t *report_list(const struct rk_shop_report *r, int32_t n) {
  json_t *list = json_array();
  for (int32_t i = 0; i < n; i++) {
    json_t *one = json_pack("{s:s, s:s, s:b, s:i}", "shop_id", r[i].shop_id ? r[i].shop_id : "", "name",
                            r[i].name && r[i].name[0] ? r[i].name : r[i].origin, "ok", r[i].err == RK_OK, "n_offers", r[i].n_offers);
    if (r[i].err && r[i].message) json_object_set_new(one, "message", json_string(r[i].message));
    json_array_append_new(list, one);
  }
  return list;
}

/* The profile's sizes, and a size that the user named, which goes before them. */
static int32_t sizes_of(const struct rk_turn *t, const struct rk_goal *g, struct rk_option *out, int32_t max) {
  int32_t n = 0;
  if (g->intent.for_other) return 0;
  json_t *sizes = rk_json_obj(t->profile, "sizes");
  const char *kind;
  json_t *value;
  json_object_foreach(sizes, kind, value)
    if (n < max && json_is_string(value) && json_string_length(value)) out[n++] = (struct rk_option){kind, json_string_value(value)};
  return n;
}

static const char *upper(struct rk_goal *g, const char *text) {
  char *s = rk_arena_dup(g->arena, rk_str_c(text));
  for (char *p = s; p && *p; p++)
    if (*p >= 'a' && *p <= 'z') *p = (char)(*p - 32);
  return s ? s : "";
}

static rk_err ask(struct rk_turn *t, struct rk_goal *g, const char *query, const struct rk_option *options, int32_t n_options, struct rk_shop_report **reports,
                  int32_t *n_reports, struct rk_error *e) {
  struct rk_option sizes[MAX_WANTED];
  struct rk_search q = {.query = query, .lang = t->intent.chinese ? "zh" : "en", .options = options,
                        .n_options = n_options, .sizes = sizes, .n_sizes = sizes_of(t, g, sizes, MAX_WANTED)};
  rk_pick_search(&g->intent, &q);
  return rk_merchants_search(t->sv->merchants, &q, g->arena, &g->offers, &g->n_offers, reports, n_reports, e);
}

/* "tea, no sugar", "tea without sugar": what stands after such a mark stays only when the user said it; a small model
 * gets the features wrong more often than the thing. */
static rk_err own_words(rk_str query, rk_str said, struct rk_buf *out) {
  static const char marks[] = ",| without | with | no | and ";
  bool first = true;
  for (rk_str rest = query; rest.n;) {
    size_t n = 0;
    ptrdiff_t at = rk_words_find(rest, marks, &n);
    rk_str part = rk_str_trim((rk_str){rest.p, at < 0 ? rest.n : (size_t)at});
    if (part.n && (first || rk_str_find(said, part) >= 0)) rk_buf_addf(out, "%s%.*s", first ? "" : " ", RK_STR_ARG(part));
    first = first && part.n == 0;
    size_t used = at < 0 ? rest.n : (size_t)at + n;
    rest = (rk_str){rest.p + used, rest.n - used};
  }
  return out->err;
}

/* The query the shops get: the model's words, and features that the user named and the model dropped. */
static rk_err full_query(const char *words, const char *query, rk_str said, struct rk_buf *out) {
  struct rk_buf measures, normal, own;
  rk_buf_init(&measures, RK_MAX_MESSAGE_BYTES);
  rk_buf_init(&normal, 4096);
  rk_buf_init(&own, 4096);
  rk_err err = rk_words_normal(&normal, rk_str_c(query));
  if (!err) err = own_words(rk_buf_str(&normal), said, &own);
  if (!err) err = rk_intent_clean_query(out, rk_buf_str(&own));
  if (!err) err = rk_intent_measures(&measures, rk_str_c(words));
  rk_str rest = rk_buf_str(&measures), one;
  while (!err && rest.n) {
    rk_str_cut(rest, '|', &one, &rest);
    if (one.n && rk_str_find(rk_buf_str(out), one) < 0 && out->n + one.n < 200) err = rk_buf_addf(out, " %.*s", RK_STR_ARG(one));
  }
  rk_buf_release(&measures);
  rk_buf_release(&normal);
  rk_buf_release(&own);
  return err;
}

/* Blanks option labels in the query that the user never said. True: something was taken out. */
static bool drop_invented(const struct rk_goal *g, rk_str said, struct rk_buf *query) {
  bool dropped = false;
  for (int32_t i = 0; i < g->n_offers; i++)
    for (int32_t k = 0; g->offers[i].option_labels && k < g->offers[i].n_options; k++) {
      rk_str label = rk_str_c(g->offers[i].option_labels[k]);
      ptrdiff_t at = label.n >= 4 ? rk_str_find(rk_buf_str(query), label) : -1;
      if (at < 0 || rk_str_find(said, label) >= 0) continue;
      memset(query->p + at, ' ', label.n);
      dropped = true;
    }
  return dropped && rk_str_trim(rk_buf_str(query)).n > 0;
}

struct quoting { struct rk_turn *t; struct rk_goal *g; };

static rk_err quote(void *ud, struct rk_offer *o) {
  struct quoting *q = ud;
  struct rk_error e;
  struct rk_address to;
  const char *city = rk_turn_address(q->t, &to) && to.city ? to.city : "";
  return rk_merchant_quote(q->t->sv->merchants, o, city, q->t->intent.chinese ? "zh" : "en", q->g->arena, &e);
}

/* The words that name options: of one of several things, its own; else all that was said about it. */
static const char *words_of(const struct rk_turn *t, const struct rk_goal *g) { return t->n_goals > 1 ? g->said : t->words; }

rk_err rk_goal_search(struct rk_turn *t, struct rk_goal *g, json_t **reports, struct rk_error *e) {
  struct rk_buf full, said;
  rk_buf_init(&full, 4096);
  rk_buf_init(&said, RK_MAX_MESSAGE_BYTES + 64);
  struct rk_shop_report *r = NULL;
  int32_t n = 0, n_wanted = 0, n_more = 0;
  struct rk_option wanted[MAX_WANTED + 1];
  rk_err err = rk_words_normal(&said, rk_str_c(words_of(t, g)));
  if (!err) err = full_query(words_of(t, g), rk_json_cstr(g->args, "what", ""), rk_buf_str(&said), &full);
  if (err) err = rk_fail(e, err, "the query is too long");
  if (!err && g->intent.size[0]) wanted[n_wanted++] = (struct rk_option){"size", upper(g, g->intent.size)};
  if (!err) err = ask(t, g, full.p ? full.p : "", wanted, n_wanted, &r, &n, e);
  if (!err && drop_invented(g, rk_buf_str(&said), &full)) err = ask(t, g, full.p, wanted, n_wanted, &r, &n, e);
  if (!err) {
    /* What the user said about options is known only now that their values are. */
    n_more = rk_pick_options(rk_buf_str(&said), g->offers, g->n_offers, wanted + n_wanted, MAX_WANTED - n_wanted);
    if (n_more > 0) err = ask(t, g, full.p ? full.p : "", wanted, n_wanted + n_more, &r, &n, e);
  }
  if (reports) *reports = report_list(r, r ? n : 0);
  if (!err) {
    rk_pick_relevance(g->offers, g->n_offers, rk_buf_str(&full));
    struct rk_demands d = {words_of(t, g), rk_buf_str(&said), rk_buf_str(&full), wanted + n_wanted, n_more};
    rk_pick_demands(&g->intent, &d, g->offers, g->n_offers, g->arena);
    rk_pick(&g->intent, g->offers, g->n_offers, &(struct rk_quoter){quote, &(struct quoting){t, g}}, &g->picked);
    g->searched = true;
  }
  rk_buf_release(&full);
  rk_buf_release(&said);
  return err;
}

struct rk_offer *rk_goal_offer(struct rk_turn *t, struct rk_goal *g, int64_t number) {
  const json_t *cards = rk_json_arr(rk_turn_result(t, g->step), "cards");
  struct rk_error e;
  if (number < 1 || (size_t)number > json_array_size(cards)) return NULL;
  if (!g->searched && rk_goal_search(t, g, NULL, &e)) return NULL;
  const json_t *card = json_array_get(cards, (size_t)number - 1);
  for (int32_t i = 0; i < g->n_offers; i++) {
    struct rk_offer *o = &g->offers[i];
    if (strcmp(o->origin, rk_json_cstr(card, "origin", "")) != 0 || strcmp(o->item_id, rk_json_cstr(card, "item_id", "")) != 0) continue;
    for (int32_t k = 0; k < g->picked.n_shown; k++)
      if (g->picked.shown[k] == o) return o;
    return rk_offer_price(o, g->intent.quantity > 0 ? g->intent.quantity : 1, g->intent.date) ? NULL : o;
  }
  return NULL;
}

bool rk_turn_address(struct rk_turn *t, struct rk_address *out) {
  const char *name = rk_json_cstr(t->profile, "name", ""), *phone = rk_json_cstr(t->profile, "phone", "");
  if (t->address.street[0]) {
    *out = (struct rk_address){.name = t->address.name[0] ? t->address.name : name, .phone = t->address.phone[0] ? t->address.phone : phone,
                               .street = t->address.street, .city = t->address.city};
    return true;
  }
  *out = (struct rk_address){.name = name, .phone = phone, .street = rk_json_cstr(t->profile, "address", ""),
                             .city = rk_json_cstr(t->profile, "home_city", "")};
  return out->street[0] && !t->intent.elsewhere;
}
