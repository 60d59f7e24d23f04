#include "chat/template.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"

enum { PROMPT_BYTES_MAX = 4 * RK_MAX_JSON_BYTES };

enum rk_template rk_template_choose(rk_str arch, rk_str chat_template) {
  const bool qwen3 = rk_str_starts(arch, RK_STR("qwen3"));
  if (chat_template.n == 0) return qwen3 ? RK_TEMPLATE_QWEN3 : RK_TEMPLATE_QWEN25;
  if (rk_str_find(chat_template, RK_STR("<think>")) >= 0)
    return rk_str_find(chat_template, RK_STR("enable_thinking")) >= 0 ? RK_TEMPLATE_QWEN3 : RK_TEMPLATE_QWEN3_THINKING;
  /* Qwen2.5 introduces itself where there is no system message. */
  return qwen3 && rk_str_find(chat_template, RK_STR("You are Qwen")) < 0 ? RK_TEMPLATE_QWEN3_INSTRUCT : RK_TEMPLATE_QWEN25;
}

enum rk_thinking rk_template_thinking(enum rk_template t, bool wanted) {
  if (t == RK_TEMPLATE_QWEN3_THINKING) return RK_THINKS_ALREADY;
  return t == RK_TEMPLATE_QWEN3 && wanted ? RK_THINKS_FIRST : RK_THINKS_NOT;
}

void rk_prompt_init(struct rk_prompt *p) {
  *p = (struct rk_prompt){0};
  rk_buf_init(&p->text, PROMPT_BYTES_MAX);
}

void rk_prompt_release(struct rk_prompt *p) {
  rk_buf_release(&p->text);
  free(p->spans);
  *p = (struct rk_prompt){0};
}

/* Adds n bytes that were just appended to the text as a span. */
static void add_span(struct rk_prompt *p, size_t n, bool special) {
  if (p->text.err || n == 0) return;
  if (p->n_spans && !special && !p->spans[p->n_spans - 1].special) {
    p->spans[p->n_spans - 1].n += n;
    return;
  }
  if (p->n_spans == p->cap_spans) {
    size_t cap = p->cap_spans ? 2 * p->cap_spans : 64;
    struct rk_span *s = realloc(p->spans, cap * sizeof *s);
    if (!s) {
      p->text.err = RK_ENOMEM;
      return;
    }
    p->spans = s;
    p->cap_spans = cap;
  }
  p->spans[p->n_spans++] = (struct rk_span){p->text.n - n, n, special};
}

static void plain(struct rk_prompt *p, rk_str s) {
  rk_buf_addstr(&p->text, s);
  add_span(p, s.n, false);
}

static void plain_json(struct rk_prompt *p, const json_t *v) {
  size_t before = p->text.n;
  rk_err err = rk_json_dump_python(&p->text, v);
  if (err && !p->text.err) p->text.err = err;
  add_span(p, p->text.n - before, false);
}

/* Template text: the tags in it are special. */
static void trusted(struct rk_prompt *p, const char *text) {
  static const char *const tags[] = {"<|im_start|>", "<|im_end|>",       "<tool_call>",      "</tool_call>",
                                     "<think>",      "</think>",         "<tool_response>",  "</tool_response>"};
  rk_str rest = rk_str_c(text);
  while (rest.n) {
    size_t n_plain = rest.n, n_tag = 0;
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++) {
      ptrdiff_t at = rk_str_find(rest, rk_str_c(tags[i]));
      if (at >= 0 && (size_t)at < n_plain) {
        n_plain = (size_t)at;
        n_tag = strlen(tags[i]);
      }
    }
    plain(p, (rk_str){rest.p, n_plain});
    rk_buf_add(&p->text, rest.p + n_plain, n_tag);
    add_span(p, n_tag, true);
    rest.p += n_plain + n_tag;
    rest.n -= n_plain + n_tag;
  }
}

/* ---- messages as plain structs ---- */

enum role { ROLE_SYSTEM, ROLE_USER, ROLE_ASSISTANT, ROLE_TOOL };

struct message {
  enum role role;
  rk_str content;         /* "" when null */
  rk_str reasoning;
  bool has_reasoning;
  const json_t *calls;    /* NULL when there is none */
};

struct messages {
  struct message *m; /* [n] */
  size_t n;
  char **owned;      /* [n] contents joined from parts */
};

