#include "agent/journey.h"

#include <string.h>

#include "agent/split.h"
#include "base/limits.h"

static const char *arg(const json_t *step, const char *name) { return rk_json_cstr(step, name, ""); }
static bool is_tool(const json_t *step, const char *tool) { return strcmp(arg(step, "tool"), tool) == 0; }
static bool is_way(const json_t *step) { return is_tool(step, RK_TOOL_TRAINS) || is_tool(step, RK_TOOL_FLIGHTS); }
static bool same(const json_t *a, const char *x, const json_t *b, const char *y) { return strcmp(arg(a, x), arg(b, y)) == 0; }

bool rk_journey_may(rk_str s) {
  struct rk_day day;
  if (rk_trip_said(s) || rk_words_has(s, "旅行|旅游|游玩|日游|出差|往返|来回|单程|返程|票|行程|度假|住一晚|住两晚|住三晚|trip|travel|journey|visit|weekend in|days in|nights in|ticket|tickets|"
                                        "round trip|one way|stay|seat|seats|getaway|vacation|holiday in"))
    return true;
  return rk_words_has(s, "去|从|飞|玩|游|住|from|to go to|go to|going to|fly|night|nights") && rk_dates_all(s, rk_now_ms(), &day, 1) > 0;
}

/* ---- what is no thing of its own ---- */

/* "两大一小", "two adults and a child": who goes, nothing to buy. */
static bool is_people(rk_str s) {
  static const char words[] = "大人|成人|小孩|孩子|儿童|大|小|人|个|位|口|名|我|我们|全家|adults|adult|children|child|kids|kid|people|persons|person|of us|for|and|a|the|,|，|、| ";
  while (s.n) {
    double v;
    size_t n = rk_words_number(s, &v, NULL);
    if (!n) n = rk_words_starts(s, words);
    if (!n) return false;
    s = (rk_str){s.p + n, s.n - n};
  }
  return true;
}

static bool has_journey(const json_t *steps) {
  size_t i;
  json_t *step;
  json_array_foreach(steps, i, step)
    if (rk_trip_is(arg(step, "tool"))) return true;
  return false;
}

/* Beside a journey, goods that are people or a journey's own word ("高铁票") are part of it. */
static void drop_parts(json_t *steps) {
  for (size_t i = json_array_size(steps); has_journey(steps) && i-- > 0;) {
    struct rk_buf what;
    rk_buf_init(&what, 1024);
    const json_t *step = json_array_get(steps, i);
    bool part = is_tool(step, RK_TOOL_SEARCH) && rk_words_normal(&what, rk_json_str(step, "what")) == RK_OK &&
                (is_people(rk_buf_str(&what)) || rk_trip_said(rk_buf_str(&what)));
    if (part) json_array_remove(steps, i);
    rk_buf_release(&what);
  }
}

/* ---- places ---- */

/* A name in another script than the words is their translation: the card and the approval show what it is. */
static bool is_said(rk_str s, const char *name) {
  struct rk_buf normal;
  size_t at, n;
  rk_buf_init(&normal, 1024);
  bool found = name[0] && rk_words_normal(&normal, rk_str_c(name)) == RK_OK &&
               (rk_split_find(s, rk_buf_str(&normal), &at, &n) || rk_words_has_han(s) != rk_words_has_han(rk_buf_str(&normal)));
  rk_buf_release(&normal);
  return found;
}

static void check_places(const char *home, rk_str s, json_t *steps) {
  static const char *const places[] = {"from", "to", "city", "name"};
  size_t i;
  json_t *step;
  json_array_foreach(steps, i, step) {
    if (!rk_trip_is(arg(step, "tool"))) continue;
    for (size_t k = 0; k < sizeof places / sizeof *places; k++)
      if (arg(step, places[k])[0] && !is_said(s, arg(step, places[k])) && strcmp(arg(step, places[k]), home) != 0) json_object_set_new(step, places[k], json_string(""));
    if (is_way(step) && arg(step, "to")[0] && same(step, "from", step, "to")) json_object_set_new(step, "from", json_string("")); /* one place was said */
    if (is_way(step) && !arg(step, "from")[0] && strcmp(arg(step, "to"), home) != 0) json_object_set_new(step, "from", json_string(home));
  }
}

