/* constrain.c - an automaton for the Python tests, one request a line in, one
 * answer a line out: {"schema": S | "grammar": G, "accept": [text...],
 * "walk": n, "seed": x} -> {"error": "..."} or {"accepted": [bool...],
 * "texts": [text...]}. A walk chooses among the bytes that may follow, and
 * makes for the end when it is long. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chat/gbnf.h"
#include "chat/schema.h"

enum { LONG = 60, TOO_LONG = 20000 };

static uint64_t next_random(uint64_t *seed) {
  *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return *seed >> 33;
}

/* Kinds of bytes are drawn first: the few that end something come often. */
static int pick(struct rk_automaton *a, int32_t at, int n, uint64_t *seed) {
  int sets[2][256], size[2] = {0, 0};
  for (int x = 0; x < 256; x++)
    if (rk_automaton_step(a, at, (uint8_t)x) >= 0) {
      int ends = x && strchr("\"]},:0.", x) != NULL;
      sets[ends][size[ends]++] = x;
    }
  bool end = size[1] && (!size[0] || next_random(seed) % 8 < (n > LONG ? 6u : 2u));
  return size[end] ? sets[end][next_random(seed) % (uint64_t)size[end]] : -1;
}

static json_t *walk(struct rk_automaton *a, uint64_t *seed) {
  struct rk_buf out;
  rk_buf_init(&out, 1 << 20);
  int32_t at = rk_automaton_start(a);
  for (int n = 0; n < TOO_LONG && !rk_automaton_stops(a, at); n++) {
    if (rk_automaton_ends(a, at) && (n > LONG || next_random(seed) % 4 == 0)) break;
    int byte = pick(a, at, n, seed);
    if (byte < 0 && rk_automaton_ends(a, at)) break;
    RK_ASSERT(byte >= 0); /* a dead end */
    rk_buf_addc(&out, (char)byte);
    at = rk_automaton_step(a, at, (uint8_t)byte);
  }
  json_t *v = rk_automaton_ends(a, at) ? json_stringn(out.p ? out.p : "", out.n) : json_null();
  rk_buf_release(&out);
  return v;
}

static json_t *answer(const json_t *in) {
  struct rk_error e = {0};
  struct rk_schema *s = NULL;
  struct rk_automaton *a = NULL;
  const json_t *schema = json_object_get(in, "schema"), *texts = rk_json_arr(in, "accept");
  rk_err err = schema ? rk_schema_new(schema, "schema", &s, &e) : rk_gbnf_automaton(rk_json_str(in, "grammar"), &a, &e);
  if (s) err = rk_schema_automaton(s, &a, &e);
  rk_schema_free(s);
  if (err) return json_pack("{s:s}", "error", e.msg);
  uint64_t seed = (uint64_t)rk_json_i64(in, "seed", 0);
  json_t *accepted = json_array(), *written = json_array();
  for (size_t i = 0; i < json_array_size(texts); i++) {
    const json_t *t = json_array_get(texts, i);
    json_array_append_new(accepted, json_boolean(rk_automaton_accepts(a, (rk_str){json_string_value(t), json_string_length(t)})));
  }
  for (int64_t i = rk_json_i64(in, "walk", 0); i > 0; i--) json_array_append_new(written, walk(a, &seed));
  rk_automaton_free(a);
  return json_pack("{s:o,s:o}", "accepted", accepted, "texts", written);
}

int main(void) {
  char *line = NULL;
  size_t cap = 0;
  for (ssize_t n; (n = getline(&line, &cap, stdin)) > 0;) {
    json_t *in = json_loadb(line, (size_t)n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    json_t *out = in ? answer(in) : json_pack("{s:s}", "error", "the line is not JSON");
    char *text = json_dumps(out, JSON_COMPACT);
    puts(text ? text : "{\"error\":\"(bytes)\"}");
    free(text);
    json_decref(out);
    json_decref(in);
  }
  free(line);
  return 0;
}