static void messages_release(struct messages *ms) {
  for (size_t i = 0; ms->owned && i < ms->n; i++) free(ms->owned[i]);
  free(ms->owned);
  free(ms->m);
}

static rk_err read_role(const json_t *msg, size_t i, enum role *out, struct rk_error *e) {
  static const struct { const char *name; enum role role; } roles[] = {
      {"system", ROLE_SYSTEM}, {"developer", ROLE_SYSTEM}, {"user", ROLE_USER}, {"assistant", ROLE_ASSISTANT}, {"tool", ROLE_TOOL}};
  rk_str name = rk_json_str(msg, "role");
  for (size_t k = 0; k < sizeof roles / sizeof *roles; k++)
    if (rk_str_eq_c(name, roles[k].name)) {
      *out = roles[k].role;
      return RK_OK;
    }
  return rk_fail(e, RK_EINVAL, "messages[%zu].role must be system, user, assistant or tool", i);
}

/* content: string, null, or OpenAI's list of text parts. */
static rk_err read_content(const json_t *msg, size_t i, rk_str *out, char **owned, struct rk_error *e) {
  const json_t *c = json_object_get(msg, "content");
  *out = RK_STR("");
  if (!c || json_is_null(c)) return RK_OK;
  if (json_is_string(c)) {
    *out = rk_json_str(msg, "content");
    return RK_OK;
  }
  if (!json_is_array(c)) return rk_fail(e, RK_EINVAL, "messages[%zu].content must be a string", i);
  struct rk_buf b;
  rk_buf_init(&b, PROMPT_BYTES_MAX);
  for (size_t k = 0; k < json_array_size(c); k++) {
    const json_t *part = json_array_get(c, k);
    if (!rk_str_eq_c(rk_json_str(part, "type"), "text") || !json_is_string(json_object_get(part, "text"))) {
      rk_buf_release(&b);
      return rk_fail(e, RK_EINVAL, "messages[%zu].content[%zu]: this model reads parts of type text only", i, k);
    }
    rk_buf_addstr(&b, rk_json_str(part, "text"));
  }
  size_t n = b.n;
  *owned = rk_buf_detach(&b);
  if (!*owned) return rk_fail(e, RK_ETOOBIG, "messages[%zu].content is too large", i);
  *out = (rk_str){*owned, n};
  return RK_OK;
}

static rk_err read_messages(const json_t *list, struct messages *ms, struct rk_error *e) {
  *ms = (struct messages){.n = json_array_size(list)};
  if (ms->n == 0) return rk_fail(e, RK_EINVAL, "messages must be a list with at least one message");
  ms->m = calloc(ms->n, sizeof *ms->m);
  ms->owned = calloc(ms->n, sizeof *ms->owned);
  if (!ms->m || !ms->owned) return rk_fail(e, RK_ENOMEM, "out of memory");
  for (size_t i = 0; i < ms->n; i++) {
    const json_t *msg = json_array_get(list, i);
    struct message *m = &ms->m[i];
    rk_err err = read_role(msg, i, &m->role, e);
    if (!err) err = read_content(msg, i, &m->content, &ms->owned[i], e);
    if (err) return err;
    m->has_reasoning = json_is_string(json_object_get(msg, "reasoning_content"));
    m->reasoning = rk_json_str(msg, "reasoning_content");
    const json_t *calls = rk_json_arr(msg, "tool_calls");
    if (json_array_size(calls) > 0) m->calls = calls;
  }
  return RK_OK;
}

/* ---- pieces that both families share ---- */

static rk_err render_call(struct rk_prompt *p, const json_t *call, size_t i, size_t k, struct rk_error *e) {
  const json_t *fn = rk_json_obj(call, "function");
  if (!fn) fn = call;
  rk_str name = rk_json_str(fn, "name");
  if (name.n == 0) return rk_fail(e, RK_EINVAL, "messages[%zu].tool_calls[%zu] has no function name", i, k);
  const json_t *args = json_object_get(fn, "arguments");
  json_t *parsed = NULL;
  if (json_is_string(args)) {
    rk_str text = rk_str_trim(rk_json_str(fn, "arguments"));
    parsed = rk_json_parse(text.n ? text : RK_STR("{}"), RK_MAX_JSON_BYTES, NULL);
    args = parsed;
  }
  if (!args) return rk_fail(e, RK_EINVAL, "messages[%zu].tool_calls[%zu].function.arguments is not JSON", i, k);
  trusted(p, "<tool_call>\n{\"name\": \"");
  plain(p, name);
  plain(p, RK_STR("\", \"arguments\": "));
  plain_json(p, args);
  trusted(p, "}\n</tool_call>");
  json_decref(parsed);
  return RK_OK;
}

