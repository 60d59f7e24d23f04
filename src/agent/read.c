/* read.c - the thread, the user's words, and what each step of the plan means by them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/prompt.h"
#include "agent/split.h"
#include "agent/turn.h"
#include "base/limits.h"

enum { GOAL_ARENA_BYTES = 32 << 20, EARLIER_PLANS = 3 };

const char *rk_turn_join(struct rk_turn *t, const char *a, const char *b) {
  const char *s = a[0] ? rk_arena_printf(t->arena, "%s\n%s", a, b) : rk_arena_dup(t->arena, rk_str_c(b));
  return s ? s : "";
}

/* ---- an answer to our question ---- */

static void blank(char *text, const char *part) {
  char *at = part[0] ? strstr(text, part) : NULL;
  if (at) memset(at, ' ', strlen(part));
}

static const json_t *slot_of(const json_t *question, const char *name) {
  size_t i;
  json_t *s;
  json_array_foreach(rk_json_arr(question, "slots"), i, s)
    if (strcmp(rk_json_cstr(s, "name", ""), name) == 0) return s;
  return NULL;
}

static void take_quantity(struct rk_turn *t, const char *rest) {
  double v;
  rk_str s = rk_str_trim(rk_str_c(rest));
  if (t->intent.quantity) return;
  bool number = rk_words_number(s, &v, NULL) > 0, fits = number && v >= 1 && v <= RK_MAX_QUANTITY;
  t->intent.quantity = fits ? (int32_t)v : number ? 0 : 1;
  t->intent.quantity_vague = number && !fits;
}

static void take_size(struct rk_turn *t, const json_t *slot, const char *rest) {
  size_t i;
  json_t *value;
  if (!slot || t->intent.size[0]) return;
  const char *chosen = json_string_value(json_array_get(rk_json_arr(slot, "enum"), 0));
  json_array_foreach(rk_json_arr(slot, "enum"), i, value)
    if (rk_words_has(rk_str_c(rest), json_string_value(value))) chosen = json_string_value(value);
  snprintf(t->intent.size, sizeof t->intent.size, "%s", chosen ? chosen : "");
}

/* The address is taken out first, so that its numbers are no amounts. */
static void take_reply(struct rk_turn *t, const json_t *question) {
  char *rest = rk_arena_dup(t->arena, rk_str_c(t->text));
  if (!rest) return;
  if (slot_of(question, "address") && rk_address_read(rk_str_c(t->text), &t->address)) {
    blank(rest, t->address.street);
    blank(rest, t->address.phone);
    blank(rest, t->address.name);
  }
  t->said = rk_turn_join(t, rk_json_cstr(t->earlier, "said", ""), rest);
  t->words = rk_turn_join(t, rk_json_cstr(t->earlier, "words", ""), rest);
  rk_intent_read(rk_str_c(t->said), rk_now_ms(), &t->intent);
  if (slot_of(question, "qty")) take_quantity(t, rest);
  take_size(t, slot_of(question, "size"), rest);
}

/* The city that was asked for: where there is none, or one that the sellers do not know, which then was a name ("Forbidden City"). */
static void take_city(json_t *step, json_t *city, bool alone) {
  static const char *const ways[] = {"from", "to"};
  for (size_t k = 0; k < 2; k++)
    if (json_object_get(step, ways[k]) && !rk_json_str(step, ways[k]).n) json_object_set(step, ways[k], city);
  if (!json_object_get(step, "city") || (!alone && rk_json_str(step, "city").n)) return;
  if (json_object_get(step, "name") && !rk_json_str(step, "name").n) json_object_set(step, "name", json_object_get(step, "city"));
  json_object_set(step, "city", city);
}

/* A place where a journey lacks one; the names of those who go. */
static void take_journey(const struct rk_turn *t, const json_t *question, json_t *plan) {
  json_t *step, *text = json_string(t->text);
  bool city = slot_of(question, "city") && strlen(t->text) <= 60, people = slot_of(question, "passengers") != NULL;
  size_t i;
  json_array_foreach(rk_json_arr(plan, "steps"), i, step) {
    if (!rk_trip_is(rk_json_cstr(step, "tool", ""))) continue;
    if (city) take_city(step, text, json_array_size(rk_json_arr(plan, "steps")) == 1);
    if (people) json_object_set(step, "people", text);
  }
  json_decref(text);
}

/* ---- words that point back ---- */

/* Cards of the last answer that showed some: of its first search that has so many. */
static const json_t *shown_search(const struct rk_turn *t, size_t least) {
  size_t i;
  json_t *one;
  json_array_foreach(rk_json_arr(t->shown, "shown"), i, one)
    if (json_array_size(rk_json_arr(one, "cards")) >= least) return one;
  return NULL;
}

