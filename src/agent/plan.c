/* plan.c - what the turn does: by the words alone where they settle it, else by
 * the model under a grammar that the words narrow; then checked and completed. */
#include <stdlib.h>
#include <string.h>

#include "agent/compute.h"
#include "agent/journey.h"
#include "agent/prompt.h"
#include "agent/split.h"
#include "agent/turn.h"
#include "base/limits.h"
#include "base/log.h"

enum { PLAN_TOKENS = 320, MAX_PLANS = 2, MAX_CHOICE = 64 };

struct choice {
  const char *does;                     /* NULL: the model says it */
  const struct rk_tool *tools[MAX_CHOICE]; int32_t n;
};

/* ---- what the words allow ---- */

static void add_tool(struct choice *c, const struct rk_tool *tool) {
  for (int32_t i = 0; i < c->n; i++)
    if (c->tools[i] == tool) return;
  if (c->n < MAX_CHOICE) c->tools[c->n++] = tool;
}

static void add_bookable(struct choice *c, rk_str s) {
  int32_t n;
  const struct rk_tool *all = rk_tools(&n);
  bool journeys = rk_journey_may(s);
  for (int32_t i = 0; i < n; i++)
    if ((all[i].flags & RK_TOOL_SPENDS) && (journeys || !rk_trip_is(all[i].name))) add_tool(c, &all[i]);
}

static void add_named(struct choice *c, rk_str s) {
  int32_t n;
  const struct rk_tool *all = rk_tools(&n);
  for (int32_t i = 0; i < n; i++)
    if (all[i].words && rk_words_has(s, all[i].words)) add_tool(c, &all[i]);
}

static bool has_number(rk_str s) {
  double v;
  for (size_t i = 0; i < s.n; i++)
    if ((signed char)s.p[i] >= -64 && rk_words_number((rk_str){s.p + i, s.n - i}, &v, NULL)) return true;
  return false;
}

/* Without a number there is no sum. */
static bool may_be(const struct rk_tool *tool, bool numbers) { return numbers || strcmp(tool->name, RK_TOOL_CALCULATOR) != 0; }

static void choose(const struct rk_turn *t, rk_str s, struct choice *c) {
  int32_t n;
  const struct rk_tool *all = rk_tools(&n);
  const struct rk_intent *in = &t->intent;
  bool shops = in->mode == RK_MODE_BUY || in->mode == RK_MODE_BROWSE || in->plans;
  *c = (struct choice){.does = in->plans || in->mode == RK_MODE_BROWSE || in->works ? "show" : in->mode == RK_MODE_BUY ? "buy" : NULL};
  add_named(c, s);
  bool takes_back = c->n == 1 && (c->tools[0]->flags & RK_TOOL_DELETES) && !in->max_minor && !in->min_minor && in->wish == RK_WISH_NONE;
  if (takes_back) c->does = "show"; /* "the one I just bought, take it back": no word of it buys */
  if (shops && !takes_back) add_bookable(c, s);
  if (c->n) return;
  bool numbers = has_number(s);
  for (int32_t i = 0; i < n; i++)
    if (may_be(&all[i], numbers) && !(in->works && (all[i].flags & (RK_TOOL_SPENDS | RK_TOOL_DELETES | RK_TOOL_TELLS)))) add_tool(c, &all[i]);
}

/* A single tool that has nothing free needs no model. */
static json_t *plan_of_choice(const struct choice *c) {
  if (c->n != 1) return NULL;
  json_t *schema = rk_json_parse(rk_str_c(c->tools[0]->parameters), 4096, NULL);
  bool bare = schema && json_object_size(rk_json_obj(schema, "properties")) == 0;
  json_decref(schema);
  return bare ? json_pack("{s:s, s:[{s:s}]}", "do", "show", "steps", "tool", c->tools[0]->name) : NULL;
}

/* "17% of 2,340?", "5 km in miles": a sum that stands in the words. */
static json_t *plan_of_sum(const struct rk_turn *t, rk_str s) {
  struct rk_buf found;
  json_t *plan = NULL;
  if (t->intent.mode != RK_MODE_TALK || !rk_words_has(s, "?|？|多少|几|等于|=|算|what|how|calculate|compute|convert|换算")) return NULL;
  rk_buf_init(&found, 4096);
  struct rk_day day;
  bool sum = rk_compute_units(s, &found);
  if (sum) { /* the question itself is what the calculator reads */
    rk_buf_clear(&found);
    sum = rk_buf_addstr(&found, s) == RK_OK;
  } else {
    sum = rk_dates_all(s, rk_now_ms(), &day, 1) == 0 && rk_compute_find(s, &found);
  }
  if (sum) plan = json_pack("{s:s, s:[{s:s, s:s%}]}", "do", "show", "steps", "tool", RK_TOOL_CALCULATOR, "expression", found.p, found.n);
  rk_buf_release(&found);
  return plan;
}

