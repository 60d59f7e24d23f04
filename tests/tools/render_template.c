/* render_template.c - renders conversations for tests/api/test_template.py:
 * one JSON object a line in, {"text", "special": [[start, length]]} a line out. */
#include <stdio.h>
#include <stdlib.h>

#include "chat/template.h"

static json_t *render(const json_t *in) {
  struct rk_prompt p;
  rk_prompt_init(&p);
  struct rk_error e = {0};
  struct rk_template_input input = {.messages = rk_json_arr(in, "messages"),
                                    .tools = rk_json_arr(in, "tools"),
                                    .open_reply = rk_json_bool(in, "add_generation_prompt", false),
                                    .thinking = rk_json_bool(in, "enable_thinking", true)};
  enum rk_template t = rk_template_choose(rk_json_str(in, "arch"), rk_json_str(in, "chat_template"));
  json_t *out = json_object();
  if (rk_template_render(t, &input, &p, &e)) {
    json_object_set_new(out, "error", json_string(e.msg));
  } else {
    json_t *special = json_array();
    for (size_t i = 0; i < p.n_spans; i++)
      if (p.spans[i].special)
        json_array_append_new(special, json_pack("[I, I]", (json_int_t)p.spans[i].start, (json_int_t)p.spans[i].n));
    json_object_set_new(out, "text", json_stringn(p.text.p, p.text.n));
    json_object_set_new(out, "special", special);
  }
  rk_prompt_release(&p);
  return out;
}

int main(void) {
  char *line = NULL;
  size_t cap = 0;
  for (ssize_t n; (n = getline(&line, &cap, stdin)) > 0;) {
    struct rk_error e = {0};
    json_t *in = rk_json_parse((rk_str){line, (size_t)n}, 1 << 24, &e);
    if (!in) {
      fprintf(stderr, "%s\n", e.msg);
      return 1;
    }
    json_t *out = render(in);
    char *text = rk_json_dump(out);
    puts(text);
    free(text);
    json_decref(out);
    json_decref(in);
  }
  free(line);
  return 0;
}
