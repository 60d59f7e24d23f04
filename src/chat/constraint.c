#include "chat/constraint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/utf8.h"
#include "chat/backend.h"
#include "chat/gbnf.h"
#include "chat/schema.h"

enum phase {
  THINK_START, /* <think> */
  THINK,       /* text up to </think> */
  THINK_END,   /* blank line before a forced call or value */
  FREE,        /* text, or <tool_call> */
  CALL_START,  /* <tool_call> */
  CALL,        /* the grammar */
  CALL_END,    /* </tool_call> */
  AFTER_CALL,  /* end, or a new line */
  AFTER_LINE,  /* end, or the next call */
  WHOLE,       /* the grammar, then the end */
  DONE
};
enum { START_BYTES = 160, MATCHER_BYTES = 1 << 26 };

struct rk_constraint {
  struct rk_vocab *v;
  const struct rk_model *m;
  struct rk_schema *schema; /* of calls or of the whole text; NULL: neither */
  enum phase phase, then;   /* then: after thinking */
  bool one_call;
  int32_t n_calls;
  int32_t call, end_call, think, end_think, newline, blank, eot; /* tokens, -1: the model has none */
  char start[START_BYTES];  /* how free text begins, while that may become a call */
  int32_t n_start;          /* -1: decided, it is text */
  bool prose;               /* the text has to begin anew, and with a word */
  struct rk_matcher g;      /* of calls or of the whole text; g.a NULL: neither */
  uint32_t *mask;           /* scratch */
};

/* ---- making one ---- */

static int32_t plain_token(const struct rk_model *m, const char *text) {
  int32_t id;
  return rk_tokenize(m, rk_str_c(text), false, &id, 1) == 1 ? id : -1;
}

static rk_err make_schema(struct rk_constraint *c, const struct rk_chat_request *req, struct rk_error *e) {
  const json_t *tools = rk_chat_tools(req);
  if (req->json_schema) return rk_schema_new(req->json_schema, "json_schema", &c->schema, e);
  if (req->json_object) return rk_schema_new_object(&c->schema, e);
  if (!tools) return RK_OK;
  if (c->call < 0 || c->end_call < 0) return rk_fail(e, RK_EINVAL, "this model has no tokens for tool calls: leave the tools out");
  return rk_schema_new_call(tools, req->tool_choice == RK_TOOLS_NAMED ? req->tool_name : NULL, &c->schema, e);
}

struct source { const struct rk_schema *schema; rk_str grammar; };

static rk_err make_automaton(void *ud, struct rk_automaton **out, struct rk_error *e) {
  const struct source *s = ud;
  return s->schema ? rk_schema_automaton(s->schema, out, e) : rk_gbnf_automaton(s->grammar, out, e);
}

/* The text that stands for the automaton among those made before. */
static void source_text(const struct rk_chat_request *req, struct rk_buf *out) {
  const json_t *doc = req->json_schema ? req->json_schema : req->json_object ? NULL : rk_chat_tools(req);
  if (req->grammar.p) {
    rk_buf_adds(out, "g");
    rk_buf_addstr(out, req->grammar);
    return;
  }
  char *text = doc ? rk_json_dump(doc) : NULL;
  rk_buf_addf(out, "%c", req->json_schema ? 's' : req->json_object ? 'o' : 't');
  if (text) rk_buf_adds(out, text);
  if (doc && !req->json_schema && req->tool_choice == RK_TOOLS_NAMED) rk_buf_addf(out, "%c%s", 0, req->tool_name);
  free(text);
}

static rk_err make_matcher(struct rk_constraint *c, const struct rk_chat_request *req, struct rk_error *e) {
  struct source source = {c->schema, req->grammar};
  struct rk_automaton *a = NULL;
  struct rk_buf text;
  rk_buf_init(&text, 1 << 24);
  source_text(req, &text);
  rk_err err = text.err ? rk_fail(e, text.err, "the tools are too large") : rk_vocab_automaton(c->v, rk_buf_str(&text), make_automaton, &source, &a, e);
  rk_buf_release(&text);
  if (!err) rk_matcher_init(&c->g, a, MATCHER_BYTES);
  return err;
}

