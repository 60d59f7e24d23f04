/* travel.c - trains, flights, hotels, tickets, films: one booking that a step
 * of the plan wants. The model names the places; days, hours, people, limits
 * and wishes are read here from the user's words, people from the profile. */
#include <string.h>

#include "agent/travel.h"
#include "agent/turn.h"
#include "base/limits.h"
#include "base/utf8.h"

enum { TOLD_TO_MODEL = 3 };

static const struct { const char *tool; enum rk_trip_kind kind; } kinds[] = {
    {RK_TOOL_TRAINS, RK_TRIP_TRAIN}, {RK_TOOL_FLIGHTS, RK_TRIP_FLIGHT}, {RK_TOOL_HOTELS, RK_TRIP_STAY}, {RK_TOOL_TICKETS, RK_TRIP_TICKET}, {RK_TOOL_FILMS, RK_TRIP_FILM}};

static bool kind_of(const char *name, enum rk_trip_kind *kind) {
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    if (strcmp(kinds[i].tool, name) == 0) {
      *kind = kinds[i].kind;
      return true;
    }
  return false;
}

bool rk_trip_is(const char *tool) {
  enum rk_trip_kind ignored;
  return kind_of(tool, &ignored);
}

rk_str rk_trip_named(const char *tool, rk_str said) {
  enum rk_trip_kind kind;
  return kind_of(tool, &kind) ? rk_trip_word(kind, said) : (rk_str){"", 0};
}

static bool is_route(enum rk_trip_kind kind) { return kind == RK_TRIP_TRAIN || kind == RK_TRIP_FLIGHT; }
static const char *arg(const json_t *step, const char *name) { return rk_json_cstr(step, name, ""); }

/* ---- places ---- */

/* The first way of the plan, and whether this step is a way back from where an earlier one went. */
static const json_t *first_way(const struct rk_turn *t) {
  enum rk_trip_kind kind;
  size_t i;
  json_t *step;
  json_array_foreach(rk_turn_steps(t), i, step)
    if (kind_of(arg(step, "tool"), &kind) && is_route(kind)) return step;
  return NULL;
}

static bool goes_back(const struct rk_turn *t, const struct rk_goal *g) {
  enum rk_trip_kind kind;
  for (int32_t i = 0; i < g->step; i++) {
    const json_t *step = json_array_get(rk_turn_steps(t), (size_t)i);
    if (kind_of(arg(step, "tool"), &kind) && is_route(kind) && arg(step, "to")[0] && strcmp(arg(step, "to"), arg(g->args, "from")) == 0) return true;
  }
  return false;
}

static void put(json_t *slots, const char *key, const char *value) {
  if (value[0]) json_object_set_new(slots, key, json_string(value));
}

static void put_places(const struct rk_turn *t, const struct rk_goal *g, enum rk_trip_kind kind, json_t *slots) {
  const json_t *way = first_way(t);
  const char *home = rk_json_cstr(t->profile, "home_city", ""), *city = arg(g->args, "city");
  if (is_route(kind)) {
    put(slots, "from", arg(g->args, "from")[0] ? arg(g->args, "from") : home);
    put(slots, "to", arg(g->args, "to"));
    return;
  }
  if (!city[0] && kind != RK_TRIP_FILM && way) city = arg(way, "to");
  if (!city[0] && kind != RK_TRIP_STAY) city = home;
  put(slots, "city", city);
  put(slots, "name", arg(g->args, "name"));
}

/* ---- days and hours ---- */

/* Among the days that the words name, the one that the step names: by the same words. */
static const struct rk_day *named_day(rk_str s, const struct rk_day *days, int32_t n, rk_str when) {
  for (int32_t i = 0; i < n; i++)
    if (!days[i].past && rk_str_find(when, (rk_str){s.p + days[i].at, days[i].n}) >= 0) return &days[i];
  return NULL;
}

static void put_clock(json_t *slots, const char *key, int32_t minute) {
  if (minute > 0) json_object_set_new(slots, key, json_sprintf("%02d:%02d", (int)(minute / 60), (int)(minute % 60)));
}