static bool refers(const struct rk_turn *t) {
  if (t->intent.mode == RK_MODE_STATUS) return false;
  if (t->intent.ordinal) return shown_search(t, (size_t)t->intent.ordinal) != NULL;
  return shown_search(t, 1) && t->intent.of_shown && t->intent.mode == RK_MODE_BUY;
}

/* The step that showed them once more, for these cards alone. */
static json_t *plan_of_cards(const struct rk_turn *t, const json_t *search, json_t *only) {
  json_t *step = json_deep_copy(json_array_get(rk_json_arr(rk_json_obj(t->shown, "plan"), "steps"), (size_t)rk_json_i64(search, "step", 0)));
  if (!step) step = json_pack("{s:s, s:s}", "tool", RK_TOOL_SEARCH, "what", rk_json_cstr(search, "query", ""));
  json_object_set_new(step, "only", only);
  if (rk_json_obj(search, "trip")) json_object_set(step, "trip", rk_json_obj(search, "trip"));
  return json_pack("{s:s, s:[o]}", "do", "buy", "steps", step);
}

/* "The second one", "the best rated of those": the cards that are meant. */
static json_t *plan_of_reference(const struct rk_turn *t) {
  const json_t *search = shown_search(t, t->intent.ordinal ? (size_t)t->intent.ordinal : 1);
  json_t *cards = rk_json_arr(search, "cards"), *only = json_array();
  if (t->intent.ordinal) json_array_append(only, json_array_get(cards, (size_t)t->intent.ordinal - 1));
  else if (t->intent.wish != RK_WISH_NONE) json_array_extend(only, cards);
  else json_array_append(only, json_array_get(cards, 0));
  return plan_of_cards(t, search, only);
}

/* "Good, book it": what was shown or proposed last, the first card of each. */
static json_t *plan_again(const struct rk_turn *t) {
  json_t *plan = json_deep_copy(rk_json_obj(t->shown, "plan")), *step;
  size_t i;
  json_array_foreach(rk_json_arr(plan, "steps"), i, step) {
    const json_t *found = NULL, *one;
    size_t k;
    json_array_foreach(rk_json_arr(t->shown, "shown"), k, one)
      if (rk_json_i64(one, "step", -1) == (int64_t)i) found = one;
    const json_t *first = json_array_get(rk_json_arr(found, "cards"), 0);
    if (first && !json_object_get(step, "only")) json_object_set_new(step, "only", json_pack("[O]", first));
    if (rk_json_obj(found, "trip")) json_object_set(step, "trip", rk_json_obj(found, "trip"));
  }
  if (plan) json_object_set_new(plan, "do", json_string("buy"));
  return plan;
}

static bool can_go_on(const struct rk_turn *t) {
  return rk_json_obj(t->shown, "plan") && !rk_json_bool(t->shown, "ordered", false) && json_array_size(rk_json_arr(t->shown, "shown"));
}

static json_t *plan_of_tool(const char *tool) { return json_pack("{s:s, s:[{s:s}]}", "do", "show", "steps", "tool", tool); }

/* The plan that the words settle without the model, or NULL. */
static json_t *settled_plan(struct rk_turn *t) {
  const json_t *question = rk_json_obj(t->earlier, "question");
  rk_str text = rk_str_c(t->text);
  if (question && !rk_words_has(text, "算了|不买了|不订了|不用了|cancel|never mind|forget it")) {
    json_t *plan = json_deep_copy(rk_json_obj(t->earlier, "plan"));
    take_reply(t, question);
    take_journey(t, question, plan);
    return plan;
  }
  if (t->intent.mode == RK_MODE_STATUS && t->intent.if_not && can_go_on(t)) {
    t->said = t->words = rk_turn_join(t, rk_json_cstr(t->shown, "words", ""), "");
    rk_intent_read(rk_str_c(t->said), rk_now_ms(), &t->intent);
    return plan_again(t);
  }
  if (refers(t)) {
    t->words = rk_turn_join(t, rk_json_cstr(t->shown, "words", ""), t->text);
    return plan_of_reference(t);
  }
  if (!t->intent.confirms) return NULL;
  if (rk_json_bool(t->shown, "ordered", false)) return plan_of_tool(RK_TOOL_STATUS); /* it is ordered: never twice for one word */
  if (!can_go_on(t)) return NULL;
  t->said = rk_turn_join(t, rk_json_cstr(t->shown, "said", ""), t->text);
  t->words = rk_turn_join(t, rk_json_cstr(t->shown, "words", ""), t->text);
  rk_intent_read(rk_str_c(t->said), rk_now_ms(), &t->intent);
  return plan_again(t);
}

