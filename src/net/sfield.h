/* sfield.h - Structured Field Values (RFC 8941): dictionaries, as Signature-Input,
 * Signature, Content-Digest, UCP-Agent and Signature-Agent are written.
 *
 * Nothing is allocated: slices point into the field. Reading a member reads the
 * whole dictionary, so that one that is broken anywhere gives nothing.
 * Thread rule: any thread. */
#ifndef RK_NET_SFIELD_H
#define RK_NET_SFIELD_H

#include "base/buf.h"

enum { RK_MAX_SF_BYTES = 8192, RK_MAX_SF_MEMBERS = 16, RK_MAX_SF_ITEMS = 32, RK_MAX_SF_PARAMS = 8 };

enum rk_sf_type { RK_SF_BOOL, RK_SF_INTEGER, RK_SF_DECIMAL, RK_SF_STRING, RK_SF_TOKEN, RK_SF_BYTES };

struct rk_sf_value {
  enum rk_sf_type type;
  int64_t integer;              /* of a bool (0, 1) or an integer */
  rk_str text;                  /* as it stands in the field, without quotes or colons; a string still has its escapes */
};
struct rk_sf_param { rk_str key; struct rk_sf_value value; };
struct rk_sf_params { struct rk_sf_param p[RK_MAX_SF_PARAMS]; int32_t n; };
struct rk_sf_item { struct rk_sf_value value; struct rk_sf_params params; };

/* A member of a dictionary: one item (items[0] with its own params; params is empty), or an inner list. */
struct rk_sf_member {
  rk_str key;
  bool is_list;
  struct rk_sf_item items[RK_MAX_SF_ITEMS]; int32_t n_items;
  struct rk_sf_params params;   /* of the inner list */
};

/* The keys of a dictionary, each once, in order. RK_EFORMAT: no dictionary; RK_ETOOBIG: over a limit. */
rk_err rk_sf_keys(rk_str field, rk_str keys[RK_MAX_SF_MEMBERS], int32_t *n) RK_MUST_USE;
/* The member of that key, the last one if it stands twice. RK_ENOTFOUND besides. */
rk_err rk_sf_member(rk_str field, rk_str key, struct rk_sf_member *out) RK_MUST_USE;
/* NULL when absent. */
const struct rk_sf_value *rk_sf_param(const struct rk_sf_params *p, const char *key);
/* The string without its escapes, NUL-terminated. False: no string, or longer than size - 1. */
bool rk_sf_string(const struct rk_sf_value *v, char *out, size_t size);
/* The member's value as RFC 8941 section 4.1 writes it: what a signature covers. Appends. */
rk_err rk_sf_write_member(struct rk_buf *out, const struct rk_sf_member *m);
/* A string with quotes and escapes. RK_EFORMAT: a character that no string holds. Appends. */
rk_err rk_sf_write_string(struct rk_buf *out, rk_str text);

#endif
