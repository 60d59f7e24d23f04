/* act.c - the steps of the plan: written down, run side by side where none
 * needs another, and their results written down together. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/prompt.h"
#include "agent/turn.h"
#include "base/limits.h"

struct job {
  struct rk_turn *t;
  const struct rk_tool *tool;
  json_t *entry;                 /* of the journal's calls, borrowed */
  struct rk_call call;
  struct rk_tool_out out;
  rk_err err;
  struct rk_error e;
  int64_t ms;
  pthread_t thread;
  bool has_thread;
};

json_t *rk_turn_call_id(void) {
  unsigned char r[12];
  char out[40];
  rk_random(r, sizeof r);
  snprintf(out, sizeof out, "call_");
  for (size_t i = 0; i < sizeof r; i++) snprintf(out + 5 + 2 * i, 3, "%02x", r[i]);
  return json_string(out);
}

/* ---- what is due ---- */

static json_t *call_of(const struct rk_turn *t, int32_t step) {
  size_t i;
  json_t *c;
  json_array_foreach(rk_json_arr(t->journal, "calls"), i, c)
    if (rk_json_i64(c, "step", -1) == step) return c;
  return NULL;
}

static bool is_done(const struct rk_turn *t, int32_t step) {
  const json_t *c = call_of(t, step);
  return c && !rk_json_bool(c, "open", false);
}

static int32_t n_steps(const struct rk_turn *t) { return (int32_t)json_array_size(rk_turn_steps(t)); }

static const struct rk_tool *tool_of(const struct rk_turn *t, int32_t step) {
  return rk_tool_find(rk_json_cstr(json_array_get(rk_turn_steps(t), (size_t)step), "tool", ""));
}

/* Talk has nothing to run: the answer itself is it. */
static bool runs(const struct rk_tool *tool) { return tool && tool->run; }

bool rk_turn_has_step(const struct rk_turn *t) {
  for (int32_t i = 0; i < n_steps(t); i++)
    if (runs(tool_of(t, i)) && !is_done(t, i)) return true;
  return false;
}

const json_t *rk_turn_result(const struct rk_turn *t, int32_t step) { return rk_json_obj(call_of(t, step), "keep"); }

/* ---- a wave ---- */

/* The steps that may run now: up to the first that needs another or the model; that one alone when it is the first. */
static int32_t next_wave(const struct rk_turn *t, int32_t steps[RK_MAX_PLAN_STEPS]) {
  int32_t n = 0;
  for (int32_t i = 0; i < n_steps(t) && n < RK_MAX_PLAN_STEPS; i++) {
    const struct rk_tool *tool = tool_of(t, i);
    if (!runs(tool) || is_done(t, i)) continue;
    bool alone = (tool->flags & (RK_TOOL_AFTER | RK_TOOL_THINKS)) != 0;
    if (alone && n > 0) break;
    steps[n++] = i;
    if (alone) break;
  }
  return n;
}

/* What the model is told that it called: the step without what code has added. */
static json_t *args_of(const json_t *step) {
  json_t *args = json_copy((json_t *)(uintptr_t)step);
  json_object_del(args, "tool");
  json_object_del(args, "only");
  json_object_del(args, "any");
  json_object_del(args, "trip");
  json_object_del(args, "people");
  return args;
}

static json_t *open_entry(struct rk_turn *t, int32_t step) {
  json_t *entry = call_of(t, step);
  if (entry) return entry; /* cut off while it ran: it runs again */
  const json_t *s = json_array_get(rk_turn_steps(t), (size_t)step);
  const char *name = rk_json_cstr(s, "tool", ""), *what = rk_json_cstr(s, "what", name);
  json_t *args = args_of(s);
  entry = json_pack("{s:o, s:s, s:i, s:b, s:s}", "id", rk_turn_call_id(), "name", name, "step", (int)step, "open", 1, "asked", what);
  json_array_append_new(rk_turn_list(t, "calls"), entry);
  json_array_append_new(rk_turn_list(t, "messages"), rk_prompt_call(rk_json_cstr(entry, "id", ""), name, args));
  rk_turn_event(t, "tool_call", json_pack("{s:s, s:s, s:o}", "call_id", rk_json_cstr(entry, "id", ""), "name", name, "args", args));
  return entry;
}

