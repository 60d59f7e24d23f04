#include "eval/user.h"

#include <string.h>

void rk_user_init(struct rk_user *u, const json_t *task) { *u = (struct rk_user){.task = task}; }

const char *rk_user_says(const struct rk_user *u) { return json_string_value(json_array_get(rk_json_arr(u->task, "say"), u->line)); }

void rk_user_next_line(struct rk_user *u) {
  u->line++;
  u->n_replies = 0;
}

static bool is_chinese(const struct rk_user *u) { return !rk_str_eq_c(rk_json_str(u->task, "lang"), "en"); }

bool rk_user_replies(struct rk_user *u, struct rk_buf *out) {
  const json_t *known = rk_json_obj(u->task, "user");
  const char *slot;
  json_t *value;
  bool first = true;
  if (u->n_replies++ >= RK_MAX_REPLIES) return false;
  if (u->told || json_object_size(known) == 0) return rk_buf_adds(out, is_chinese(u) ? "都可以" : "Anything is fine") == RK_OK;
  json_object_foreach((json_t *)(uintptr_t)known, slot, value) {
    if (!first) rk_buf_adds(out, is_chinese(u) ? "，" : ", ");
    rk_buf_adds(out, json_is_string(value) ? json_string_value(value) : "");
    first = false;
  }
  u->told = true;
  return out->err == RK_OK;
}

/* "up_to:5000 CNY" */
static bool read_up_to(rk_str text, int64_t *minor, rk_str *currency) {
  rk_str prefix = RK_STR("up_to:"), amount;
  if (!rk_str_starts(text, prefix)) return false;
  text = (rk_str){text.p + prefix.n, text.n - prefix.n};
  return rk_str_cut(text, ' ', &amount, currency) && rk_str_i64(amount, minor) && currency->n == 3;
}

static bool is_rule(const json_t *v) {
  rk_str text = {json_string_value(v), json_string_length(v)}, currency;
  int64_t minor;
  return json_is_string(v) && (rk_str_eq_c(text, "yes") || rk_str_eq_c(text, "no") || read_up_to(text, &minor, &currency));
}

bool rk_user_approve_is_valid(const json_t *task) {
  const json_t *v = json_object_get(task, "approve"), *one;
  size_t i;
  if (!json_is_array(v)) return is_rule(v);
  json_array_foreach(v, i, one)
    if (!is_rule(one)) return false;
  return json_array_size(v) == json_array_size(rk_json_arr(task, "say"));
}

bool rk_user_approves(const struct rk_user *u, int64_t total_minor, const char *currency) {
  const json_t *v = json_object_get(u->task, "approve");
  if (json_is_array(v)) v = json_array_get(v, u->line);
  rk_str rule = {json_string_value(v), json_string_length(v)}, unit;
  int64_t most;
  if (read_up_to(rule, &most, &unit)) return total_minor <= most && rk_str_eq_c(unit, currency);
  return rk_str_eq_c(rule, "yes");
}

bool rk_user_is_asked(const json_t *events) {
  size_t n = json_array_size(events);
  if (n > 0 && rk_str_eq_c(rk_json_str(json_array_get(events, n - 1), "type"), "turn_done")) n--;
  return n > 0 && rk_str_eq_c(rk_json_str(json_array_get(events, n - 1), "type"), "question");
}