static enum phase first_phase(const struct rk_chat_request *req) {
  if (req->json_schema || req->json_object || req->grammar.p) return WHOLE;
  bool must = req->tool_choice == RK_TOOLS_REQUIRED || req->tool_choice == RK_TOOLS_NAMED;
  return must && rk_chat_tools(req) ? CALL_START : FREE;
}

rk_err rk_constraint_new(struct rk_vocab *v, const struct rk_chat_request *req, enum rk_thinking thinks, struct rk_constraint **out,
                         struct rk_error *e) {
  *out = NULL;
  if (req->raw_prompt.p && !req->json_schema && !req->json_object && !req->grammar.p) return RK_OK;
  const struct rk_model *m = rk_vocab_model(v);
  struct rk_constraint *c = calloc(1, sizeof *c);
  if (!c) return rk_fail(e, RK_ENOMEM, "no memory for the request");
  c->v = v;
  c->m = m;
  c->mask = malloc((size_t)rk_vocab_words(v) * sizeof *c->mask);
  c->call = rk_token_find(m, RK_STR("<tool_call>"));
  c->end_call = rk_token_find(m, RK_STR("</tool_call>"));
  c->think = rk_token_find(m, RK_STR("<think>"));
  c->end_think = rk_token_find(m, RK_STR("</think>"));
  c->newline = plain_token(m, "\n");
  c->blank = plain_token(m, "\n\n");
  c->eot = rk_model_info(m).eot >= 0 ? rk_model_info(m).eot : rk_model_info(m).eos;
  c->one_call = req->one_call;
  c->then = c->phase = first_phase(req);
  if (thinks && c->think >= 0 && c->end_think >= 0) c->phase = thinks == RK_THINKS_FIRST ? THINK_START : THINK;
  rk_err err = !c->mask ? rk_fail(e, RK_ENOMEM, "no memory for the request") : req->grammar.p ? RK_OK : make_schema(c, req, e);
  if (!err && (c->schema || req->grammar.p)) err = make_matcher(c, req, e);
  if (err) {
    rk_constraint_free(c);
    return err;
  }
  /* A thinking model has thought before it writes, which a restart would lose. */
  if (!c->schema || c->phase != FREE) c->n_start = -1;
  *out = c;
  return RK_OK;
}

void rk_constraint_free(struct rk_constraint *c) {
  if (!c) return;
  rk_schema_free(c->schema);
  if (c->g.a) rk_matcher_release(&c->g);
  free(c->mask);
  free(c);
}

/* ---- what may follow ---- */

/* The one token that may follow, or -1. */
static int32_t only_token(const struct rk_constraint *c) {
  switch (c->phase) {
    case THINK_START: return c->think;
    case THINK_END: return c->blank;
    case CALL_START: return c->call;
    case CALL_END: return c->end_call;
    case DONE: return c->eot;
    default: return -1;
  }
}

static void allow(uint32_t *mask, int32_t id) {
  if (id >= 0) rk_mask_set(mask, id);
}

static void allow_end(const struct rk_constraint *c, uint32_t *mask) {
  allow(mask, c->eot);
  allow(mask, rk_model_info(c->m).eos);
}

static void set_mask(struct rk_constraint *c, uint32_t *mask) {
  const size_t bytes = (size_t)rk_vocab_words(c->v) * sizeof *mask;
  if (c->phase == CALL || c->phase == WHOLE) {
    rk_vocab_mask(c->v, &c->g, mask);
    if (c->phase == WHOLE && rk_matcher_ends(&c->g)) allow_end(c, mask);
    return;
  }
  memset(mask, 0, bytes);
  switch (c->phase) {
    case THINK:
    case FREE:
      memcpy(mask, c->prose ? rk_vocab_prose_mask(c->v) : rk_vocab_text_mask(c->v), bytes);
      if (c->prose) break;
      if (c->phase == THINK) allow(mask, c->end_think);
      else allow_end(c, mask);
      if (c->phase == FREE && c->schema) allow(mask, c->call);
      break;
    case AFTER_CALL:
      allow_end(c, mask);
      allow(mask, c->newline);
      break;
    case AFTER_LINE:
      allow_end(c, mask);
      allow(mask, c->call);
      break;
    default: allow(mask, only_token(c)); break;
  }
}

