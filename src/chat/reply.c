#include "chat/reply.h"

#include <string.h>

#include "base/limits.h"
#include "base/utf8.h"

void rk_reply_init(struct rk_reply *r, const struct rk_reply_opts *o) {
  *r = (struct rk_reply){.o = *o, .line_start = true, .skip_space = o->thinking};
  r->state = o->thinking ? RK_REPLY_IN_THINK : RK_REPLY_IN_TEXT;
  rk_buf_init(&r->held, 2 * RK_REPLY_MAX_CALL_BYTES);
}

void rk_reply_release(struct rk_reply *r) { rk_buf_release(&r->held); }

bool rk_reply_in_call(const struct rk_reply *r) { return r->state == RK_REPLY_IN_CALL; }

static bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

static size_t skip_spaces(rk_str s, size_t i) {
  while (i < s.n && is_space(s.p[i])) i++;
  return i;
}

static rk_str tail(rk_str s, size_t from) { return (rk_str){s.p + from, s.n - from}; }

/* ---- emitting ---- */

/* Drops n bytes from the front of what is held. */
static void consume(struct rk_reply *r, size_t n) {
  r->held.n -= n;
  if (n && r->held.n) memmove(r->held.p, r->held.p + n, r->held.n);
}

/* Emits the first n held bytes as text or reasoning. */
static void emit(struct rk_reply *r, size_t n) {
  rk_str s = {r->held.p, n};
  size_t from = r->skip_space ? skip_spaces(s, 0) : 0;
  if (from < n) {
    r->skip_space = false;
    struct rk_reply_event ev = {.text = tail(s, from),
                                .type = r->state == RK_REPLY_IN_THINK ? RK_REPLY_REASONING : RK_REPLY_TEXT};
    if (r->state == RK_REPLY_IN_TEXT) {
      for (size_t i = from; i < n; i++) r->any_text |= !is_space(s.p[i]);
      r->line_start = s.p[n - 1] == '\n';
    }
    r->o.fn(r->o.ud, &ev);
  }
  consume(r, n);
}

/* Emits n bytes but not the white space at their end: a tag follows. */
static void emit_trimmed(struct rk_reply *r, size_t n) {
  size_t keep = n;
  while (keep > 0 && is_space(r->held.p[keep - 1])) keep--;
  emit(r, keep);
  consume(r, n - keep);
}

static void enter(struct rk_reply *r, enum rk_reply_state state) {
  r->state = state;
  r->skip_space = true;
  r->line_start = true;
}

/* ---- calls ---- */

json_t *rk_reply_parse_call(rk_str text, json_t **args) {
  json_t *v = rk_json_parse_last(rk_str_trim(text), RK_REPLY_MAX_CALL_BYTES, NULL);
  json_t *name = json_object_get(v, "name"), *a = json_object_get(v, "arguments");
  if (json_is_string(a)) a = rk_json_parse_last(rk_json_str(v, "arguments"), RK_REPLY_MAX_CALL_BYTES, NULL);
  else json_incref(a);
  if (!json_is_string(name) || !json_is_object(a)) {
    json_decref(a);
    json_decref(v);
    return NULL;
  }
  json_incref(name);
  json_decref(v);
  *args = a;
  return name;
}

/* The rest behind the literal; *ok: it stood there. */
static rk_str behind(rk_str s, const char *literal, bool *ok) {
  *ok &= rk_str_starts(s, rk_str_c(literal));
  return *ok ? tail(s, strlen(literal)) : s;
}

static rk_str until(rk_str *s, const char *literal, bool *ok) {
  ptrdiff_t at = rk_str_find(*s, rk_str_c(literal));
  rk_str head = {s->p, at < 0 ? 0 : (size_t)at};
  *ok &= at >= 0;
  if (at >= 0) *s = tail(*s, (size_t)at + strlen(literal));
  return head;
}

/* A parameter's text; JSON where the tool wants no text. */
static json_t *parameter_value(const struct rk_reply *r, rk_str name, rk_str key, rk_str text) {
  bool is_text = r->o.is_text && r->o.is_text(r->o.ud, name, key);
  json_t *v = is_text ? NULL : rk_json_parse_last(rk_str_trim(text), RK_REPLY_MAX_CALL_BYTES, NULL);
  if (!v && !is_text && (rk_str_eq_c(text, "True") || rk_str_eq_c(text, "False"))) v = json_boolean(text.p[0] == 'T'); /* as Python writes them */
  if (!v && !is_text && rk_str_eq_c(text, "None")) v = json_null();
  return v ? v : json_stringn(text.p, text.n);
}