static void render_tools(struct rk_prompt *p, const json_t *tools) {
  plain(p, RK_STR("# Tools\n\nYou may call one or more functions to assist with the user query.\n\n"
                  "You are provided with function signatures within <tools></tools> XML tags:\n<tools>"));
  for (size_t i = 0; i < json_array_size(tools); i++) {
    plain(p, RK_STR("\n"));
    plain_json(p, json_array_get(tools, i));
  }
  trusted(p, "\n</tools>\n\nFor each function call, return a json object with function name and arguments within "
             "<tool_call></tool_call> XML tags:\n<tool_call>\n"
             "{\"name\": <function-name>, \"arguments\": <args-json-object>}\n</tool_call><|im_end|>\n");
}

static void render_tool_result(struct rk_prompt *p, const struct messages *ms, size_t i) {
  if (i == 0 || ms->m[i - 1].role != ROLE_TOOL) trusted(p, "<|im_start|>user");
  trusted(p, "\n<tool_response>\n");
  plain(p, ms->m[i].content);
  trusted(p, "\n</tool_response>");
  if (i + 1 == ms->n || ms->m[i + 1].role != ROLE_TOOL) trusted(p, "<|im_end|>\n");
}

static void render_whole(struct rk_prompt *p, const struct message *m) {
  static const char *const starts[] = {"<|im_start|>system\n", "<|im_start|>user\n", "<|im_start|>assistant\n"};
  trusted(p, starts[m->role]);
  plain(p, m->content);
  trusted(p, "<|im_end|>\n");
}

/* ---- Qwen2.5 ---- */

static const rk_str qwen25_system = RK_STR("You are Qwen, created by Alibaba Cloud. You are a helpful assistant.");

static void qwen25_head(struct rk_prompt *p, const struct messages *ms, const json_t *tools) {
  trusted(p, "<|im_start|>system\n");
  plain(p, ms->m[0].role == ROLE_SYSTEM ? ms->m[0].content : qwen25_system);
  if (json_array_size(tools) > 0) {
    plain(p, RK_STR("\n\n"));
    render_tools(p, tools);
  } else {
    trusted(p, "<|im_end|>\n");
  }
}

static rk_err qwen25_message(struct rk_prompt *p, const struct messages *ms, size_t i, struct rk_error *e) {
  const struct message *m = &ms->m[i];
  if (m->role == ROLE_SYSTEM && i == 0) return RK_OK; /* in the head */
  if (m->role == ROLE_TOOL) {
    render_tool_result(p, ms, i);
    return RK_OK;
  }
  if (m->role != ROLE_ASSISTANT || !m->calls) {
    render_whole(p, m);
    return RK_OK;
  }
  trusted(p, "<|im_start|>assistant");
  if (m->content.n) {
    plain(p, RK_STR("\n"));
    plain(p, m->content);
  }
  for (size_t k = 0; k < json_array_size(m->calls); k++) {
    plain(p, RK_STR("\n"));
    rk_err err = render_call(p, json_array_get(m->calls, k), i, k, e);
    if (err) return err;
  }
  trusted(p, "<|im_end|>\n");
  return RK_OK;
}

/* ---- Qwen3 ---- */

static rk_str strip_left(rk_str s) {
  while (s.n && s.p[0] == '\n') s.p++, s.n--;
  return s;
}
static rk_str strip_right(rk_str s) {
  while (s.n && s.p[s.n - 1] == '\n') s.n--;
  return s;
}

static rk_str after_last(rk_str s, rk_str tag) {
  for (ptrdiff_t at; (at = rk_str_find(s, tag)) >= 0;) {
    s.p += (size_t)at + tag.n;
    s.n -= (size_t)at + tag.n;
  }
  return s;
}

/* Reasoning that stands in the content as <think>...</think> is taken apart. */
static void split_reasoning(const struct message *m, rk_str *content, rk_str *reasoning) {
  const rk_str close = RK_STR("</think>");
  *content = m->content;
  *reasoning = m->has_reasoning ? m->reasoning : RK_STR("");
  ptrdiff_t at = rk_str_find(m->content, close);
  if (m->has_reasoning || at < 0) return;
  *content = strip_left(after_last(m->content, close));
  *reasoning = strip_left(after_last(strip_right((rk_str){m->content.p, (size_t)at}), RK_STR("<think>")));
}

