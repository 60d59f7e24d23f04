/* json.h - JSON over jansson, with limits, and RFC 8785 canonical form.
 *
 * All JSON from outside comes in through rk_json_parse: at most max_bytes,
 * RK_MAX_JSON_DEPTH levels, valid UTF-8, no duplicate keys, nothing after the
 * value. Values are jansson's json_t with its reference counting; "borrowed"
 * means do not decref.
 * Thread rule: a json_t belongs to one thread at a time. */
#ifndef RK_JSON_JSON_H
#define RK_JSON_JSON_H

#include <jansson.h>

#include "base/buf.h"

/* New reference or NULL with e filled (RK_EFORMAT, RK_ETOOBIG; names line and column). */
json_t *rk_json_parse(rk_str text, size_t max_bytes, struct rk_error *e) RK_MUST_USE;
/* Of equal keys the last counts, as in JSON.parse and json.loads: only for what a model wrote, never for a message that
 * decides something. */
json_t *rk_json_parse_last(rk_str text, size_t max_bytes, struct rk_error *e) RK_MUST_USE;

/* Getters that never crash on a wrong type: the default, or the empty slice. Borrowed. */
rk_str rk_json_str(const json_t *obj, const char *key);
const char *rk_json_cstr(const json_t *obj, const char *key, const char *def);
int64_t rk_json_i64(const json_t *obj, const char *key, int64_t def); /* integers only */
bool rk_json_bool(const json_t *obj, const char *key, bool def);
json_t *rk_json_arr(const json_t *obj, const char *key); /* NULL when absent or no array */
json_t *rk_json_obj(const json_t *obj, const char *key); /* NULL when absent or no object */

/* Compact text, keys in insertion order, non-ASCII as is. Caller frees. */
char *rk_json_dump(const json_t *v);
/* As Python's json.dumps(v, ensure_ascii=False): separators ", " and ": ". */
rk_err rk_json_dump_python(struct rk_buf *out, const json_t *v) RK_MUST_USE;
/* RFC 8785 (JCS): keys sorted by UTF-16 code units, ECMAScript numbers. Appends.
 * RK_EINVAL: an integer beyond 2^53 (no double is it); RK_ETOOBIG: too deep, or out is full. */
rk_err rk_json_jcs(struct rk_buf *out, const json_t *v) RK_MUST_USE;

#endif
