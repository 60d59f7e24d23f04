/* party.h - for how many: counts of the user's words, filled up from the profile.
 *
 * Pure; any thread. */
#ifndef RK_AGENT_PARTY_H
#define RK_AGENT_PARTY_H

#include "agent/words.h"
#include "json/json.h"

enum { RK_MAX_PARTY = 9 };

/* What the words say. -1: not said. */
struct rk_party_words {
  int32_t total, adults, children;
  bool family;                    /* the whole family: everybody on file */
  bool said;                      /* anything of it */
};
/* s: normal form. "两大一小", "the three of us", "2 adults and a child", "带孩子", "just me". */
void rk_party_read(rk_str s, struct rk_party_words *out);
/* Adults and children that are meant. tickets: how many places the words ask for without saying for whom, 0: none. Nothing said: the
 * user alone. False: a number that makes no sense, or more than RK_MAX_PARTY. */
bool rk_party_count(const struct rk_party_words *w, int32_t tickets, const json_t *profile, int32_t *adults, int32_t *children);

#endif