/* A stay that has a day in its own part of the words begins there ("周五去，周六住一晚酒店"); else it is as long as the journey. */
static void put_stay(const struct rk_turn *t, const struct rk_goal *g, rk_str s, const struct rk_day *days, int32_t n, json_t *slots) {
  char first[11], last[11];
  int64_t now = rk_now_ms();
  rk_str own = g->said == t->said ? (rk_str){"", 0} : rk_str_c(g->said);
  const struct rk_day *mine = named_day(s, days, n, own);
  if (!rk_dates_trip(mine ? own : s, now, first, last)) return;
  put(slots, "date", mine ? mine->iso : first);
  if (!last[0]) json_object_set_new(slots, "nights", json_integer(1));
  else if (mine) json_object_set_new(slots, "nights", json_integer(rk_trip_nights(first, last)));
  else put(slots, "end_date", last);
}

static void put_days(const struct rk_turn *t, const struct rk_goal *g, enum rk_trip_kind kind, rk_str s, json_t *slots) {
  struct rk_day days[RK_MAX_DAYS];
  struct rk_buf when;
  char first[11], last[11];
  int64_t now = rk_now_ms();
  int32_t n = rk_dates_all(s, now, days, RK_MAX_DAYS), after = 0, before = 0;
  if (kind == RK_TRIP_STAY) {
    put_stay(t, g, s, days, n, slots);
    return;
  }
  rk_buf_init(&when, 1024);
  bool said = rk_words_normal(&when, rk_json_str(g->args, "when")) == RK_OK;
  const struct rk_day *day = said ? named_day(s, days, n, rk_buf_str(&when)) : NULL;
  if (rk_dates_trip(s, now, first, last)) put(slots, "date", goes_back(t, g) && last[0] ? last : day ? day->iso : first);
  const char *date = rk_json_cstr(slots, "date", "");
  for (int32_t i = 0; i < n; i++)
    if (strcmp(days[i].iso, date) == 0 && days[i].timed) after = days[i].after_min, before = days[i].before_min;
  if (said && !after && !before) (void)rk_times_find(rk_buf_str(&when), &after, &before);
  put_clock(slots, "after", after);
  put_clock(slots, "before", before);
  rk_buf_release(&when);
}

/* ---- people ---- */

static rk_str trimmed_name(rk_str s) {
  size_t lead = rk_words_starts(s, "是|叫|和|与|and |大人|成人|孩子|小孩|儿童|adult |adults |child ");
  s = rk_str_trim((rk_str){s.p + lead, s.n - lead});
  ptrdiff_t mark = rk_words_find(s, "(|（|:|：| -|，", NULL);
  if (mark >= 0) s.n = (size_t)mark;
  s.n -= rk_words_ends(s, "孩子|小孩|儿童|大人|成人|岁");
  return rk_str_trim(s);
}

/* "张三、李四（孩子）", "Ann and Ben (child)": names as the user wrote them, in answer to a question. */
static int32_t named_people(const struct rk_goal *g, struct rk_traveler out[RK_MAX_TRAVELERS]) {
  static const char marks[] = "、|,|，|;|；|\n| and | & |和";
  static const char child_words[] = "孩子|小孩|儿童|child|kid|son|daughter";
  int32_t n = 0;
  for (rk_str rest = rk_json_str(g->args, "people"); rest.n && n < RK_MAX_TRAVELERS;) {
    size_t mark = 0;
    ptrdiff_t at = rk_words_find(rest, marks, &mark);
    rk_str part = {rest.p, at < 0 ? rest.n : (size_t)at}, name = trimmed_name(part);
    size_t used = at < 0 ? rest.n : (size_t)at + mark;
    rest = (rk_str){rest.p + used, rest.n - used};
    const char *kept = name.n && name.n <= 60 ? rk_arena_dup(g->arena, name) : NULL;
    if (kept) out[n++] = (struct rk_traveler){kept, rk_words_has(part, child_words)};
  }
  return n;
}

/* False: a number that makes no sense. */
static bool put_party(const struct rk_turn *t, const struct rk_goal *g, enum rk_trip_kind kind, rk_str s, json_t *slots) {
  struct rk_party_words w;
  struct rk_traveler who[RK_MAX_TRAVELERS];
  int32_t adults = 0, children = 0;
  rk_party_read(s, &w);
  bool known = rk_party_count(&w, kind == RK_TRIP_STAY ? 0 : g->intent.quantity, t->profile, &adults, &children);
  int32_t n = named_people(g, who);
  if (!w.said && n > 0) { /* their names say how many */
    known = true;
    adults = children = 0;
    for (int32_t i = 0; i < n; i++) (*(who[i].child ? &children : &adults))++;
  }
  json_object_set_new(slots, "adults", json_integer(adults));
  json_object_set_new(slots, "children", json_integer(children));
  return known;
}

/* ---- the step as a trip ---- */