/* ---- the model's plan ---- */

static json_t *messages_for(struct rk_turn *t) {
  json_t *all = json_copy(t->sv->plan_prefix);
  json_array_extend(all, t->planned);
  json_array_append_new(all, rk_prompt_text("user", rk_str_c(t->text)));
  const json_t *before = rk_json_obj(t->journal, "plan");
  if (!before) return all;
  /* the same again after a failure: what was planned, and which of it led nowhere */
  struct rk_buf note;
  rk_buf_init(&note, 1 << 14);
  rk_buf_adds(&note, t->intent.chinese ? "没有结果：" : "Nothing came of: ");
  size_t i;
  json_t *call;
  json_array_foreach(rk_json_arr(t->journal, "calls"), i, call)
    if (!rk_json_bool(call, "ok", true)) rk_buf_addf(&note, "%s (%s); ", rk_json_cstr(call, "asked", ""), rk_json_cstr(call, "why", "nothing found"));
  rk_buf_adds(&note, t->intent.chinese ? "请换一个更常见的名称再写一次计划。" : "Write the plan again with other, more common names.");
  char *text = rk_json_dump(before);
  json_array_append_new(all, rk_prompt_text("assistant", rk_str_c(text)));
  json_array_append_new(all, rk_prompt_text("user", rk_buf_str(&note)));
  free(text);
  rk_buf_release(&note);
  return all;
}

/* The model's plan, or NULL: what it wrote is none (cut off, or a backend that keeps to no schema). */
static rk_err ask_model(struct rk_turn *t, const struct choice *c, json_t **plan, struct rk_error *e) {
  struct rk_buf text;
  struct rk_error bad;
  rk_buf_init(&text, 1 << 16);
  json_t *all = messages_for(t), *schema = rk_prompt_plan_schema(c->does, c->tools, c->n);
  rk_err err = rk_turn_ask_model(t, &(struct rk_ask){.messages = all, .n_prefix = (int32_t)json_array_size(t->sv->plan_prefix), .schema = schema,
                                                     .max_tokens = PLAN_TOKENS}, &text, e);
  *plan = err ? NULL : rk_json_parse_last(rk_buf_str(&text), 1 << 16, &bad);
  if (!err && !*plan) rk_log(RK_LOG_INFO, "agent", "turn %s: the model's plan is none: %s", t->id, bad.msg);
  json_decref(schema);
  json_decref(all);
  rk_buf_release(&text);
  return err;
}

/* ---- checks ---- */

static bool same_step(const json_t *a, const json_t *b) { return json_equal((json_t *)(uintptr_t)a, (json_t *)(uintptr_t)b); }

static bool allowed(const struct choice *c, const char *name) {
  for (int32_t i = 0; i < c->n; i++)
    if (strcmp(c->tools[i]->name, name) == 0) return true;
  return false;
}

static bool is_talk(const json_t *step) { return strcmp(rk_json_cstr(step, "tool", ""), RK_TOOL_TALK) == 0; }

/* What cannot stand goes: tools that the words forbid, names of nothing, the same twice, talk beside deeds. */
static void drop_bad_steps(const struct choice *c, json_t *steps) {
  bool deeds = false;
  for (size_t i = 0; i < json_array_size(steps); i++) deeds |= !is_talk(json_array_get(steps, i));
  for (size_t i = json_array_size(steps); i-- > 0;) {
    json_t *step = json_array_get(steps, i);
    const char *what = rk_json_cstr(step, "what", NULL), *tool = rk_json_cstr(step, "tool", "");
    struct rk_buf name;
    rk_buf_init(&name, 4096);
    bool nameless = strcmp(tool, RK_TOOL_SEARCH) == 0 && (!what || rk_intent_clean_query(&name, rk_str_c(what)) || name.n == 0);
    bool bad = !rk_tool_find(tool) || !allowed(c, tool) || nameless || (deeds && is_talk(step));
    for (size_t k = 0; k < i && !bad; k++) bad = same_step(step, json_array_get(steps, k));
    if (bad) json_array_remove(steps, i);
    rk_buf_release(&name);
  }
}

/* ---- planning ---- */

/* ---- one thing or several ---- */

/* "no ice", "少糖": how a thing is wanted, not another thing. */
static bool is_feature(rk_str name) {
  if (rk_words_starts(name, "no|less|without|more|extra|half|with|not|not too|any|for")) return true;
  return name.n <= 6 && rk_words_starts(name, "少|去|多|不|免|半|无|加") > 0;
}

/* Is the part counted ("两盒口罩", "a lid") or joined by a word ("和", "and")? */
static bool is_thing(rk_str s, const struct rk_part *before, const struct rk_part *p) {
  struct rk_intent own;
  size_t end = before->name_at + before->name_n;
  if (p->name_at < end) return false; /* a word of the same name */
  rk_str between = {s.p + end, p->name_at - end};
  if (rk_words_has(between, "和|与|跟|、|以及|还有|外加|再加|加上|再来|再买|另外|加|and|plus|as well as|&")) return true;
  rk_intent_read((rk_str){s.p + p->at, p->name_at + p->name_n - p->at}, rk_now_ms(), &own);
  return own.quantity > 0 || own.quantity_vague;
}