int32_t rk_constraint_mask(struct rk_constraint *c, uint32_t *mask, int32_t few[RK_MAX_FEW]) {
  int32_t ids[RK_MAX_FEW];
  set_mask(c, mask);
  return rk_mask_list(mask, rk_vocab_words(c->v), few ? few : ids, RK_MAX_FEW);
}

/* ---- taking a token ---- */

enum start { START_UNKNOWN, START_TEXT, START_CALL, START_NO_TOOL };

/* Moves *i behind the literal; false when the text ends inside or differs. */
static bool skip_literal(rk_str s, size_t *i, const char *literal) {
  size_t n = strlen(literal);
  if (!rk_str_starts((rk_str){s.p + *i, s.n - *i}, (rk_str){literal, n})) return false;
  *i += n;
  return true;
}

static void skip_space(rk_str s, size_t *i) {
  while (*i < s.n && (s.p[*i] == ' ' || s.p[*i] == '\n' || s.p[*i] == '\r' || s.p[*i] == '\t')) ++*i;
}

/* A JSON string without escapes at s[*i]. */
static bool read_name(rk_str s, size_t *i, rk_str *name) {
  if (*i >= s.n || s.p[*i] != '"') return false;
  const char *end = memchr(s.p + *i + 1, '"', s.n - *i - 1);
  if (!end) return false;
  *name = (rk_str){s.p + *i + 1, (size_t)(end - s.p) - *i - 1};
  *i = (size_t)(end - s.p) + 1;
  return true;
}

/* What a reply that begins with s sets out to be. These models write a bare or
 * fenced {"name": TOOL, "arguments": ...} where <tool_call> was meant, or one of
 * a tool that does not exist where they had better talk. */
static enum start judge_start(const struct rk_constraint *c, rk_str s) {
  size_t i = 0;
  rk_str key, name;
  skip_space(s, &i);
  if (!skip_literal(s, &i, "```json") && !skip_literal(s, &i, "```tool_call")) skip_literal(s, &i, "```");
  skip_space(s, &i);
  if (i < s.n && s.p[i] != '{') return s.p[i] == '`' || s.p[0] == '`' ? START_UNKNOWN : START_TEXT;
  if (!skip_literal(s, &i, "{")) return START_UNKNOWN;
  skip_space(s, &i);
  if (i < s.n && s.p[i] != '"') return START_TEXT;
  if (!read_name(s, &i, &key)) return START_UNKNOWN;
  if (!rk_str_eq_c(key, "name")) return START_TEXT;
  skip_space(s, &i);
  if (i < s.n && !skip_literal(s, &i, ":")) return START_TEXT;
  skip_space(s, &i);
  if (i < s.n && s.p[i] != '"') return START_TEXT;
  if (!read_name(s, &i, &name)) return START_UNKNOWN;
  if (rk_schema_has_tool(c->schema, name)) return START_CALL;
  skip_space(s, &i);
  if (i < s.n && !skip_literal(s, &i, ",")) return START_TEXT;
  skip_space(s, &i);
  if (!read_name(s, &i, &key)) return START_UNKNOWN;
  return rk_str_eq_c(key, "arguments") || rk_str_eq_c(key, "parameters") ? START_NO_TOOL : START_TEXT;
}

static enum rk_step accept_free(struct rk_constraint *c, int32_t id) {
  c->prose = false;
  if (id == c->call && c->schema) {
    c->phase = CALL;
    return RK_STEP_GO;
  }
  if (c->n_start < 0) return RK_STEP_GO;
  rk_str bytes = rk_token_bytes(c->m, id);
  size_t room = START_BYTES - (size_t)c->n_start, n = bytes.n < room ? bytes.n : room;
  memcpy(c->start + c->n_start, bytes.p, n);
  c->n_start += (int32_t)n;
  enum start start = judge_start(c, (rk_str){c->start, (size_t)c->n_start});
  if (start == START_UNKNOWN && c->n_start < START_BYTES) return RK_STEP_GO;
  c->n_start = -1;
  if (start == START_CALL) c->phase = CALL_START;
  c->prose = start == START_NO_TOOL;
  return start == START_CALL || start == START_NO_TOOL ? RK_STEP_RESTART : RK_STEP_GO;
}