/* Qwen3-Coder's and Qwen3.5's form:
 *   <function=NAME>\n { <parameter=KEY>\n VALUE \n</parameter>\n } </function> */
static json_t *parse_xml_call(const struct rk_reply *r, rk_str text, json_t **args) {
  bool ok = true;
  text = behind(rk_str_trim(text), "<function=", &ok);
  rk_str name = until(&text, ">", &ok);
  *args = json_object();
  for (text = tail(text, skip_spaces(text, 0)); ok && rk_str_starts(text, RK_STR("<parameter=")); text = tail(text, skip_spaces(text, 0))) {
    text = behind(text, "<parameter=", &ok);
    rk_str key = until(&text, ">", &ok), value = until(&text, "</parameter>", &ok);
    if (value.n && value.p[0] == '\n') value = tail(value, 1);
    if (value.n && value.p[value.n - 1] == '\n') value.n--;
    json_t *v = ok ? parameter_value(r, name, key, value) : NULL;
    ok &= v && json_object_setn_new(*args, key.p, key.n, v) == 0;
  }
  text = behind(text, "</function>", &ok);
  if (ok && name.n && text.n == 0) return json_stringn(name.p, name.n);
  json_decref(*args);
  return NULL;
}

static void close_call(struct rk_reply *r, size_t n) {
  rk_str text = {r->held.p, n};
  bool xml = rk_str_starts(rk_str_trim(text), RK_STR("<function="));
  json_t *args, *name = xml ? parse_xml_call(r, text, &args) : rk_reply_parse_call(text, &args);
  struct rk_reply_event ev = {.type = RK_REPLY_BAD_CALL, .text = text};
  if (name) {
    ev = (struct rk_reply_event){.type = RK_REPLY_CALL, .name = json_string_value(name), .args = args};
    r->n_calls++;
  }
  r->o.fn(r->o.ud, &ev);
  if (name) {
    json_decref(args);
    json_decref(name);
  }
  consume(r, n);
  enter(r, RK_REPLY_IN_TEXT);
}

/* ---- calls written without tags ---- */

enum match { NO, MAYBE, YES };

/* The literal at s[i..): MAYBE when s ends inside it. */
static enum match match_at(rk_str s, size_t i, const char *literal) {
  size_t n = strlen(literal), have = s.n - i < n ? s.n - i : n;
  if (memcmp(s.p + i, literal, have) != 0) return NO;
  return have == n ? YES : MAYBE;
}

