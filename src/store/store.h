/* store.h - the user's data: chats, turns, events, profile, sessions.
 * (The rows of money are behind store/money.h; same file, same db.)
 *
 * One directory, one process: rk_store_open() takes DATA/lock. Every row has
 * user_id. Ids are UUIDv7 text; times UTC ms.
 * Thread rule: any thread. JSON results are new references. */
#ifndef RK_STORE_STORE_H
#define RK_STORE_STORE_H

#include "store/db.h"

struct rk_store;

/* Makes the directory (0700). RK_ECONFLICT: in use by another process (names its pid). */
rk_err rk_store_open(const char *data_dir, struct rk_store **out, struct rk_error *e) RK_MUST_USE;
void rk_store_close(struct rk_store *s);
struct rk_db *rk_store_db(struct rk_store *s);
const char *rk_store_dir(const struct rk_store *s);
const char *rk_store_data_id(const struct rk_store *s);   /* short id of this data directory: names the cookie */
const char *rk_store_local_user(const struct rk_store *s);/* the one user of a fresh install */

/* ---- sign-in: only hashes of tokens are stored ---- */
/* kind: "page" | "terminal" | "key". scopes: space separated ("chat approve"). */
rk_err rk_store_session_add(struct rk_store *s, const char *user_id, const char *kind, const char *scopes,
                            const char *token_sha256, const char *csrf, int64_t expires_ms, struct rk_error *e) RK_MUST_USE;
json_t *rk_store_session_get(struct rk_store *s, const char *token_sha256); /* {id,user_id,kind,scopes,csrf}; NULL: none or expired */
rk_err rk_store_session_end(struct rk_store *s, const char *token_sha256, struct rk_error *e) RK_MUST_USE;

/* ---- chats and messages (a tree by parent_id) ---- */
json_t *rk_store_chats(struct rk_store *s, const char *user_id);  /* [{id,title,created_ms,updated_ms}] newest first */
json_t *rk_store_chat(struct rk_store *s, const char *user_id, const char *chat_id); /* + messages, root first; NULL: none */
/* Its messages, turns and events go; orders and ledger stay. RK_ECONFLICT: a turn is running in it. */
rk_err rk_store_chat_delete(struct rk_store *s, const char *user_id, const char *chat_id, struct rk_error *e) RK_MUST_USE;
/* role: user|assistant|tool. data: role-specific object (text, calls, cards ...), borrowed.
 * RK_ENOTFOUND: no such chat, or the parent is not in it. Messages read back: {id,parent_id,turn_id,role,data,created_ms}. */
rk_err rk_store_message_add(struct rk_store *s, const char *user_id, const char *chat_id, const char *parent_id,
                            const char *turn_id, const char *role, const json_t *data, char id[37], struct rk_error *e) RK_MUST_USE;
json_t *rk_store_thread(struct rk_store *s, const char *user_id, const char *leaf_message_id); /* root..leaf */

/* ---- turns: jobs of the server ---- */
/* states: queued running waiting completing done failed cancelled */
struct rk_turn_new {
  const char *user_id, *chat_id /* NULL: new chat */, *parent_id /* NULL: the chat's newest leaf */;
  rk_str text;
  bool thinking;
  const char *idempotency_key;   /* NULL: none. Same key, same text: the same turn again; other text: RK_ECONFLICT */
};
/* One transaction: chat if new (title = first line), user message, turn, `message` event. */
rk_err rk_store_turn_new(struct rk_store *s, const struct rk_turn_new *in, char chat_id[37], char turn_id[37],
                         bool *existed, struct rk_error *e) RK_MUST_USE;
json_t *rk_store_turn(struct rk_store *s, const char *turn_id);  /* {id,user_id,chat_id,message_id,state,thinking,journal} */
rk_err rk_store_turn_state(struct rk_store *s, const char *turn_id, const char *state, struct rk_error *e) RK_MUST_USE;
/* RK_EGONE: it is not in state from (any more). */
rk_err rk_store_turn_move(struct rk_store *s, const char *turn_id, const char *from, const char *to, struct rk_error *e) RK_MUST_USE;
/* The turn's journal: a JSON object that the agent writes before each step that matters. */
rk_err rk_store_turn_journal(struct rk_store *s, const char *turn_id, const json_t *journal, struct rk_error *e) RK_MUST_USE;
json_t *rk_store_turns_open(struct rk_store *s); /* of all users, states queued|running|completing, oldest first */
json_t *rk_store_turns_waiting(struct rk_store *s); /* of all users, for their approval, oldest first */

/* ---- durable events: numbered per user when they commit ---- */
/* Appends inside the caller's transaction when one is open. n: the number. */
rk_err rk_store_event_add(struct rk_store *s, const char *user_id, const char *chat_id, const char *turn_id,
                          const char *type, const json_t *data, int64_t *n, struct rk_error *e) RK_MUST_USE;
json_t *rk_store_events(struct rk_store *s, const char *user_id, int64_t after, int32_t limit); /* [{n,type,chat_id,turn_id,time_ms,data}] */
json_t *rk_store_chat_events(struct rk_store *s, const char *user_id, const char *chat_id); /* all of one chat, the same form */
int64_t rk_store_event_last(struct rk_store *s, const char *user_id);

/* ---- profile: {demo, name, phone, address, home_city, sizes{shoes,clothes}, coupons[], passengers[], instruments[]} ---- */
/* A fresh install has the demo profile ("demo": true). An instrument: {id, kind card|wallet, label, default,
 * balance_minor?, currency?}; a wallet's balance_minor is computed from the ledger: a new wallet opens with it, for
 * one that is there it is ignored. A profile that is set is demo only if it says so; without "instruments" or "coupons" they stay.
 * RK_EINVAL names the field. */
json_t *rk_store_profile(struct rk_store *s, const char *user_id);
rk_err rk_store_profile_set(struct rk_store *s, const char *user_id, const json_t *profile, struct rk_error *e) RK_MUST_USE;

/* ---- memories: what the user asked to remember ---- */
/* [{id, text, source, created_ms}], oldest first; empty where nothing is remembered. */
json_t *rk_store_memories(struct rk_store *s, const char *user_id);
/* ---- pictures of offers: what has been seen, under a name of ours ---- */
/* The same picture of the same merchant keeps its id; the newest RK_MAX_PICTURES are kept. */
rk_err rk_store_picture_add(struct rk_store *s, const char *user_id, const char *merchant_origin, const char *url, char id[37], struct rk_error *e) RK_MUST_USE;
json_t *rk_store_picture(struct rk_store *s, const char *user_id, const char *id); /* {merchant_origin, url}; NULL: none of this user's */

#endif
