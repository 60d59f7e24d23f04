/* calculator.c - exact sums and units; the model only says which. */
#include "agent/compute.h"
#include "agent/turn.h"

enum { MAX_ANSWER = 256 };

/* Numbers that the user never said would be the model's own. */
static bool numbers_are_said(const struct rk_turn *t, rk_str expression) {
  struct rk_buf said;
  rk_buf_init(&said, RK_MAX_MESSAGE_BYTES + 64);
  bool ok = rk_words_normal(&said, rk_str_c(t->words)) == RK_OK;
  for (size_t i = 0; ok && i < expression.n;) {
    double wanted, v;
    size_t n = rk_words_number((rk_str){expression.p + i, expression.n - i}, &wanted, NULL), m = 0;
    bool found = n == 0;
    for (size_t k = 0; !found && k < said.n; k += m ? m : 1) {
      m = rk_words_number((rk_str){said.p + k, said.n - k}, &v, NULL);
      found = m && v <= wanted && v >= wanted;
    }
    ok = found;
    i += n ? n : 1;
  }
  rk_buf_release(&said);
  return ok;
}

rk_err rk_tool_calculator(struct rk_turn *t, const struct rk_call *c, struct rk_tool_out *out, struct rk_error *e) {
  struct rk_buf normal, value, text;
  rk_buf_init(&normal, 4096);
  rk_buf_init(&value, MAX_ANSWER);
  rk_buf_init(&text, 4096);
  bool exact = true;
  rk_str given = rk_json_str(c->args, "expression");
  rk_err err = rk_words_normal(&normal, given);
  rk_str expression = rk_buf_str(&normal);
  (void)e;
  struct rk_error bad;
  if (err) rk_tool_refuse(out, json_string("the expression cannot be read"));
  else if (!numbers_are_said(t, expression)) rk_tool_refuse(out, json_string("the expression has numbers that the user did not say"));
  else if (rk_compute_units(expression, &text)) out->ok = true;
  else if ((err = rk_compute(expression, &value, &exact, &bad))) rk_tool_refuse(out, json_string(bad.msg));
  else if (!rk_buf_addf(&text, "%.*s %s %s", RK_STR_ARG(expression), exact ? "=" : "≈", value.p)) out->ok = true;
  if (out->ok) {
    out->result = json_pack("{s:s}", "result", text.p);
    out->close = json_string(text.p);
  }
  rk_buf_release(&normal);
  rk_buf_release(&value);
  rk_buf_release(&text);
  return RK_OK;
}
