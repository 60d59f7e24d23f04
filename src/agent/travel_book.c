/* travel_book.c - who goes, and the purchase of an option. */
#include <stdio.h>
#include <string.h>

#include "agent/travel.h"
#include "base/clock.h"

enum { CHILD_BELOW_YEARS = 14 }; /* China Railway, passenger rules of 2023: half fare up to 14 */

/* ---- who goes ---- */

static int32_t years_at(const char *birth, const char *date) {
  int y = 0, m = 0, d = 0, ty = 0, tm = 0, td = 0;
  if (sscanf(birth, "%4d-%2d-%2d", &y, &m, &d) != 3 || sscanf(date, "%4d-%2d-%2d", &ty, &tm, &td) != 3) return -1;
  return ty - y - (tm < m || (tm == m && td < d));
}

/* By what the profile says of the passenger, on the day of the trip. */
static bool is_child(const json_t *passenger, const char *date) {
  rk_str type = rk_json_str(passenger, "type");
  if (type.n) return rk_str_eq(type, RK_STR("child"));
  int32_t years = years_at(rk_json_cstr(passenger, "birth_date", ""), date);
  if (years < 0) years = (int32_t)rk_json_i64(passenger, "age", CHILD_BELOW_YEARS);
  return years < CHILD_BELOW_YEARS;
}

struct party { struct rk_traveler *out; int32_t n, n_adults, n_children; const struct rk_trip *t; struct rk_arena *arena; bool full; };

static void add(struct party *p, rk_str name, bool child) {
  int32_t *n = child ? &p->n_children : &p->n_adults, most = child ? p->t->children : p->t->adults;
  name = rk_str_trim(name);
  if (name.n == 0 || *n == most || p->n == RK_MAX_TRAVELERS) return;
  const char *kept = rk_arena_dup(p->arena, name);
  if (!kept) {
    p->full = true;
    return;
  }
  p->out[p->n++] = (struct rk_traveler){kept, child};
  ++*n;
}

/* The user himself first, where he is an adult; then the others as they stand. */
static void add_all(struct party *p, const json_t *profile, bool children) {
  const json_t *list = rk_json_arr(profile, "passengers"), *one, *me = NULL;
  rk_str mine = rk_str_trim(rk_json_str(profile, "name"));
  size_t i;
  json_array_foreach(list, i, one)
    if (mine.n && rk_str_eq(rk_str_trim(rk_json_str(one, "name")), mine)) me = one;
  if (!children && (!me || !is_child(me, p->t->date))) add(p, mine, false);
  json_array_foreach(list, i, one)
    if (is_child(one, p->t->date) == children && (children || one != me)) add(p, rk_json_str(one, "name"), children);
}

rk_err rk_trip_party(const struct rk_trip *t, const json_t *profile, struct rk_arena *a, struct rk_traveler out[RK_MAX_TRAVELERS], int32_t *n,
                     struct rk_error *e) {
  static const unsigned named = RK_TRIP_BIT(RK_TRIP_TRAIN) | RK_TRIP_BIT(RK_TRIP_FLIGHT) | RK_TRIP_BIT(RK_TRIP_STAY);
  struct party p = {.out = out, .t = t, .arena = a};
  *n = 0;
  if (!(t->kinds & named)) return RK_OK;
  add_all(&p, profile, false);
  add_all(&p, profile, true);
  if (p.full) return rk_fail(e, RK_ETOOBIG, "out of room");
  bool enough = t->kinds == RK_TRIP_BIT(RK_TRIP_STAY) ? p.n > 0 : p.n_adults == t->adults && p.n_children == t->children;
  if (!enough)
    return rk_fail(e, RK_EINVAL, "the profile names %d of %d adults and %d of %d children: ask the user to add the passengers to the profile", (int)p.n_adults,
                   (int)t->adults, (int)p.n_children, (int)t->children);
  *n = p.n;
  return RK_OK;
}

/* ---- the purchase ---- */

static int64_t least(int64_t a, int64_t b) { return !a || (b && b < a) ? b : a; }

/* The limit of the whole; 0: none. */
static int64_t limit_of(const struct rk_trip *t, const struct rk_trip_option *o) {
  int64_t each = t->max_each_minor * (o->nights ? o->nights : t->adults + t->children);
  return least(t->max_total_minor, each);
}

rk_err rk_trip_prepare(struct rk_trade *trade, const struct rk_prepare *p, const struct rk_trip *t, const struct rk_trip_option *o, const json_t *profile,
                       unsigned said, json_t **approval, struct rk_error *e) {
  struct rk_traveler party[RK_MAX_TRAVELERS];
  const struct rk_offer *child = &o->lines[1];
  struct rk_prepare q = *p;
  struct rk_arena *a = rk_arena_new(1 << 16);
  *approval = NULL;
  if (!a) return rk_fail(e, RK_ENOMEM, "out of memory");
  rk_err err = RK_OK;
  if (!q.n_travelers) {
    err = rk_trip_party(t, profile, a, party, &q.n_travelers, e);
    q.travelers = party;
  }
  q.offer = &o->lines[0];
  q.more = &child;
  q.n_more = o->n_lines - 1;
  q.seats_together = t->adjacent && o->kind == RK_TRIP_FILM;
  q.max_total_minor = least(p->max_total_minor, limit_of(t, o));
  q.deliver_by = "";
  q.category = said & RK_TRIP_BIT(o->kind) ? rk_trip_category(o->kind) : NULL;
  q.address = (struct rk_address){0};
  if (o->kind == RK_TRIP_STAY) q.address = (struct rk_address){.name = rk_json_cstr(profile, "name", ""), .phone = rk_json_cstr(profile, "phone", "")}; /* a hotel knows who books, and calls */
  if (!err) err = rk_trade_prepare(trade, &q, approval, e);
  rk_arena_free(a);
  return err;
}