static void read_words(struct rk_turn *t) {
  t->said = t->words = t->text;
  rk_intent_read(rk_str_c(t->text), rk_now_ms(), &t->intent);
  json_t *plan = settled_plan(t);
  if (plan && !json_object_get(t->journal, "plan")) json_object_set_new(t->journal, "plan", plan);
  else json_decref(plan);
}

/* ---- the thread ---- */

static void set_ref(json_t **to, json_t *from) {
  json_decref(*to);
  *to = json_incref(from);
}

/* The planner sees the user's own messages and the plans made of them, no text of anybody else. */
static void add_planned(struct rk_turn *t, const char *user_text, const json_t *data) {
  const json_t *plan = rk_json_obj(data, "plan");
  if (!plan || !user_text) return;
  json_t *bare = json_deep_copy(plan), *step;
  size_t i;
  json_array_foreach(rk_json_arr(bare, "steps"), i, step) {
    json_object_del(step, "only");
    json_object_del(step, "trip");
    json_object_del(step, "any");
    json_object_del(step, "people");
  }
  char *text = rk_json_dump(bare);
  json_array_append_new(t->planned, rk_prompt_text("user", rk_str_c(user_text)));
  json_array_append_new(t->planned, rk_prompt_text("assistant", rk_str_c(text)));
  while (json_array_size(t->planned) > 2 * EARLIER_PLANS) json_array_remove(t->planned, 0);
  free(text);
  json_decref(bare);
}

static void read_row(struct rk_turn *t, const json_t *row, const char **asked) {
  const char *role = rk_json_cstr(row, "role", "");
  json_t *data = rk_json_obj(row, "data");
  if (!data || (strcmp(role, "user") != 0 && strcmp(role, "assistant") != 0)) return;
  json_array_append_new(t->history, rk_prompt_text(role, rk_json_str(data, "text")));
  if (strcmp(role, "user") == 0) {
    *asked = rk_arena_dup(t->arena, rk_json_str(data, "text"));
    if (strcmp(rk_json_cstr(row, "id", ""), t->message_id) == 0) t->text = *asked;
    return;
  }
  set_ref(&t->earlier, data);
  if (json_array_size(rk_json_arr(data, "shown"))) set_ref(&t->shown, data);
  add_planned(t, *asked, data);
  if (rk_json_obj(data, "plan")) *asked = NULL; /* one plan a message, whatever was said about it */
}

rk_err rk_turn_read(struct rk_turn *t, struct rk_error *e) {
  json_t *rows = rk_store_thread(t->sv->store, t->user_id, t->message_id), *row;
  const char *asked = NULL;
  size_t i;
  if (!rows) return rk_fail(e, RK_ENOTFOUND, "the turn's message is gone");
  t->history = json_array();
  t->planned = json_array();
  json_array_foreach(rows, i, row) read_row(t, row, &asked);
  json_decref(rows);
  if (!t->text) return rk_fail(e, RK_ENOMEM, "out of memory");
  read_words(t);
  return RK_OK;
}

/* ---- goals ---- */

static struct rk_goal *goal_of_step(struct rk_turn *t, int32_t step) {
  for (int32_t i = 0; i < t->n_goals; i++)
    if (t->goals[i].step == step) return &t->goals[i];
  return NULL;
}

static rk_err add_goal(struct rk_turn *t, int32_t step, const struct rk_tool *tool, const json_t *args, struct rk_error *e) {
  struct rk_goal *g = &t->goals[t->n_goals];
  if (goal_of_step(t, step)) return RK_OK;
  *g = (struct rk_goal){.step = step, .tool = tool, .args = args, .said = t->said, .intent = t->intent, .arena = rk_arena_new(GOAL_ARENA_BYTES)};
  if (!g->arena) return rk_fail(e, RK_ENOMEM, "out of memory");
  t->n_goals++;
  return RK_OK;
}

/* What the part says for itself goes before what the whole message says; limits have their owners. */
static void own_words(struct rk_turn *t, struct rk_goal *g, rk_str part) {
  struct rk_intent own;
  const struct rk_intent *all = &t->intent;
  rk_intent_read(part, rk_now_ms(), &own);
  own.chinese = all->chinese;
  own.mode = all->mode;
  own.max_minor = own.min_minor = own.about_minor = own.joint_minor = own.night_minor = 0;
  own.around = own.per_unit = false;
  if (own.wish == RK_WISH_NONE) own.wish = all->wish, own.weights = all->weights;
  if (!own.instrument) own.instrument = all->instrument;
  if (!own.date[0]) memcpy(own.date, all->date, sizeof own.date), own.date_exact = all->date_exact;
  own.for_other |= all->for_other;
  own.elsewhere |= all->elsewhere;
  own.plans = all->plans;
  g->intent = own;
  g->said = rk_arena_dup(t->arena, part);
}