/* ---- a seat at a film, or a day at an attraction ---- */

static bool is_word_of(const char *name, const char *words) {
  struct rk_buf normal;
  rk_buf_init(&normal, 1024);
  rk_str s = rk_words_normal(&normal, rk_str_c(name)) == RK_OK ? rk_str_trim(rk_buf_str(&normal)) : (rk_str){"", 0};
  bool is = s.n && rk_words_starts(s, words) == s.n;
  rk_buf_release(&normal);
  return is;
}

/* Where the words name one of the two, it is that one; the kind's own word is no name. */
static void check_venues(rk_str s, json_t *steps) {
  unsigned ticket = RK_TRIP_BIT(RK_TRIP_TICKET), film = RK_TRIP_BIT(RK_TRIP_FILM), said = rk_trip_said(s) & (ticket | film);
  size_t i;
  json_t *step;
  json_array_foreach(steps, i, step) {
    if (!is_tool(step, RK_TOOL_TICKETS) && !is_tool(step, RK_TOOL_FILMS)) continue;
    if (said == ticket || said == film) json_object_set_new(step, "tool", json_string(said == film ? RK_TOOL_FILMS : RK_TOOL_TICKETS));
    if (is_word_of(arg(step, "name"), is_tool(step, RK_TOOL_FILMS) ? "电影票|电影|影院|电影院|看电影|cinema tickets|cinema ticket|cinema|movie tickets|movie ticket|movies|movie|film|films"
                                                                     : "门票|景点|景区|票|tickets|ticket|attraction|admission|entrance tickets"))
      json_object_set_new(step, "name", json_string(""));
  }
}

/* One of a kind in a city is enough, as all are on the days of the words; unless each has a name. */
static void drop_twins(json_t *steps) {
  for (size_t i = json_array_size(steps); i-- > 1;) {
    const json_t *b = json_array_get(steps, i);
    for (size_t k = 0; k < i && rk_trip_is(arg(b, "tool")) && !is_way(b); k++) {
      const json_t *a = json_array_get(steps, k);
      if (!same(a, "tool", b, "tool") || !same(a, "city", b, "city") || (arg(b, "name")[0] && !same(a, "name", b, "name"))) continue;
      json_array_remove(steps, i);
      break;
    }
  }
}

/* ---- means ---- */

/* What the user names as a means goes before what the model took; where both or none are named, either will do. */
static void check_means(rk_str s, json_t *steps) {
  unsigned train = RK_TRIP_BIT(RK_TRIP_TRAIN), plane = RK_TRIP_BIT(RK_TRIP_FLIGHT), said = rk_trip_said(s) & (train | plane);
  size_t i;
  json_t *step;
  json_array_foreach(steps, i, step) {
    if (!is_way(step)) continue;
    if (said == train || said == plane) json_object_set_new(step, "tool", json_string(said == train ? RK_TOOL_TRAINS : RK_TOOL_FLIGHTS));
    else json_object_set_new(step, "any", json_true());
  }
}

/* As two steps one way would be booked twice. */
static void join_means(json_t *steps) {
  for (size_t i = json_array_size(steps); i-- > 1;) {
    const json_t *b = json_array_get(steps, i);
    for (size_t k = 0; k < i && is_way(b); k++) {
      const json_t *a = json_array_get(steps, k);
      if (!is_way(a) || !same(a, "from", b, "from") || !same(a, "to", b, "to")) continue;
      json_array_remove(steps, i);
      break;
    }
  }
}

/* ---- there and back ---- */

static bool goes_back(const json_t *steps, const json_t *out) {
  size_t i;
  json_t *step;
  json_array_foreach(steps, i, step)
    if (step != out && is_way(step) && same(step, "from", out, "to") && same(step, "to", out, "from")) return true;
  return false;
}

