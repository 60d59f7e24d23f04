/* template.c - any conversation is rendered or refused with a reason: the spans cover the text without gaps, and a
 * special span is a tag of the template, never text of the caller. The first byte chooses the template and options. */
#include "chat/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_tag(rk_str s) {
  static const char *const tags[] = {"<|im_start|>", "<|im_end|>", "<tool_call>", "</tool_call>", "<tool_response>",
                                     "</tool_response>", "<think>", "</think>", "<tools>", "</tools>"};
  for (size_t i = 0; i < sizeof tags / sizeof *tags; i++)
    if (rk_str_eq_c(s, tags[i])) return true;
  return false;
}

static void check_spans(const struct rk_prompt *p) {
  size_t at = 0;
  for (size_t i = 0; i < p->n_spans; i++) {
    const struct rk_span *s = &p->spans[i];
    RK_ASSERT(s->start == at && s->n <= p->text.n - at);
    RK_ASSERT(!s->special || is_tag((rk_str){p->text.p + at, s->n}));
    at += s->n;
  }
  RK_ASSERT(at == p->text.n && p->prefix_bytes <= at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) return 0;
  const uint8_t how = data[0];
  json_t *in = rk_json_parse((rk_str){(const char *)data + 1, size - 1}, 65536, NULL);
  struct rk_template_input input = {.messages = rk_json_arr(in, "messages"), .tools = rk_json_arr(in, "tools"),
                                    .open_reply = how & 2, .thinking = how & 4, .n_prefix_messages = how >> 3 & 3};
  struct rk_prompt p;
  struct rk_error e = {0};
  rk_prompt_init(&p);
  if (rk_template_render((enum rk_template)(how & 1 ? 1 + (how >> 5) % 3 : 0), &input, &p, &e)) RK_ASSERT(e.msg[0]);
  else check_spans(&p);
  rk_prompt_release(&p);
  json_decref(in);
  return 0;
}
