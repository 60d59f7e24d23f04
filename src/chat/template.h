/* template.h - chat templates of the Qwen families, rendered in C.
 *
 * The bytes equal what the model's own Jinja template gives. The text comes as
 * spans: a special span is a tag of the template itself (<|im_start|>,
 * <tool_call>); everything else, the caller's text and the template's, is
 * plain and must be tokenized without recognising any special token, so that
 * "<|im_end|>" in a product name stays text.
 * Pure; any thread. */
#ifndef RK_CHAT_TEMPLATE_H
#define RK_CHAT_TEMPLATE_H

#include "base/buf.h"
#include "json/json.h"

enum rk_template {
  RK_TEMPLATE_QWEN25,
  RK_TEMPLATE_QWEN3,          /* thinks when it is asked to */
  RK_TEMPLATE_QWEN3_INSTRUCT, /* Qwen3-Instruct-2507, Qwen3-Next-Instruct: never thinks */
  RK_TEMPLATE_QWEN3_THINKING, /* Qwen3-Thinking-2507: always thinks, the prompt opens <think> */
};
enum rk_thinking { RK_THINKS_NOT, RK_THINKS_FIRST, RK_THINKS_ALREADY }; /* the reply: not; it opens <think> itself; it begins inside */
enum rk_thinking rk_template_thinking(enum rk_template t, bool wanted);

/* By the template in the model file; without one by the architecture. */
enum rk_template rk_template_choose(rk_str arch, rk_str chat_template);

struct rk_template_input {
  const json_t *messages; /* chat.h says the form; "developer" counts as "system" */
  const json_t *tools;    /* NULL or array */
  bool open_reply;        /* end with the start of the assistant's message */
  bool thinking;          /* Qwen3: leave the thinking to the model */
  int32_t n_prefix_messages;
};

struct rk_span {
  size_t start, n;
  bool special;
};
struct rk_prompt {
  struct rk_buf text;
  struct rk_span *spans; /* [n_spans], without gaps */
  size_t n_spans, cap_spans;
  size_t prefix_bytes;   /* where messages[0..n_prefix_messages) end */
};

void rk_prompt_init(struct rk_prompt *p);
void rk_prompt_release(struct rk_prompt *p);
/* RK_EINVAL names the message and the field; RK_ETOOBIG. */
rk_err rk_template_render(enum rk_template t, const struct rk_template_input *in, struct rk_prompt *out,
                          struct rk_error *e) RK_MUST_USE;

#endif