/* Several things in one sentence: each has its own words and limits. */
static rk_err share_words(struct rk_turn *t, struct rk_error *e) {
  struct rk_buf text;
  rk_str names[RK_MAX_PLAN_STEPS];
  struct rk_part parts[RK_MAX_PLAN_STEPS];
  struct rk_limit limits[RK_MAX_LIMITS];
  bool alike = true;
  rk_buf_init(&text, RK_MAX_MESSAGE_BYTES + 64);
  rk_err err = rk_words_normal(&text, rk_str_c(t->said));
  if (err) {
    rk_buf_release(&text);
    return rk_fail(e, err, "the message cannot be read");
  }
  rk_str said = rk_buf_str(&text);
  for (int32_t i = 0; i < t->n_goals; i++) {
    struct rk_buf name;
    rk_buf_init(&name, 4096);
    if (rk_words_normal(&name, rk_json_str(t->goals[i].args, "what"))) rk_buf_clear(&name);
    const char *kept = rk_arena_dup(t->arena, rk_buf_str(&name));
    names[i] = rk_trip_is(t->goals[i].tool->name) ? rk_trip_named(t->goals[i].tool->name, said) : rk_str_c(kept ? kept : "");
    rk_buf_release(&name);
    alike &= !rk_trip_is(t->goals[i].tool->name);
  }
  rk_split(said, names, t->n_goals, parts);
  for (int32_t i = 0; i < t->n_goals; i++) own_words(t, &t->goals[i], (rk_str){said.p + parts[i].at, parts[i].n});
  int32_t n = rk_intent_limits(said, limits);
  for (int32_t i = 0; i < n; i++) {
    int32_t owner = rk_split_owner(said, &limits[i], n, parts, t->n_goals, alike);
    if (owner >= 0) rk_intent_limit(&t->goals[owner].intent, &limits[i]);
    else if (limits[i].kind != RK_LIMIT_MIN) t->intent.joint_minor = limits[i].minor + (limits[i].kind == RK_LIMIT_AROUND ? limits[i].minor / 10 : 0), memcpy(t->intent.currency, limits[i].currency, 4);
  }
  rk_buf_release(&text);
  return RK_OK;
}

rk_err rk_turn_make_goals(struct rk_turn *t, struct rk_error *e) {
  size_t i;
  json_t *step;
  rk_err err = RK_OK;
  if (t->has_goals || !rk_turn_steps(t)) return RK_OK;
  json_array_foreach(rk_turn_steps(t), i, step) {
    const struct rk_tool *tool = rk_tool_find(rk_json_cstr(step, "tool", ""));
    if (tool && (tool->flags & RK_TOOL_SPENDS) && t->n_goals < RK_MAX_PLAN_STEPS) err = err ? err : add_goal(t, (int32_t)i, tool, step, e);
  }
  if (!err && t->n_goals > 1) err = share_words(t, e);
  t->has_goals = !err;
  return err;
}

void rk_turn_drop_goals(struct rk_turn *t) {
  for (int32_t i = 0; i < t->n_goals; i++) rk_arena_free(t->goals[i].arena);
  t->n_goals = 0;
  t->has_goals = false;
}

/* ---- for the turns after ---- */

void rk_turn_keep(struct rk_turn *t, json_t *data) {
  const json_t *plan = rk_json_obj(t->journal, "plan");
  if (!plan) return;
  json_t *shown = json_array(), *call;
  size_t i;
  json_array_foreach(rk_json_arr(t->journal, "calls"), i, call) {
    json_t *keep = rk_json_obj(call, "keep");
    if (!json_array_size(rk_json_arr(keep, "cards"))) continue;
    json_t *one = json_copy(keep);
    json_object_set(one, "step", json_object_get(call, "step"));
    json_array_append_new(shown, one);
  }
  json_object_set(data, "plan", json_object_get(t->journal, "plan"));
  json_object_set_new(data, "shown", shown);
  json_object_set_new(data, "said", json_string(t->said));
  json_object_set_new(data, "words", json_string(t->words));
  if (rk_turn_is(t, "ordered")) json_object_set_new(data, "ordered", json_true());
}