static const char *wish_of(const struct rk_intent *in, rk_str s) {
  if (rk_words_has(s, "最早的|最早一班|最早出发|头班|首班|第一班|earliest|first train|first flight|first one out")) return "earliest";
  return in->wish == RK_WISH_SOONEST ? "earliest" : in->wish == RK_WISH_RATING ? "rating" : in->wish == RK_WISH_CHEAPEST ? "cheapest" : "";
}

/* A limit of the words is for a night, for a piece, or for all of it. */
static void put_limits(const struct rk_intent *in, enum rk_trip_kind kind, struct rk_trip *trip) {
  if (kind == RK_TRIP_STAY) trip->max_each_minor = in->night_minor;
  if (in->per_unit) trip->max_each_minor = in->max_minor;
  else trip->max_total_minor = in->max_minor;
  memcpy(trip->currency, in->currency, 4);
}

static unsigned kinds_of(const struct rk_goal *g, enum rk_trip_kind kind) {
  bool either = is_route(kind) && rk_json_bool(g->args, "any", false);
  return either ? RK_TRIP_BIT(RK_TRIP_TRAIN) | RK_TRIP_BIT(RK_TRIP_FLIGHT) : RK_TRIP_BIT(kind);
}

/* What an earlier answer has shown is looked for again as it was. */
static rk_err same_trip(const json_t *kept, unsigned wanted, struct rk_trip *trip, struct rk_error *e) {
  rk_err err = rk_trip_read(wanted, kept, rk_now_ms(), trip, e);
  trip->max_total_minor = rk_json_i64(kept, "max_total_minor", 0);
  trip->max_each_minor = rk_json_i64(kept, "max_each_minor", 0);
  rk_utf8_copy(trip->currency, sizeof trip->currency, rk_json_str(kept, "currency"));
  return err;
}

static json_t *kept_trip(const struct rk_trip *trip) {
  json_t *v = rk_trip_slots(trip);
  json_object_set_new(v, "max_total_minor", json_integer(trip->max_total_minor));
  json_object_set_new(v, "max_each_minor", json_integer(trip->max_each_minor));
  json_object_set_new(v, "currency", json_string(trip->currency));
  return v;
}

/* What the step wants, from its slots and the words. RK_EINVAL names what is missing. */
static rk_err trip_of(const struct rk_turn *t, const struct rk_goal *g, enum rk_trip_kind kind, struct rk_trip *trip, struct rk_error *e) {
  struct rk_buf text;
  const json_t *kept = rk_json_obj(g->args, "trip");
  if (kept) return same_trip(kept, kinds_of(g, kind), trip, e);
  rk_buf_init(&text, RK_MAX_MESSAGE_BYTES + 64);
  json_t *slots = json_object();
  rk_err err = rk_words_normal(&text, rk_str_c(t->said));
  rk_str s = rk_buf_str(&text);
  bool known = !err && put_party(t, g, kind, s, slots);
  put_places(t, g, kind, slots);
  if (!err) put_days(t, g, kind, s, slots);
  put(slots, "wish", wish_of(&g->intent, s));
  json_object_set_new(slots, "adjacent", json_boolean(!rk_words_has(s, "不用连座|不连座也行|分开坐|need not sit together|don't need to sit together|seats apart")));
  if (!err) err = known ? rk_trip_read(kinds_of(g, kind), slots, rk_now_ms(), trip, e) : rk_fail(e, RK_EINVAL, "adults: how many go, 1 to %d", RK_MAX_TRAVELERS);
  if (!err) put_limits(&g->intent, kind, trip);
  json_decref(slots);
  rk_buf_release(&text);
  return err;
}

/* ---- searching ---- */

static json_t *for_model(const struct rk_goal *g, const struct rk_trip_found *f, const char *reason) {
  json_t *offers = json_array();
  for (int32_t i = 0; i < f->n_shown && i < TOLD_TO_MODEL; i++) {
    const struct rk_trip_option *o = f->shown[i];
    char total[40];
    rk_money_text(o->whole.total, total);
    json_array_append_new(offers, json_pack("{s:i, s:o, s:s, s:s}", "offer", i + 1, "title", json_sprintf("%s %s", o->whole.title, rk_trip_fare(o)), "shop", o->whole.shop_name,
                                            "total", total));
  }
  json_t *result = json_pack("{s:o}", "offers", offers);
  if (f->n_shown) json_object_set_new(result, "best", json_integer(1));
  json_object_set_new(result, "reason", json_string(reason));
  json_object_set_new(result, "answer_in", json_string(g->intent.chinese ? "中文" : "English"));
  return result;
}

