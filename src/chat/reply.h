/* reply.h - the text of a reply, piece by piece, taken apart into visible text,
 * reasoning and tool calls.
 *
 * Forms of a call: <tool_call>{"name":..,"arguments":..}</tool_call> anywhere,
 * or with <function=NAME><parameter=KEY>..</parameter>..</function> inside;
 * a fenced ```json block, and a bare object at the start of the reply, when it
 * has that form and the accept function takes it, else it stays text.
 *
 * The events are the same for every way to cut the bytes into pieces, apart
 * from how many TEXT and REASONING events a text comes in. Invalid UTF-8
 * becomes U+FFFD; an event never holds half a code point.
 * One thread. Limit: RK_REPLY_MAX_CALL_BYTES for one call. */
#ifndef RK_CHAT_REPLY_H
#define RK_CHAT_REPLY_H

#include "base/buf.h"
#include "json/json.h"

enum { RK_REPLY_MAX_CALL_BYTES = 262144, RK_REPLY_MAX_LOOSE_BYTES = 16384 };

enum rk_reply_type {
  RK_REPLY_TEXT,
  RK_REPLY_REASONING,
  RK_REPLY_CALL,     /* name, args (an object, borrowed) */
  RK_REPLY_BAD_CALL  /* text: what stood where a call should be */
};
struct rk_reply_event {
  enum rk_reply_type type;
  rk_str text;
  const char *name;
  const json_t *args;
};
typedef void rk_reply_fn(void *ud, const struct rk_reply_event *ev);

struct rk_reply_opts {
  bool tools;     /* look for calls */
  bool text_tags; /* tags count also when they are written as text (a remote model's raw text) */
  bool thinking;  /* the reply begins inside <think> */
  /* A fenced or bare object is a call only when this returns true. NULL: none is. */
  bool (*accept)(void *ud, const char *name, const json_t *args);
  /* Whether a parameter in <parameter=..> is text, whatever it looks like. NULL: what is JSON is read as JSON. */
  bool (*is_text)(void *ud, rk_str name, rk_str parameter);
  rk_reply_fn *fn;
  void *ud;
};

enum rk_reply_state { RK_REPLY_IN_TEXT, RK_REPLY_IN_THINK, RK_REPLY_IN_CALL };

struct rk_reply {
  struct rk_reply_opts o;
  enum rk_reply_state state;
  struct rk_buf held;     /* whole code points, not yet emitted */
  char partial[4];        /* an incomplete code point */
  size_t n_partial;
  bool skip_space;        /* white space before the next text is dropped */
  bool any_text;          /* something visible came out */
  bool line_start;        /* what was emitted last ended a line, or nothing was */
  int32_t n_calls;
};

void rk_reply_init(struct rk_reply *r, const struct rk_reply_opts *o);
void rk_reply_release(struct rk_reply *r);
/* special: the piece is one tag token of the model, not text. RK_ETOOBIG. */
rk_err rk_reply_feed(struct rk_reply *r, rk_str piece, bool special) RK_MUST_USE;
/* The reply is over. cut: it was cut short, so an open call is dropped. */
rk_err rk_reply_end(struct rk_reply *r, bool cut) RK_MUST_USE;
/* Inside a call or possibly at the start of one. */
bool rk_reply_in_call(const struct rk_reply *r);

/* {"name": string, "arguments": object or JSON text of one} -> name and a new
 * reference to the object; NULL when the text has another form. */
json_t *rk_reply_parse_call(rk_str text, json_t **args);

#endif