/* The last message of a user that is no wrapped tool result. */
static size_t last_query(const struct messages *ms) {
  for (size_t i = ms->n; i-- > 0;) {
    const struct message *m = &ms->m[i];
    if (m->role == ROLE_USER && !(rk_str_starts(m->content, RK_STR("<tool_response>")) &&
                                  rk_str_ends(m->content, RK_STR("</tool_response>"))))
      return i;
  }
  return ms->n - 1;
}

static void qwen3_head(struct rk_prompt *p, const struct messages *ms, const json_t *tools) {
  bool with_tools = json_array_size(tools) > 0, with_system = ms->m[0].role == ROLE_SYSTEM;
  if (with_tools) {
    trusted(p, "<|im_start|>system\n");
    if (with_system) {
      plain(p, ms->m[0].content);
      plain(p, RK_STR("\n\n"));
    }
    render_tools(p, tools);
  } else if (with_system) {
    render_whole(p, &ms->m[0]);
  }
}

/* query SIZE_MAX: reasoning is not taken apart. */
static rk_err qwen3_assistant(struct rk_prompt *p, const struct messages *ms, size_t i, size_t query, struct rk_error *e) {
  const struct message *m = &ms->m[i];
  rk_str content = m->content, reasoning = RK_STR("");
  if (query != SIZE_MAX) split_reasoning(m, &content, &reasoning);
  trusted(p, "<|im_start|>assistant\n");
  if (query != SIZE_MAX && i > query && (i + 1 == ms->n || reasoning.n)) {
    trusted(p, "<think>\n");
    plain(p, strip_right(strip_left(reasoning)));
    trusted(p, "\n</think>\n\n");
    plain(p, strip_left(content));
  } else {
    plain(p, content);
  }
  for (size_t k = 0; k < json_array_size(m->calls); k++) {
    if (k > 0 || content.n) plain(p, RK_STR("\n"));
    rk_err err = render_call(p, json_array_get(m->calls, k), i, k, e);
    if (err) return err;
  }
  trusted(p, "<|im_end|>\n");
  return RK_OK;
}

static rk_err qwen3_message(struct rk_prompt *p, const struct messages *ms, size_t i, size_t query, struct rk_error *e) {
  switch (ms->m[i].role) {
    case ROLE_SYSTEM:
      if (i > 0) render_whole(p, &ms->m[i]);
      return RK_OK;
    case ROLE_USER: render_whole(p, &ms->m[i]); return RK_OK;
    case ROLE_TOOL: render_tool_result(p, ms, i); return RK_OK;
    case ROLE_ASSISTANT: return qwen3_assistant(p, ms, i, query, e);
  }
  return RK_OK;
}

rk_err rk_template_render(enum rk_template t, const struct rk_template_input *in, struct rk_prompt *out, struct rk_error *e) {
  struct messages ms;
  rk_err err = read_messages(in->messages, &ms, e);
  if (err) goto out;
  size_t query = t == RK_TEMPLATE_QWEN3_INSTRUCT ? SIZE_MAX : last_query(&ms);
  if (t == RK_TEMPLATE_QWEN25) qwen25_head(out, &ms, in->tools);
  else qwen3_head(out, &ms, in->tools);
  for (size_t i = 0; i < ms.n && !err; i++) {
    err = t == RK_TEMPLATE_QWEN25 ? qwen25_message(out, &ms, i, e) : qwen3_message(out, &ms, i, query, e);
    if ((int64_t)i + 1 == in->n_prefix_messages) out->prefix_bytes = out->text.n;
  }
  if (err) goto out;
  if (in->open_reply) {
    trusted(out, "<|im_start|>assistant\n");
    if (t == RK_TEMPLATE_QWEN3 && !in->thinking) trusted(out, "<think>\n\n</think>\n\n");
    if (t == RK_TEMPLATE_QWEN3_THINKING) trusted(out, "<think>\n");
  }
  if (out->text.err) err = rk_fail(e, out->text.err, "the conversation is larger than %d bytes or nested too deep", PROMPT_BYTES_MAX);
out:
  messages_release(&ms);
  return err;
}