static json_t *reports_json(const struct rk_trip_found *f) {
  json_t *list = json_array();
  for (int32_t i = 0; i < f->n_reports; i++) {
    const struct rk_shop_report *r = &f->reports[i];
    json_t *one = json_pack("{s:s, s:s, s:b, s:i}", "shop_id", r->shop_id, "name", r->name, "ok", r->err == RK_OK, "n_offers", (int)r->n_offers);
    if (r->err && r->message) json_object_set_new(one, "message", json_string(r->message));
    json_array_append_new(list, one);
  }
  return list;
}

/* "The second one": of what was shown, only what is meant stays. */
static void keep_referred(const struct rk_goal *g, struct rk_trip_found *f) {
  const json_t *only = rk_json_arr(g->args, "only"), *c;
  int32_t n = 0;
  size_t k;
  if (!only) return;
  for (int32_t i = 0; i < f->n_shown; i++)
    json_array_foreach(only, k, c)
      if (strcmp(f->shown[i]->whole.origin, arg(c, "origin")) == 0 && strcmp(f->shown[i]->whole.item_id, arg(c, "item_id")) == 0) {
        f->shown[n++] = f->shown[i];
        break;
      }
  f->n_shown = n;
}

static void show(const struct rk_trip *trip, const struct rk_trip_found *f, const struct rk_call *c, const char *reason, struct rk_tool_out *out, json_t *kept) {
  json_t *cards = json_array();
  int cheapest = 1;
  for (int32_t i = 0; i < f->n_shown; i++) {
    const struct rk_offer *o = &f->shown[i]->whole;
    json_array_append_new(cards, rk_trip_card(trip, f->shown[i], i + 1));
    json_array_append_new(kept, json_pack("{s:i, s:s, s:s, s:s, s:f, s:I}", "number", i + 1, "origin", o->origin, "item_id", o->item_id, "title", o->title, "rating",
                                          o->rating, "total_minor", (json_int_t)o->total.minor));
    if (o->total.minor < f->shown[cheapest - 1]->whole.total.minor) cheapest = i + 1;
  }
  if (json_array_size(cards))
    rk_tool_event(out, "card", json_pack("{s:s, s:O, s:i, s:s}", "call_id", c->id, "cards", cards, "cheapest", cheapest, "reason", reason));
  json_decref(cards);
}

static bool is_no_city(const char *why) { return rk_str_find(rk_str_c(why), RK_STR(": city: there is no city")) >= 0; }

/* A slot that is missing is asked of the user; one that the sellers do not know is said in their words. */
static rk_err refuse_slot(bool zh, const char *why, struct rk_tool_out *out) {
  static const struct { const char *lead, *slot; } asks[] = {{"date is", "date"}, {"date:", "date"}, {"from is", "city"}, {"to is", "city"}, {"city is", "city"}, {"adults", "passengers"}, {"nobody", "passengers"}};
  if (is_no_city(why)) out->keep = json_pack("{s:[s]}", "ask", "city");
  for (size_t i = 0; i < sizeof asks / sizeof *asks && !out->keep; i++)
    if (rk_str_starts(rk_str_c(why), rk_str_c(asks[i].lead))) out->keep = json_pack("{s:[s]}", "ask", asks[i].slot);
  if (!out->keep) {
    out->keep = json_pack("{s:b}", "closed", 1);
    out->close = json_sprintf(zh ? "没有查到：%s。" : "Nothing was looked up: %s.", why);
  }
  return rk_tool_refuse(out, json_string(why));
}

static rk_err no_seller(bool zh, const char *why, struct rk_tool_out *out) {
  out->close = json_sprintf(zh ? "现在查不到（%s）。" : "This cannot be looked up now (%s).", why);
  out->keep = json_pack("{s:b}", "closed", 1);
  return rk_tool_refuse(out, json_string("no seller answered: say so and suggest to try again later"));
}

/* An attraction that was taken for a city ("故宫") is looked for by its name, wherever it is. */
static rk_err look(struct rk_turn *t, struct rk_goal *g, struct rk_error *e) {
  const char *lang = g->intent.chinese ? "zh" : "en";
  rk_err err = rk_trip_search(t->sv->merchants, &g->trip, lang, g->arena, &g->trips, e);
  if (err != RK_EINVAL || g->trip.kinds != RK_TRIP_BIT(RK_TRIP_TICKET) || g->trip.name[0] || !is_no_city(e->msg)) return err;
  struct rk_trip named = g->trip;
  struct rk_trip_found found;
  struct rk_error ignored;
  memcpy(named.name, g->trip.city, sizeof g->trip.city);
  named.city[0] = 0;
  if (rk_trip_search(t->sv->merchants, &named, lang, g->arena, &found, &ignored) || found.n_services == 0) return err;
  g->trip = named;
  g->trips = found;
  return RK_OK;
}

