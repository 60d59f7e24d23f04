/* local_prompt.c - from messages or a raw prompt to tokens. */
#include <stdlib.h>

#include "base/limits.h"
#include "chat/local.h"

struct tokens {
  int32_t *ids; /* [n], room for cap */
  int32_t n, cap;
};

static rk_err add_text(struct local *l, struct tokens *t, rk_str s, bool trusted, struct rk_error *e) {
  if (s.n == 0) return RK_OK;
  int32_t n = rk_tokenize(l->model, s, trusted, t->ids + t->n, t->cap - t->n);
  if (n < 0) return rk_fail(e, RK_EINVAL, "the prompt is not valid UTF-8");
  RK_ASSERT(n <= t->cap - t->n);
  t->n += n;
  return RK_OK;
}

/* Tags become tokens; the text between two tags is tokenized as one piece. A
 * tag that the model has no token for is text. */
static rk_err add_prompt(struct local *l, struct tokens *t, const struct rk_prompt *p, int32_t *n_keep, struct rk_error *e) {
  size_t from = 0;
  *n_keep = 0;
  for (size_t i = 0; i <= p->n_spans; i++) {
    const struct rk_span *s = i < p->n_spans ? &p->spans[i] : NULL;
    size_t at = s ? s->start : p->text.n;
    int32_t id = s && s->special ? rk_token_find(l->model, (rk_str){p->text.p + at, s->n}) : -1;
    if (s && id < 0) continue;
    rk_err err = add_text(l, t, (rk_str){p->text.p + from, at - from}, false, e);
    if (err) return err;
    if (at <= p->prefix_bytes) *n_keep = t->n;
    if (!s) break;
    t->ids[t->n++] = id;
    from = at + s->n;
  }
  return RK_OK;
}

static rk_err render_prompt(struct local *l, const struct rk_chat_request *req, struct tokens *t, int32_t *n_keep, struct rk_error *e) {
  struct rk_prompt p;
  rk_prompt_init(&p);
  struct rk_template_input in = {.messages = req->messages, .tools = rk_chat_tools(req), .open_reply = true,
                                 .thinking = req->thinking, .n_prefix_messages = req->n_prefix_messages};
  rk_err err = rk_template_render(l->template, &in, &p, e);
  if (!err) {
    t->cap = (int32_t)p.text.n + 1;
    t->ids = malloc((size_t)t->cap * sizeof *t->ids);
    err = t->ids ? add_prompt(l, t, &p, n_keep, e) : rk_fail(e, RK_ENOMEM, "no memory for the prompt");
  }
  rk_prompt_release(&p);
  return err;
}

static rk_err make_prompt(struct local *l, const struct rk_chat_request *req, struct tokens *t, int32_t *n_keep, struct rk_error *e) {
  if (!req->raw_prompt.p) return render_prompt(l, req, t, n_keep, e);
  if (req->raw_prompt.n > RK_MAX_JSON_BYTES) return rk_fail(e, RK_ETOOBIG, "the prompt is larger than %d bytes", (int)RK_MAX_JSON_BYTES);
  t->cap = (int32_t)req->raw_prompt.n + 1;
  t->ids = malloc((size_t)t->cap * sizeof *t->ids);
  if (!t->ids) return rk_fail(e, RK_ENOMEM, "no memory for the prompt");
  rk_err err = add_text(l, t, req->raw_prompt, req->raw_trusted, e);
  if (!err && t->n == 0) t->ids[t->n++] = rk_model_info(l->model).eos; /* an empty prompt still needs a position */
  return err;
}

rk_err rk_local_prompt(struct local *l, const struct rk_chat_request *req, int32_t **ids, int32_t *n, int32_t *n_keep,
                       struct rk_error *e) {
  struct tokens t = {0};
  *n_keep = 0;
  rk_err err = make_prompt(l, req, &t, n_keep, e);
  *ids = t.ids;
  *n = t.n;
  return err;
}