static const json_t *first_way(const json_t *steps) {
  size_t i;
  json_t *step;
  json_array_foreach(steps, i, step)
    if (is_way(step) && arg(step, "from")[0] && arg(step, "to")[0]) return step;
  return NULL;
}

static bool has_stay(const json_t *steps) {
  size_t i;
  json_t *step;
  json_array_foreach(steps, i, step)
    if (is_tool(step, RK_TOOL_HOTELS)) return true;
  return false;
}

/* A way back that the words do not speak of, on the one day that they name, is the model's own. */
static void drop_way_back(json_t *steps) {
  for (size_t i = json_array_size(steps); i-- > 1;) {
    const json_t *b = json_array_get(steps, i);
    for (size_t k = 0; k < i && is_way(b); k++) {
      const json_t *a = json_array_get(steps, k);
      if (!is_way(a) || !same(a, "from", b, "to") || !same(a, "to", b, "from")) continue;
      json_array_remove(steps, i);
      break;
    }
  }
}

static void check_way_back(const struct rk_turn *t, rk_str s, json_t *steps) {
  char first[11], last[11] = "";
  const json_t *out = first_way(steps);
  if (!out) return;
  bool dated = rk_dates_trip(s, rk_now_ms(), first, last), several = dated && last[0];
  bool asked = rk_words_has(s, "往返|来回|回来|返回|返程|回程|round trip|round-trip|return ticket|return tickets|both ways|there and back|back on|come back|coming back|and back|return on");
  bool one_way = rk_words_has(s, "单程|不用回|one way|one-way");
  if (one_way || (dated && !several && !asked)) {
    drop_way_back(steps);
    return;
  }
  bool wanted = asked || (several && (t->intent.plans || has_stay(steps)));
  if (!wanted || goes_back(steps, out) || json_array_size(steps) >= RK_MAX_PLAN_STEPS) return;
  json_t *back = json_deep_copy(out);
  json_object_set(back, "from", json_object_get(out, "to"));
  json_object_set(back, "to", json_object_get(out, "from"));
  json_object_set_new(back, "when", json_string(""));
  json_array_append_new(steps, back);
}

/* Nobody sleeps where the journey begins while the room is somewhere else. */
static void drop_room_at_home(json_t *steps) {
  const json_t *out = first_way(steps);
  int rooms = 0;
  for (size_t i = 0; i < json_array_size(steps); i++) rooms += is_tool(json_array_get(steps, i), RK_TOOL_HOTELS);
  for (size_t i = json_array_size(steps); out && rooms > 1 && i-- > 0;) {
    const json_t *step = json_array_get(steps, i);
    if (!is_tool(step, RK_TOOL_HOTELS) || !same(step, "city", out, "from")) continue;
    json_array_remove(steps, i);
    rooms--;
  }
}

/* Earlier messages of the user name places too. */
static void all_words(const struct rk_turn *t, rk_str s, struct rk_buf *out) {
  size_t i;
  json_t *m;
  json_array_foreach(t->planned, i, m)
    if (strcmp(arg(m, "role"), "user") == 0 && (rk_words_normal(out, rk_json_str(m, "content")) || rk_buf_addc(out, '\n'))) return;
  rk_buf_addstr(out, s);
}

void rk_journey_complete(const struct rk_turn *t, rk_str s, json_t *steps) {
  struct rk_buf words;
  rk_buf_init(&words, 4 * RK_MAX_MESSAGE_BYTES);
  drop_parts(steps);
  all_words(t, s, &words);
  check_places(rk_json_cstr(t->profile, "home_city", ""), words.err ? s : rk_buf_str(&words), steps);
  check_venues(s, steps);
  drop_twins(steps);
  drop_room_at_home(steps);
  check_means(s, steps);
  join_means(steps);
  check_way_back(t, s, steps);
  rk_buf_release(&words);
}