rk_err rk_tool_travel(struct rk_turn *t, const struct rk_call *c, struct rk_tool_out *out, struct rk_error *e) {
  struct rk_goal *g = c->goal;
  struct rk_trip_found *f = &g->trips;
  struct rk_buf reason;
  enum rk_trip_kind kind = RK_TRIP_TRAIN;
  bool zh = g->intent.chinese;
  struct rk_error why = {0};
  RK_ASSERT(kind_of(c->name, &kind));
  rk_err err = trip_of(t, g, kind, &g->trip, &why);
  if (!err) err = look(t, g, &why);
  out->shops = reports_json(f);
  if (err == RK_EINVAL) return refuse_slot(zh, why.msg, out);
  if (err == RK_EUNAVAIL) return no_seller(zh, why.msg, out);
  if (err) return rk_fail(e, err, "%s", why.msg);
  g->searched = true;
  keep_referred(g, f);
  rk_buf_init(&reason, 8192);
  err = rk_trip_reason(&g->trip, f, zh, &reason);
  if (!err) {
    json_t *kept = json_array();
    show(&g->trip, f, c, reason.p, out, kept);
    out->keep = json_pack("{s:o, s:o, s:s}", "trip", kept_trip(&g->trip), "cards", kept, "reason", reason.p);
    out->result = for_model(g, f, reason.p);
    out->ok = true; /* nothing that fits is an answer: other words would not help */
  }
  rk_buf_release(&reason);
  return err ? rk_fail(e, err, "an option's text is too long") : RK_OK;
}

/* ---- who goes ---- */

/* Those that were named, where they are the party; 0: the profile says who goes. */
static int32_t travelers_of(const struct rk_goal *g, const struct rk_trip *trip, struct rk_traveler out[RK_MAX_TRAVELERS]) {
  int32_t n = named_people(g, out), children = 0;
  for (int32_t i = 0; i < n; i++) children += out[i].child;
  bool stay = trip->kinds == RK_TRIP_BIT(RK_TRIP_STAY), seats = trip->kinds & (RK_TRIP_BIT(RK_TRIP_TICKET) | RK_TRIP_BIT(RK_TRIP_FILM));
  return !seats && (stay || (children == trip->children && n - children == trip->adults)) ? n : 0;
}

int32_t rk_goal_travelers(const struct rk_goal *g, struct rk_traveler out[RK_MAX_TRAVELERS]) { return travelers_of(g, &g->trip, out); }

bool rk_goal_has_people(struct rk_turn *t, const struct rk_goal *g) {
  struct rk_traveler who[RK_MAX_TRAVELERS];
  struct rk_error ignored;
  struct rk_trip trip = g->trip;
  enum rk_trip_kind kind;
  int32_t n;
  if (!kind_of(g->tool->name, &kind)) return true;
  if (!g->searched && same_trip(rk_json_obj(rk_turn_result(t, g->step), "trip"), kinds_of(g, kind), &trip, &ignored)) return true; /* its booking will say so */
  return travelers_of(g, &trip, who) > 0 || rk_trip_party(&trip, t->profile, t->arena, who, &n, &ignored) == RK_OK;
}

/* ---- booking ---- */

const struct rk_trip_option *rk_goal_option(struct rk_turn *t, struct rk_goal *g, int64_t number) {
  const json_t *card = json_array_get(rk_json_arr(rk_turn_result(t, g->step), "cards"), (size_t)number - 1);
  enum rk_trip_kind kind;
  struct rk_error ignored;
  if (number < 1 || !card || !kind_of(g->tool->name, &kind)) return NULL;
  if (!g->searched) { /* after a crash: what was found is looked up again */
    if (trip_of(t, g, kind, &g->trip, &ignored) || look(t, g, &ignored)) return NULL;
    g->searched = true;
  }
  for (int32_t i = 0; i < g->trips.n_shown; i++)
    if (strcmp(g->trips.shown[i]->whole.origin, arg(card, "origin")) == 0 && strcmp(g->trips.shown[i]->whole.item_id, arg(card, "item_id")) == 0) return g->trips.shown[i];
  return NULL;
}
