#include "eval/solve.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "eval/words.h"

enum { MAX_SERVICES = 256 };

struct solving { const struct rk_case *c; struct rk_buf *why; int64_t plan; /* the least that everything costs so far */ };

/* ---- goods ---- */

struct least { const struct rk_market *m; struct rk_need need; int64_t qty, total; };

static void keep_least(void *ud, int32_t shop, const struct rk_item *item) {
  struct least *l = ud;
  int64_t total;
  if (rk_market_lowest(&l->m->shops[shop].catalog, item, l->qty, &l->need, &total) && (l->total < 0 || total < l->total)) l->total = total;
}

static int64_t least_of(const struct solving *s, const json_t *want) {
  json_t *address = json_pack("{s:s}", "street_address", rk_json_cstr(s->c->profile, "address", rk_json_cstr(want, "address_has", "")));
  struct least l = {.m = s->c->market, .qty = rk_json_i64(want, "qty", 1), .total = -1,
                    .need = {.at_ms = case_start_ms(s->c), .date = rk_json_cstr(want, "deliver_on", NULL), .address = address}};
  rk_market_each(s->c->market, want, l.qty, keep_least, &l);
  json_decref(address);
  return l.total;
}

static int64_t balance_of(const json_t *profile) {
  size_t i;
  json_t *v;
  json_array_foreach(rk_json_arr(profile, "instruments"), i, v)
    if (rk_str_eq_c(rk_json_str(v, "kind"), "wallet")) return rk_json_i64(v, "balance_minor", 0);
  return 0;
}

static bool solve_goods(struct solving *s, const char *word, const json_t *want) {
  int64_t total = least_of(s, want), max = rk_json_i64(want, "max_total_minor", -1);
  if (total < 0) return word_missed(s->why, "%s: no shop has such a thing", word);
  if (max >= 0 && total > max) return word_missed(s->why, "%s: asked %lld at most, the least is %lld", word, (long long)max, (long long)total);
  if (rk_str_eq_c(rk_json_str(want, "instrument"), "wallet") && total > balance_of(s->c->profile))
    return word_missed(s->why, "%s: the wallet holds %lld, the least is %lld", word, (long long)balance_of(s->c->profile), (long long)total);
  s->plan += total;
  return true;
}

static bool solve_items(struct solving *s, const json_t *wants) {
  int64_t sum = 0, max = rk_json_i64(case_expect(s->c), "orders_total_max_minor", -1);
  size_t i;
  json_t *want;
  json_array_foreach((json_t *)(uintptr_t)wants, i, want) {
    int64_t total = least_of(s, want);
    if (total < 0) return word_missed(s->why, "orders_items: no shop has entry %zu", i + 1);
    sum += total;
  }
  return max < 0 || sum <= max || word_missed(s->why, "orders_total_max_minor: asked %lld, the least is %lld", (long long)max, (long long)sum);
}

/* ---- dated places ---- */

static bool solve_trip(struct solving *s, const json_t *want) {
  struct rk_trip t = {.from = rk_json_cstr(want, "from", ""), .to = rk_json_cstr(want, "to", ""), .date = rk_json_cstr(want, "date", ""), .mode = rk_json_cstr(want, "mode", "any"),
                      .after = rk_json_cstr(want, "after", NULL), .before = rk_json_cstr(want, "before", NULL),
                      .adults = rk_json_i64(want, "adults", rk_json_i64(want, "passengers", 1)), .children = rk_json_i64(want, "children", 0), .now_ms = case_start_ms(s->c)};
  int64_t total;
  if (!rk_market_lowest_trip(s->c->market, &t, &total)) return word_missed(s->why, "trips: nothing goes from %s to %s on %s", t.from, t.to, t.date);
  s->plan += total;
  return true;
}

struct place { const char *word; enum rk_travel_kind kind; const json_t *want; };