static const struct rk_part *part_before(const struct rk_part *parts, int32_t n, int32_t i) {
  const struct rk_part *best = NULL;
  for (int32_t k = 0; k < n; k++)
    if (k != i && parts[k].named && parts[k].name_at < parts[i].name_at && (!best || parts[k].name_at > best->name_at)) best = &parts[k];
  return best;
}

/* An item of a list whose end is joined by a word is one although only a comma stands before it. */
static bool is_listed(rk_str s, const struct rk_part *parts, int32_t n, int32_t i) {
  for (int32_t k = 0; k < n; k++)
    if (k != i && parts[k].named && parts[k].name_at > parts[i].name_at && part_before(parts, n, k) && is_thing(s, part_before(parts, n, k), &parts[k])) return true;
  return false;
}

/* Several goods are several only when the words name each as a thing of its own; features and names that nobody said belong to the first. */
static void drop_features(rk_str s, json_t *steps) {
  rk_str names[RK_MAX_PLAN_STEPS] = {0};
  struct rk_buf texts[RK_MAX_PLAN_STEPS];
  struct rk_part parts[RK_MAX_PLAN_STEPS];
  int32_t at[RK_MAX_PLAN_STEPS], n = 0, n_named = 0;
  for (size_t i = 0; i < json_array_size(steps) && n < RK_MAX_PLAN_STEPS; i++) {
    const json_t *step = json_array_get(steps, i);
    if (strcmp(rk_json_cstr(step, "tool", ""), RK_TOOL_SEARCH) != 0) continue;
    rk_buf_init(&texts[n], 4096);
    if (rk_words_normal(&texts[n], rk_json_str(step, "what"))) rk_buf_clear(&texts[n]);
    names[n] = rk_buf_str(&texts[n]);
    at[n++] = (int32_t)i;
  }
  rk_split(s, names, n, parts);
  for (int32_t i = 0; i < n; i++) n_named += parts[i].named;
  for (int32_t i = n; n_named && n > 1 && i-- > 0;) {
    const struct rk_part *before = part_before(parts, n, i);
    bool thing = parts[i].named && (!before || ((is_thing(s, before, &parts[i]) || is_listed(s, parts, n, i)) && !is_feature(names[i])));
    if (!thing) json_array_remove(steps, (size_t)at[i]);
  }
  for (int32_t i = 0; i < n; i++) rk_buf_release(&texts[i]);
}

/* A plan that nothing is left of is talk. */
static json_t *checked(const struct rk_turn *t, rk_str s, const struct choice *c, json_t *plan) {
  json_t *steps = rk_json_arr(plan, "steps");
  if (!steps) return NULL;
  drop_bad_steps(c, steps);
  drop_features(s, steps);
  rk_journey_complete(t, s, steps);
  if (json_array_size(steps) == 0) return NULL;
  const char *does = c->does ? c->does : rk_json_cstr(plan, "do", "show");
  return json_pack("{s:s, s:O}", "do", does, "steps", steps);
}

/* Steps of an earlier round that brought something stay as they are; what failed is forgotten. */
static void forget_failed(struct rk_turn *t) {
  json_t *calls = rk_json_arr(t->journal, "calls");
  for (size_t i = json_array_size(calls); i-- > 0;) json_array_remove(calls, i);
  json_array_clear(rk_turn_list(t, "closes"));
  rk_turn_drop_goals(t);
}

rk_err rk_turn_plan(struct rk_turn *t, struct rk_error *e) {
  struct rk_buf text;
  struct choice c;
  json_t *plan = NULL, *good = NULL;
  rk_buf_init(&text, RK_MAX_MESSAGE_BYTES + 64);
  rk_err err = rk_words_normal(&text, rk_str_c(t->text));
  if (err) err = rk_fail(e, err, "the message cannot be read");
  rk_str s = rk_buf_str(&text);
  if (!err) choose(t, s, &c);
  bool again = rk_json_obj(t->journal, "plan") != NULL;
  if (!err && !again) good = plan_of_sum(t, s);
  if (!err && !again && !good) good = plan_of_choice(&c);
  if (!err && !good) {
    err = ask_model(t, &c, &plan, e);
    if (!err) good = checked(t, s, &c, plan);
  }
  if (!err) {
    rk_turn_add(t, "plans", 1);
    if (good && again) forget_failed(t);
    if (good) json_object_set(t->journal, "plan", good);
    err = rk_turn_commit(t, NULL, e);
  }
  json_decref(good);
  json_decref(plan);
  rk_buf_release(&text);
  return err;
}