static struct rk_goal *goal_of(struct rk_turn *t, int32_t step) {
  for (int32_t i = 0; i < t->n_goals; i++)
    if (t->goals[i].step == step) return &t->goals[i];
  return NULL;
}

static void *work(void *arg) {
  struct job *j = arg;
  int64_t start_ms = rk_mono_ms();
  j->err = j->tool->run(j->t, &j->call, &j->out, &j->e);
  j->ms = rk_mono_ms() - start_ms;
  return NULL;
}

static void run_all(struct job *jobs, int32_t n) {
  for (int32_t i = 1; i < n; i++) jobs[i].has_thread = pthread_create(&jobs[i].thread, NULL, work, &jobs[i]) == 0;
  for (int32_t i = 0; i < n; i++)
    if (!jobs[i].has_thread) work(&jobs[i]); /* the first, and those for which there was no thread */
  for (int32_t i = 1; i < n; i++)
    if (jobs[i].has_thread) pthread_join(jobs[i].thread, NULL);
}

/* ---- results ---- */

static json_t *summary_of(const struct rk_tool_out *out) {
  const char *error = rk_json_cstr(out->result, "error", NULL), *reason = rk_json_cstr(out->result, "reason", NULL);
  return json_string(error ? error : reason ? reason : out->ok ? "ok" : "failed");
}

static void write_down(struct rk_turn *t, struct job *j) {
  const char *id = rk_json_cstr(j->entry, "id", ""), *name = j->tool->name;
  if (!j->out.result) j->out.result = json_pack("{s:s}", "error", "nothing came back");
  json_t *data = json_pack("{s:s, s:s, s:b, s:o, s:I, s:O}", "call_id", id, "name", name, "ok", j->out.ok, "summary", summary_of(&j->out), "ms", (json_int_t)j->ms,
                           "result", j->out.result);
  if (j->out.shops) json_object_set(data, "shops", j->out.shops);
  rk_turn_event(t, "tool_result", data);
  if (j->out.events) json_array_extend(t->events, j->out.events);
  json_array_append_new(rk_turn_list(t, "messages"), rk_prompt_result(id, name, j->out.result));
  if (j->out.close) rk_turn_close(t, json_incref(j->out.close));
  if (j->out.keep) json_object_set(j->entry, "keep", j->out.keep);
  const char *why = rk_json_cstr(j->out.result, "error", NULL);
  if (why) json_object_set_new(j->entry, "why", json_string(why));
  json_object_set_new(j->entry, "ok", json_boolean(j->out.ok));
  json_object_set_new(j->entry, "open", json_false());
}

rk_err rk_turn_act(struct rk_turn *t, struct rk_error *e) {
  struct job jobs[RK_MAX_PLAN_STEPS] = {0};
  int32_t steps[RK_MAX_PLAN_STEPS];
  rk_err err = rk_turn_make_goals(t, e);
  int32_t n = err ? 0 : next_wave(t, steps);
  for (int32_t i = 0; i < n; i++) {
    json_t *entry = open_entry(t, steps[i]);
    jobs[i] = (struct job){.t = t, .tool = tool_of(t, steps[i]), .entry = entry};
    jobs[i].call = (struct rk_call){.id = rk_json_cstr(entry, "id", ""), .name = jobs[i].tool->name, .args = json_array_get(rk_turn_steps(t), (size_t)steps[i]), .goal = goal_of(t, steps[i])};
  }
  if (!err) err = rk_turn_commit(t, NULL, e);
  if (err) return err;
  run_all(jobs, n);
  for (int32_t i = 0; i < n; i++) {
    if (jobs[i].err && !err) err = rk_fail(e, jobs[i].err, "%s", jobs[i].e.msg);
    if (!jobs[i].err) write_down(t, &jobs[i]);
    rk_tool_out_release(&jobs[i].out);
  }
  return err ? err : rk_turn_commit(t, NULL, e);
}