/* A JSON object at s[*i] that begins with the key "name": moves *i behind it. */
static enum match match_object(rk_str s, size_t *i) {
  size_t at = *i;
  if (at < s.n && s.p[at] != '{') return NO;
  size_t key = skip_spaces(s, at < s.n ? at + 1 : at);
  enum match m = key >= s.n ? MAYBE : match_at(s, key, "\"name\"");
  if (m != YES) return m;
  int depth = 0;
  bool quoted = false;
  for (; at < s.n; at++) {
    char c = s.p[at];
    if (quoted) {
      if (c == '\\') at++;
      else if (c == '"') quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{' || c == '[') {
      depth++;
    } else if ((c == '}' || c == ']') && --depth == 0) {
      *i = at + 1;
      return YES;
    }
  }
  return MAYBE;
}

/* ```json {call} {call} ``` with *n its length, and where the objects lie. */
static enum match match_fence(rk_str s, size_t *n, rk_str *objects) {
  static const char *const heads[] = {"```json", "```tool_call", "```"};
  size_t i = 0;
  enum match m = NO;
  for (size_t k = 0; k < sizeof heads / sizeof *heads && m != YES; k++) {
    enum match this = match_at(s, 0, heads[k]);
    if (this == YES) i = strlen(heads[k]);
    if (this != NO) m = this;
  }
  if (m != YES) return m;
  if (i == 3 && i < s.n && !is_space(s.p[i]) && s.p[i] != '{')
    return match_at(s, 3, "json") == MAYBE || match_at(s, 3, "tool_call") == MAYBE ? MAYBE : NO;
  size_t start = i = skip_spaces(s, i);
  for (;;) {
    m = match_object(s, &i);
    if (m != YES) return m;
    size_t end = i;
    i = skip_spaces(s, i);
    if (i >= s.n) return MAYBE;
    if (s.p[i] == '{') continue;
    m = match_at(s, i, "```");
    *n = i + 3;
    *objects = (rk_str){s.p + start, end - start};
    return m;
  }
}

static enum match match_bare(rk_str s, size_t *n, rk_str *objects) {
  *n = 0;
  enum match m = match_object(s, n);
  *objects = (rk_str){s.p, *n};
  return m;
}

/* Calls fn for each object when all are calls that the caller accepts. */
static bool emit_loose_calls(struct rk_reply *r, rk_str objects, bool dry) {
  for (size_t i = 0; i < objects.n;) {
    size_t end = i = skip_spaces(objects, i);
    if (match_object(objects, &end) != YES) return false;
    json_t *args, *name = rk_reply_parse_call((rk_str){objects.p + i, end - i}, &args);
    if (!name) return false;
    bool ok = !dry || (r->o.accept && r->o.accept(r->o.ud, json_string_value(name), args));
    if (!dry) {
      struct rk_reply_event ev = {.type = RK_REPLY_CALL, .name = json_string_value(name), .args = args};
      r->n_calls++;
      r->o.fn(r->o.ud, &ev);
    }
    json_decref(args);
    json_decref(name);
    if (!ok) return false;
    i = end;
  }
  return true;
}

/* A call without tags may begin at held[at]: YES when one was emitted. */
static enum match try_loose(struct rk_reply *r, size_t at, bool final) {
  rk_str s = tail(rk_buf_str(&r->held), at), objects = {0};
  if (s.n > RK_REPLY_MAX_LOOSE_BYTES) s.n = RK_REPLY_MAX_LOOSE_BYTES, final = true;
  size_t n = 0;
  enum match m = s.p[0] == '`' ? match_fence(s, &n, &objects) : match_bare(s, &n, &objects);
  if (m == MAYBE) return final ? NO : MAYBE;
  if (m == NO || !emit_loose_calls(r, objects, true)) return NO;
  size_t offset = (size_t)(objects.p - r->held.p);
  size_t before = r->held.n;
  emit_trimmed(r, at);
  offset -= before - r->held.n;
  emit_loose_calls(r, (rk_str){r->held.p + offset, objects.n}, false);
  consume(r, n);
  enter(r, RK_REPLY_IN_TEXT);
  return YES;
}

/* Whether a call without tags may begin at held[at]. */
static bool loose_start(const struct rk_reply *r, size_t at, bool blank_line, bool blank_text) {
  if (!r->o.tools || !r->o.accept) return false;
  char c = r->held.p[at];
  return (c == '`' && blank_line) || (c == '{' && blank_text && !r->any_text);
}

/* ---- the three states ---- */

/* YES: something was consumed up to a change of state, go on. */
static enum match step_text(struct rk_reply *r, bool final) {
  rk_str s = rk_buf_str(&r->held);
  bool blank_line = r->line_start, blank_text = true;
  size_t space_from = s.n; /* start of the white space that s ends with */
  for (size_t i = 0; i < s.n; i++) {
    if (is_space(s.p[i])) {
      if (space_from == s.n) space_from = i;
      blank_line |= s.p[i] == '\n';
      continue;
    }
    if (r->o.text_tags && s.p[i] == '<') {
      enum match call = r->o.tools ? match_at(s, i, "<tool_call>") : NO;
      enum match think = blank_text && !r->any_text ? match_at(s, i, "<think>") : NO;
      if (call == YES || think == YES) {
        emit_trimmed(r, i);
        consume(r, call == YES ? 11 : 7);
        enter(r, call == YES ? RK_REPLY_IN_CALL : RK_REPLY_IN_THINK);
        return YES;
      }
      if ((call == MAYBE || think == MAYBE) && !final) {
        emit(r, space_from < i ? space_from : i);
        return MAYBE;
      }
    }
    if (loose_start(r, i, blank_line, blank_text)) {
      enum match m = try_loose(r, i, final);
      if (m == YES) return YES;
      if (m == MAYBE) {
        emit(r, space_from < i ? space_from : i);
        return MAYBE;
      }
    }
    space_from = s.n;
    blank_line = blank_text = false;
  }
  emit(r, final || !(r->o.tools || r->o.text_tags) ? s.n : space_from);
  return MAYBE;
}

/* Looks for a closing tag; what may be the start of it is held back. */
static enum match find_close(const struct rk_reply *r, const char *tag, size_t *at, bool final) {
  rk_str s = rk_buf_str(&r->held);
  *at = s.n;
  if (!r->o.text_tags) return NO;
  for (size_t i = 0; i < s.n; i++) {
    if (s.p[i] != '<') continue;
    enum match m = match_at(s, i, tag);
    if (m == NO || (m == MAYBE && final)) continue;
    *at = i;
    return m;
  }
  return NO;
}

static enum match step_think(struct rk_reply *r, bool final) {
  size_t at;
  if (find_close(r, "</think>", &at, final) == YES) {
    emit_trimmed(r, at);
    consume(r, 8);
    enter(r, RK_REPLY_IN_TEXT);
    return YES;
  }
  if (final) {
    emit_trimmed(r, r->held.n);
    return MAYBE;
  }
  while (at > 0 && is_space(r->held.p[at - 1])) at--;
  emit(r, at);
  return MAYBE;
}

static enum match step_call(struct rk_reply *r, bool final) {
  size_t at;
  if (find_close(r, "</tool_call>", &at, final) != YES) return MAYBE;
  close_call(r, at);
  consume(r, 12);
  return YES;
}

static void run(struct rk_reply *r, bool final) {
  enum match m;
  do {
    m = r->state == RK_REPLY_IN_TEXT    ? step_text(r, final)
        : r->state == RK_REPLY_IN_THINK ? step_think(r, final)
                                        : step_call(r, final);
  } while (m == YES);
}

/* ---- input ---- */

static const rk_str replacement = RK_STR("\xef\xbf\xbd");

/* Takes one byte behind the incomplete code point, if there is one. */
static void add_byte(struct rk_reply *r, char c) {
  r->partial[r->n_partial++] = c;
  while (r->n_partial) {
    rk_str s = {r->partial, r->n_partial};
    uint32_t cp;
    if (rk_utf8_next(s, &cp)) {
      rk_buf_addstr(&r->held, s);
      r->n_partial = 0;
    } else if (s.n < 4 && rk_utf8_complete(s) == 0) {
      return;
    } else {
      rk_buf_addstr(&r->held, replacement);
      memmove(r->partial, r->partial + 1, --r->n_partial);
    }
  }
}

/* Appends valid UTF-8; what is broken becomes U+FFFD, an incomplete end waits. */
static void add_bytes(struct rk_reply *r, rk_str s) {
  for (size_t i = 0; i < s.n; i++) add_byte(r, s.p[i]);
}

static void flush_partial(struct rk_reply *r) {
  for (; r->n_partial; r->n_partial--) rk_buf_addstr(&r->held, replacement);
}

static void leave_for_tag(struct rk_reply *r) {
  if (r->state == RK_REPLY_IN_CALL) {
    close_call(r, r->held.n);
    return;
  }
  while (r->held.n && is_space(r->held.p[r->held.n - 1])) r->held.n--;
  run(r, true);
}

static void take_tag(struct rk_reply *r, rk_str tag) {
  flush_partial(r);
  bool in_call = r->state == RK_REPLY_IN_CALL, in_think = r->state == RK_REPLY_IN_THINK;
  if (rk_str_eq_c(tag, "<tool_call>") && r->o.tools) {
    leave_for_tag(r);
    enter(r, RK_REPLY_IN_CALL);
  } else if (rk_str_eq_c(tag, "</tool_call>") && in_call) {
    close_call(r, r->held.n);
  } else if (rk_str_eq_c(tag, "<think>") && !in_call) {
    leave_for_tag(r);
    enter(r, RK_REPLY_IN_THINK);
  } else if (rk_str_eq_c(tag, "</think>") && in_think) {
    leave_for_tag(r);
    enter(r, RK_REPLY_IN_TEXT);
  }
}

rk_err rk_reply_feed(struct rk_reply *r, rk_str piece, bool special) {
  if (special) {
    take_tag(r, piece);
    return r->held.err;
  }
  add_bytes(r, piece);
  if (r->held.err) return r->held.err;
  run(r, false);
  if (r->state == RK_REPLY_IN_CALL && r->held.n > RK_REPLY_MAX_CALL_BYTES) return RK_ETOOBIG;
  return RK_OK;
}

rk_err rk_reply_end(struct rk_reply *r, bool cut) {
  flush_partial(r);
  run(r, true);
  if (r->state == RK_REPLY_IN_CALL && !cut) close_call(r, r->held.n);
  return r->held.err;
}