/* What the entry costs with this service; -1: it does not fit. */
static int64_t cost_of(const struct place *p, const struct rk_service *v) {
  const json_t *w = p->want;
  const char *from = rk_json_cstr(w, "from", NULL), *to = rk_json_cstr(w, "to", NULL), *kind = rk_json_cstr(w, "attraction_kind", NULL), *name = rk_json_cstr(w, "attraction_has", NULL);
  int64_t nights = (v->ends_ms - v->starts_ms + 43200000) / 86400000, best = -1;
  if ((kind && !(v->what && strcmp(v->what, kind) == 0)) || (name && !(v->name_zh && strstr(v->name_zh, name)))) return -1;
  if (p->kind == RK_TRAVEL_FILM && ((from && strcmp(v->starts, from) < 0) || (to && strcmp(v->starts, to) > 0))) return -1;
  for (int32_t f = 0; f < v->n_fares; f++) {
    const struct rk_fare *fare = &v->fares[f];
    int64_t n = p->kind == RK_TRAVEL_FILM ? rk_json_i64(w, "seats", 1) : rk_json_i64(w, "adults", rk_json_i64(w, "persons", 1)), children = rk_json_i64(w, "children", 0);
    int64_t total = p->kind == RK_TRAVEL_STAY ? fare->adult_minor : fare->adult_minor * n + fare->child_minor * children;
    int64_t limit = p->kind == RK_TRAVEL_STAY ? rk_json_i64(w, "max_per_night_minor", INT64_MAX / 100) * (nights > 0 ? nights : 1)
                                             : rk_json_i64(w, "max_seat_minor", INT64_MAX / 100) * n;
    if (total <= limit && fare->places >= (p->kind == RK_TRAVEL_STAY ? 1 : n + children) && (best < 0 || total < best)) best = total;
  }
  return best;
}

static bool solve_place(struct solving *s, const struct place *p) {
  struct rk_service *found = calloc(MAX_SERVICES, sizeof *found);
  int64_t best = -1;
  bool stay = p->kind == RK_TRAVEL_STAY;
  struct rk_travel_query q = {.city = rk_json_str(p->want, "city"), .date = rk_json_str(p->want, stay ? "check_in" : "date"), .end_date = rk_json_str(p->want, "check_out")};
  for (int32_t i = 0; found && i < s->c->market->n; i++) {
    const struct rk_travel *seller = s->c->market->shops[i].catalog.travel;
    struct rk_error e;
    int32_t n = 0;
    if (!seller || rk_travel_kind(seller) != p->kind || rk_travel_search(seller, &q, case_start_ms(s->c), found, MAX_SERVICES, &n, &e)) continue;
    for (int32_t k = 0; k < n; k++) {
      int64_t cost = cost_of(p, &found[k]);
      if (cost >= 0 && (best < 0 || cost < best)) best = cost;
    }
  }
  free(found);
  if (best < 0) return word_missed(s->why, "%s: nothing fits", p->word);
  s->plan += best;
  return true;
}

static bool solve_places(struct solving *s, const char *word, enum rk_travel_kind kind) {
  size_t i;
  json_t *want;
  json_array_foreach(rk_json_arr(case_expect(s->c), word), i, want) {
    struct place p = {word, kind, want};
    if (kind == RK_TRAVEL_NONE ? !solve_trip(s, want) : !solve_place(s, &p)) return false;
  }
  return true;
}

static bool solve(struct solving *s) {
  const json_t *expect = case_expect(s->c), *one;
  int64_t most = rk_json_i64(expect, "plan_total_max_minor", INT64_MAX);
  size_t i;
  json_t *want;
  json_array_foreach(rk_json_arr(expect, "orders"), i, want)
    if (!solve_goods(s, "orders", want)) return false;
  if ((one = rk_json_obj(expect, "card")) && !solve_goods(s, "card", one)) return false;
  if ((one = rk_json_obj(expect, "shown_all")) && !solve_goods(s, "shown_all", one)) return false;
  if (!solve_items(s, rk_json_arr(expect, "orders_items"))) return false;
  s->plan = 0;
  return solve_places(s, "trips", RK_TRAVEL_NONE) && solve_places(s, "stays", RK_TRAVEL_STAY) && solve_places(s, "tickets", RK_TRAVEL_TICKET) &&
         solve_places(s, "films", RK_TRAVEL_FILM) &&
         (s->plan <= most || word_missed(s->why, "plan_total_max_minor: asked %lld, the least is %lld", (long long)most, (long long)s->plan));
}

bool rk_solvable(const struct rk_case *c, char why[RK_MAX_WHY_BYTES]) {
  struct rk_buf text;
  rk_buf_init(&text, RK_MAX_WHY_BYTES);
  struct solving s = {.c = c, .why = &text};
  bool ok = solve(&s);
  rk_utf8_copy(why, RK_MAX_WHY_BYTES, ok ? (rk_str){0} : rk_buf_str(&text));
  rk_buf_release(&text);
  return ok;
}