int32_t rk_constraint_mask_healing(struct rk_constraint *c, const struct rk_vocab *v, rk_str before, uint32_t *mask) {
  return rk_vocab_beginning(v, c ? &c->g : NULL, before, mask);
}

enum rk_step rk_constraint_accept_rest(struct rk_constraint *c, rk_str rest) {
  RK_ASSERT(rk_matcher_take(&c->g, rest));
  if (!rk_matcher_stops(&c->g)) return RK_STEP_GO;
  if (c->phase == WHOLE) {
    c->phase = DONE;
    return RK_STEP_END;
  }
  c->phase = CALL_END;
  return RK_STEP_GO;
}

static enum rk_step accept_grammar(struct rk_constraint *c, int32_t id) {
  if (c->phase == WHOLE && rk_token_is_special(c->m, id)) return RK_STEP_END;
  return rk_constraint_accept_rest(c, rk_token_bytes(c->m, id));
}

enum rk_step rk_constraint_accept(struct rk_constraint *c, int32_t id) {
  switch (c->phase) {
    case THINK_START: c->phase = THINK; break;
    case THINK:
      if (id == c->end_think) c->phase = c->then == FREE || c->blank < 0 ? c->then : THINK_END;
      break;
    case THINK_END: c->phase = c->then; break;
    case FREE: return accept_free(c, id);
    case CALL_START: c->phase = CALL; break;
    case CALL:
    case WHOLE: return accept_grammar(c, id);
    case CALL_END:
      rk_matcher_restart(&c->g);
      c->phase = ++c->n_calls >= RK_MAX_CALLS || c->one_call ? DONE : AFTER_CALL;
      return c->phase == DONE ? RK_STEP_END : RK_STEP_GO;
    case AFTER_CALL:
      if (id != c->newline) return RK_STEP_END;
      c->phase = AFTER_LINE;
      break;
    case AFTER_LINE:
      if (id != c->call) return RK_STEP_END;
      c->phase = CALL;
      break;
    case DONE: return RK_STEP_END;
  }
  return RK_STEP_GO;
}

/* ---- jumping forward ---- */

int32_t rk_constraint_certain(struct rk_constraint *c, int32_t out[RK_MAX_FORCED], int32_t *n_forced) {
  *n_forced = 0;
  if (c->phase == DONE) return 0;
  if (c->phase == CALL || c->phase == WHOLE) return rk_vocab_certain(c->v, &c->g, c->mask, out, RK_MAX_FORCED, n_forced);
  out[0] = only_token(c);
  return *n_forced = out[0] >= 0;
}

static void weave(struct rk_constraint *c, struct rk_guess *g) {
  int32_t ids[RK_DRAFT_MAX], copied = 0;
  bool certain[RK_DRAFT_MAX];
  const struct rk_guess old = *g;
  g->n = rk_vocab_weave(c->v, &c->g, old.ids, old.n, ids, certain, RK_DRAFT_MAX);
  for (int32_t i = 0; i < g->n; i++) {
    g->ids[i] = ids[i];
    g->kinds[i] = certain[i] ? RK_DRAFT_CERTAIN : old.kinds[copied];
    copied += copied < old.n - 1;
  }
}

void rk_constraint_guess(struct rk_constraint *c, const struct rk_draft *d, const int32_t *tokens, struct rk_guess *g, int32_t *place) {
  if (c->phase != CALL && c->phase != WHOLE) return;
  weave(c, g);
  if (g->n > 0) {
    if (g->kinds[0] == RK_DRAFT_CERTAIN) *place = -1;
    return;
  }
  *place = rk_matcher_find(&c->g, rk_draft_text(d), d->copied);
  if (*place < 0) return;
  rk_draft_look_at(d, tokens, *place, g);
  weave(c, g);
}

bool rk_constraint_call_fits(const struct rk_constraint *c, const char *name, const json_t *args) {
  return c && c->schema && rk_schema_check_call(c->schema, name, args, NULL) == RK_OK;
}
