/* Thousands of changed orders, and of stays bought by booking sessions, in a simulated world: the shipped trade, store, client, protocol and shop code, the five kinds of
 * sellers in this process. The buyer's disk is in memory and its power is cut, at the numbered steps, at any write, before or after
 * any exchange, also during recovery; the network loses, delays, doubles and damages; what one change gives may be gone by another.
 *
 * At the end of each batch the network heals, late copies arrive, the buyer reconciles, and the books of both sides must agree:
 * every order has on both sides the same charges and refunds, one charge for its purchase and one for each completed change, and
 * just the places of its present lines are sold: never both, never none.
 *
 * CHANGE_SIM=N CHANGE_SEED=S; a failure prints the line that replays it. */
#include "shop/steps.h"

#include "base/limits.h"
#include "base/log.h"
#include "net/net.h"
#include "shop/store.h"
#include "trade/internal.h"
#include "trade/mem_vfs.h"

#if defined(__SANITIZE_ADDRESS__)
#define IN_CHECK 400
#else
#define IN_CHECK 3000
#endif

enum { HOTEL = 2, N_SELLERS = 5, BATCH = 50, QUEUE = 16, TIMEOUT_MS = 10000, LATE_MS = 1500000, DAYS = 24 };
static const char *const sellers[] = {"shops/travel/tongtu", "shops/travel/yunyi", "shops/travel/yunqi", "shops/travel/changyou", "shops/travel/guangying"};
static const int64_t START_MS = 1795485600000;

static struct { long changes, stays, asked, done, paid, back, refused, conflicts, unknown, crashes, steps[RK_TRADE_STEPS + 1], cut_write, cut_net, lost, late, doubled, damaged; } sum;

/* ---- chance ---- */

static uint64_t seed, batch_seed;
static int change_no;
static uint64_t dice(uint64_t n) {
  seed += 0x9e3779b97f4a7c15ULL; /* splitmix64 */
  uint64_t z = seed;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
  return (z ^ z >> 31) % n;
}
static bool chance(unsigned percent) { return dice(100) < percent; }
static bool coin(void) { return dice(2); }

#define MUST(cond) ((cond) ? (void)0 : broken(#cond, __LINE__))
static void broken(const char *what, int line) {
  fail_msg("change_sim.c:%d: change %d: not so: %s\n  replay: CHANGE_SEED=%llu CHANGE_SIM=%d build/release/test/trade/change_sim", line, change_no, what,
           (unsigned long long)batch_seed, BATCH);
}

/* ---- the network ---- */

static struct late { int64_t due_ms; int seller; char method[8], path[200], key[40]; char *body; } queue[QUEUE];
static bool storm;
static int net_calls_left = -1;
static bool cut_after;
static const char *profiles[N_SELLERS];   /* without the promise to sign: the simulated network has no headers of answers */

static void arrive(struct late *l) {
  struct rk_shop_answer a;
  rk_shop_handle(shops[l->seller], &(struct rk_shop_request){.method = rk_str_c(l->method), .path = rk_str_c(l->path), .agent = RK_STR("profile=\"" AGENT "/.well-known/ucp\""),
                                                             .key = rk_str_c(l->key), .body = rk_str_c(l->body)}, &a);
  rk_shop_answer_release(&a);
  free(l->body);
  *l = (struct late){0};
  sum.late++;
}

static void arrive_due(int64_t now_ms) {
  for (int i = 0; i < QUEUE; i++)
    if (queue[i].due_ms && queue[i].due_ms <= now_ms) arrive(&queue[i]);
}

static void post_late(int seller, const struct rk_net_request *q, const char *path, const char *write_key) {
  int i = 0;
  while (i < QUEUE && queue[i].due_ms) i++;
  if (i == QUEUE) arrive(&queue[i = (int)dice(QUEUE)]);
  queue[i] = (struct late){.due_ms = rk_now_ms() + 1 + (int64_t)dice(coin() ? 20000 : LATE_MS), .seller = seller, .body = q->body.p ? strndup(q->body.p, q->body.n) : NULL};
  snprintf(queue[i].method, sizeof queue[i].method, "%s", q->method);
  snprintf(queue[i].path, sizeof queue[i].path, "%s", path);
  snprintf(queue[i].key, sizeof queue[i].key, "%s", write_key);
}

static void no_answer(struct rk_net_response *out, rk_err err) {
  out->err = err;
  out->sent = err == RK_ETIMEOUT;
  rk_fail(&out->error, err, "no answer");
  if (err == RK_ETIMEOUT) rk_sleep_ms(TIMEOUT_MS);
}

static void give(struct rk_net_response *out, int32_t status, const char *text) {
  out->status = status;
  out->sent = true;
  MUST(rk_buf_adds(&out->body, text) == RK_OK);
}

static void power_off(long *counter) {
  if (disk.off) return;
  disk.off = true;
  ++*counter;
}

static const char *slipped_in;            /* an order that a seller takes in exchange unasked; NULL: none */

static void ask_seller(int seller, const struct rk_net_request *q, const char *path, const char *write_key, const char *agent, struct rk_net_response *out) {
  struct rk_shop_answer a;
  if (strstr(path, "/.well-known/ucp")) return give(out, 200, profiles[seller]);
  rk_shop_handle(shops[seller], &(struct rk_shop_request){.method = rk_str_c(q->method), .path = rk_str_c(path), .agent = rk_str_c(agent), .key = rk_str_c(write_key), .body = q->body}, &a);
  if (slipped_in && json_object_get(a.body, "line_items"))
    json_object_set_new(a.body, RK_UCP_CHANGE, json_pack("{s:s, s:[], s:I, s:i, s:i}", "order_id", slipped_in, "line_items", "worth", (json_int_t)0, "fee", 0, "back", 0));
  char *text = rk_json_dump(a.body);
  give(out, a.status, text);
  free(text);
  rk_shop_answer_release(&a);
}

static void exchange(int seller, const struct rk_net_request *q, const char *path, struct rk_net_response *out) {
  const char *key_of = "", *agent = "";
  bool get = strcmp(q->method, "GET") == 0;
  int fate = storm ? (int)dice(100) : 99;
  for (int32_t i = 0; i < q->n_headers; i++) {
    if (strcmp(q->headers[i].name, "Idempotency-Key") == 0) key_of = q->headers[i].value;
    if (strcmp(q->headers[i].name, "UCP-Agent") == 0) agent = q->headers[i].value;
  }
  if (fate < 5) return sum.lost++, no_answer(out, RK_ETIMEOUT);                                  /* the request is lost */
  if (fate < 9 && !get) return post_late(seller, q, path, key_of), no_answer(out, RK_ETIMEOUT);  /* or late */
  if (fate < 11) return no_answer(out, RK_EUNAVAIL);
  if (fate < 14) return give(out, 502, "<h1>Bad gateway</h1>");
  if (fate < 20 && !get) sum.doubled++, post_late(seller, q, path, key_of);
  ask_seller(seller, q, path, key_of, agent, out);
  if (fate >= 20 && fate < 30) {                                                                 /* the answer is lost */
    sum.lost++;
    rk_buf_clear(&out->body);
    return no_answer(out, RK_ETIMEOUT);
  }
  if (fate >= 30 && fate < 34) sum.damaged++, out->body.n = dice(out->body.n);
}

void rk_net_fetch(struct rk_net *n, const struct rk_net_request *q, struct rk_net_response *out) {
  (void)n;
  *out = (struct rk_net_response){0};
  rk_buf_init(&out->body, 1 << 20);
  rk_buf_init(&out->headers, 1024);
  rk_sleep_ms(1 + (int64_t)dice(40));
  if (!disk.off) arrive_due(rk_now_ms());
  bool cut = net_calls_left >= 0 && net_calls_left-- == 0;
  if (cut && !cut_after) power_off(&sum.cut_net);
  if (disk.off) return no_answer(out, RK_EUNAVAIL); /* a process that is dead sends nothing */
  for (int i = 0; i < N_SELLERS; i++)
    if (rk_str_starts(rk_str_c(q->url), rk_str_c(origins[i]))) exchange(i, q, q->url + strlen(origins[i]), out);
  if (cut) power_off(&sum.cut_net);
}

void rk_net_fetch_all(struct rk_net *n, const struct rk_net_request *q, struct rk_net_response *out, int32_t count) {
  for (int32_t i = 0; i < count; i++) rk_net_fetch(n, &q[i], &out[i]);
}
void rk_net_response_release(struct rk_net_response *r) {
  rk_buf_release(&r->body);
  rk_buf_release(&r->headers);
}
rk_str rk_net_header(const struct rk_net_response *r, const char *name) { (void)r, (void)name; return (rk_str){0}; }
rk_err rk_net_allow(struct rk_net *n, const char *origin) { (void)n, (void)origin; return RK_OK; }
bool rk_net_origin_matches(const char *allowed, const char *origin) { return strcmp(allowed, origin) == 0; }
rk_err rk_net_origin(const char *url, char *out, size_t size) {
  const char *end = strchr(url + strlen("http://"), '/');
  snprintf(out, size, "%.*s", end ? (int)(end - url) : (int)strlen(url), url);
  return RK_OK;
}

/* ---- the buyer ---- */

static char buyer_dir[] = "/tmp/rukou-change-XXXXXX";
static struct rk_store *store;
static struct rk_merchants *merchants;
static struct rk_trade *trade;
static struct rk_db *books[N_SELLERS];
static const char *user;
static int step_to_die_at;

static void on_step(enum rk_trade_step step) {
  if ((int)step != step_to_die_at || disk.off) return;
  step_to_die_at = 0;
  power_off(&sum.steps[step]);
}

static bool try_open(void) {
  struct rk_error e = {0};
  rk_err err = rk_store_open(buyer_dir, &store, &e);
  if (!err) err = rk_trade_new(&(struct rk_trade_opts){store, merchants, key}, &trade, &e);
  if (err) {
    if (store) rk_store_close(store);
    store = NULL;
    MUST(disk.off);
    return false;
  }
  MUST(!trade->broken[0]);
  trade->on_step = on_step;
  user = rk_store_local_user(store);
  return true;
}

static void close_buyer(void) {
  if (trade) rk_trade_free(trade);
  if (store) rk_store_close(store);
  trade = NULL;
  store = NULL;
}

static void disarm(void) {
  step_to_die_at = 0;
  net_calls_left = -1;
  disk.writes_left = -1;
}

/* Something for the power to fail at: a step, a write, an exchange. */
static void arm(void) {
  disarm();
  switch (dice(3)) {
    case 0: step_to_die_at = 1 + (int)dice(RK_TRADE_STEPS); break;
    case 1: disk.writes_left = (int64_t)dice(120); break;
    default: net_calls_left = (int)dice(9), cut_after = coin();
  }
}

/* After the power went: start again, reconcile; the power may go again meanwhile. */
static bool died(void) {
  if (!disk.off) return false;
  sum.crashes++;
  for (int tries = 0;; tries++) {
    close_buyer();
    sum.cut_write += disk.n_cuts;
    disk.n_cuts = 0;
    mem_vfs_restart(coin() ? coin : NULL);
    if (tries < 3 && chance(25)) arm();
    else disarm();
    if (!try_open()) continue;
    int32_t n_open = 0;
    rk_err err = rk_trade_reconcile(trade, &n_open, NULL);
    if (disk.off) continue;
    MUST(err == RK_OK);
    break;
  }
  disarm();
  return true;
}

/* ---- orders ---- */

static void day(int ahead, char out[32]) {
  rk_time_rfc3339(START_MS + (8 * 3600 + 86400 * (int64_t)ahead) * 1000, out);
  out[10] = 0;
}

/* Some place of the seller on some day that has at least one left; false: none was found. */
static bool some_place(int seller, char item[160]) {
  static const char *const pairs[][2] = {{"上海", "杭州"}, {"北京", "上海"}, {"上海", "北京"}, {"杭州", "上海"}};
  static const char *const cities[] = {"北京", "上海", "杭州", "西安", "成都"};
  char from[32], to[32], query[300];
  const char *const *pair = seller == 1 ? (const char *const[]){"北京", "成都"} : pairs[dice(4)], *city = cities[dice(5)];
  int ahead = 3 + (int)dice(DAYS - 6);
  day(ahead, from);
  day(ahead + 1 + (int)dice(2), to);
  if (seller < 2) snprintf(query, sizeof query, "{\"from\":\"%s\",\"to\":\"%s\",\"date\":\"%s\"}", pair[0], pair[1], from);
  else if (seller == 2) snprintf(query, sizeof query, "{\"city\":\"%s\",\"date\":\"%s\",\"end_date\":\"%s\"}", city, from, to);
  else snprintf(query, sizeof query, "{\"city\":\"%s\",\"date\":\"%s\"}", city, from);
  json_t *found = search(seller, query), *products = rk_json_arr(found, "products");
  json_t *product = json_array_size(products) ? json_array_get(products, dice(json_array_size(products))) : NULL, *variants = rk_json_arr(product, "variants");
  const json_t *v = json_array_size(variants) ? json_array_get(variants, dice(json_array_size(variants))) : NULL;
  snprintf(item, 160, "%s", rk_json_cstr(v, "id", ""));
  bool ok = v && left(v) >= 2;
  json_decref(found);
  return ok;
}

static rk_err decide(const json_t *approval, const char *decision) {
  return rk_trade_decide(trade, user, "page", rk_json_cstr(approval, "id", ""), decision, rk_json_cstr(approval, "terms_hash", ""), &(struct rk_error){0});
}

/* An approval of a purchase; of a stay by a booking session. NULL: not this time. */
static json_t *want(int seller, const char *item, int32_t quantity) {
  static const struct rk_traveler people[] = {{"张伟", false}, {"李娜", false}};
  struct rk_arena *a = rk_arena_new(8 << 20);
  struct rk_line line = {.item_id = item, .quantity = quantity};
  struct rk_checkout co;
  struct rk_error e = {0};
  json_t *approval = NULL, *with = json_pack("{s:s, s:s, s:s}", "id", "card", "kind", "card", "label", "Card");
  rk_err err = rk_merchant_checkout_create(merchants, &(struct rk_checkout_req){.origin = origins[seller], .lines = &line, .n_lines = 1, .travelers = people,
                                                                              .n_travelers = seller < 2 ? quantity : 1, .lang = "zh", .address = {"张伟", "13800000000", NULL, NULL}}, a, &co, &e);
  if (!err && co.status == RK_CO_READY) {
    MUST((strncmp(co.id, RK_MERCHANT_BOOKING, strlen(RK_MERCHANT_BOOKING)) == 0) == (seller == HOTEL));
    json_t *terms = rk_terms_project(&co, &(struct rk_terms_extra){NULL, with, rk_trade_expiry(&co)}, &e), *asked = rk_trade_asked(&co, "zh");
    if (rk_trade_store_approval(trade, &(struct rk_draft){.user_id = user, .chat_id = "c", .turn_id = "t", .origin = co.origin, .checkout_id = co.id, .terms = terms,
                                                          .demo = true, .asked = asked, .ask = true}, &approval, &e)) MUST(disk.off);
    json_decref(asked);
    json_decref(terms);
  }
  json_decref(with);
  rk_arena_free(a);
  return approval;
}

/* A paid order in fair weather; NULL: not this time. */
static json_t *buy(int seller, const char *item, int32_t quantity) {
  json_t *approval = want(seller, item, quantity), *order = NULL;
  if (!approval) return NULL;
  MUST(decide(approval, "approve") == RK_OK);
  MUST(rk_trade_complete(trade, rk_json_cstr(approval, "id", ""), &order, &(struct rk_error){0}) == RK_OK);
  json_decref(approval);
  return order;
}

static json_t *propose(const json_t *order, const char *item, int32_t quantity) {
  struct rk_line to = {.item_id = item, .quantity = quantity};
  struct rk_change_line give = {.line_id = "li_1", .quantity = quantity};
  struct rk_error e = {0};
  json_t *approval = NULL;
  rk_err err = rk_trade_change(trade, &(struct rk_change_ask){.user_id = user, .order_id = rk_json_cstr(order, "id", ""), .lang = "zh", .to = &to, .n_to = 1, .give = &give,
                                                              .n_give = coin()}, &approval, &e);
  MUST(!err || disk.off || storm || err == RK_ECONFLICT); /* saver rooms are not changed, and the last place may be gone */
  return err ? NULL : approval;
}

/* Another change of the same order, or all of it given back, while this one waits for its answer. */
static void meanwhile(int seller, const json_t *order) {
  char item[160];
  json_t *other = NULL, *after;
  bool weather = storm;
  storm = false;
  if (coin() && some_place(seller, item)) other = propose(order, item, 1);
  else if (rk_trade_give_back(trade, user, rk_json_cstr(order, "id", ""), "cancel", NULL, &other, &(struct rk_error){0})) other = NULL;
  if (other && decide(other, "approve") == RK_OK && rk_trade_complete(trade, rk_json_cstr(other, "id", ""), &after, &(struct rk_error){0}) == RK_OK) json_decref(after);
  json_decref(other);
  storm = weather;
}

static void note(const json_t *approval) {
  json_t *now = rk_trade_approval(trade, user, rk_json_cstr(approval, "id", ""));
  const json_t *terms = rk_json_obj(now, "terms");
  if (rk_str_eq_c(rk_json_str(now, "state"), "unknown")) sum.unknown++;
  if (rk_str_eq_c(rk_json_str(now, "state"), "failed")) sum.conflicts++;
  if (rk_str_eq_c(rk_json_str(now, "state"), "completed")) {
    sum.done++;
    sum.paid += rk_json_i64(terms, "total_minor", 0) > 0;
    int64_t back = rk_json_i64(rk_json_obj(terms, "change"), "back_minor", 0);
    sum.back += back > 0;
    MUST(rk_store_order_refunded(store, rk_json_cstr(now, "order_id", "")) >= back); /* what is said to be done is booked */
  }
  json_decref(now);
}

/* Says yes (or no), more than once now and then, and sees it through as far as it goes. */
static void answer(const json_t *approval) {
  json_t *after;
  bool yes = chance(95);
  for (int i = 0; i < 3; i++) {
    rk_err err = decide(approval, yes ? "approve" : "refuse");
    if (!died() && (!err || coin())) break;
  }
  sum.refused += !yes;
  if (chance(3)) rk_sleep_ms(RK_APPROVAL_TTL_MS); /* too late */
  for (uint64_t i = 0, n = 1 + dice(2); yes && i < n; i++) {
    rk_err err = rk_trade_complete(trade, rk_json_cstr(approval, "id", ""), &after, &(struct rk_error){0});
    if (!err) json_decref(after);
    if (died() || !err) break;
  }
  if (chance(25)) {
    int32_t n_open;
    rk_sleep_ms((int64_t)dice(200000));
    rk_err err = rk_trade_reconcile(trade, &n_open, NULL);
    MUST(died() || err == RK_OK);
  }
}

static void weather(void) {
  storm = chance(60);
  if (chance(45)) arm();
}

/* A stay bought by a booking session in the same weather. */
static void one_stay(void) {
  char item[160];
  storm = false;
  if (!some_place(HOTEL, item)) return;
  weather();
  json_t *approval = want(HOTEL, item, 1 + (int32_t)dice(2));
  if (!died() && approval) {
    sum.stays++;
    answer(approval);
  }
  disarm();
  json_decref(approval);
}

static void one_change(void) {
  char old[160], new[160];
  int seller = (int)dice(N_SELLERS);
  int32_t quantity = 1 + (int32_t)dice(2);
  storm = false;
  json_t *order = some_place(seller, old) && some_place(seller, new) ? buy(seller, old, quantity) : NULL, *approval;
  if (!order) return;
  sum.changes++;
  weather();
  approval = propose(order, new, quantity);
  if (!died() && approval) {
    int step = step_to_die_at, calls = net_calls_left;
    int64_t writes = disk.writes_left;
    disarm();
    sum.asked++;
    if (chance(6)) meanwhile(seller, order);
    step_to_die_at = step, net_calls_left = calls, disk.writes_left = writes;
    answer(approval);
    disarm();
    note(approval);
  }
  disarm();
  json_decref(approval);
  json_decref(order);
}

/* ---- what must hold at the end ---- */

static void settle_everything(void) {
  int32_t n_open = -1;
  storm = false;
  disarm();
  for (int i = 0; n_open && i < 30; i++) {
    arrive_due(rk_now_ms());
    MUST(rk_trade_reconcile(trade, &n_open, NULL) == RK_OK);
    rk_sleep_ms(180000);
  }
  MUST(n_open == 0);
  arrive_due(INT64_MAX); /* and now the last copies */
  json_t *orders = rk_trade_orders(trade, user), *one;
  size_t i;
  json_array_foreach(orders, i, one) json_decref(rk_trade_order_status(trade, user, rk_json_cstr(one, "id", ""), &(struct rk_error){0}));
  json_decref(orders);
}

static int64_t number(struct rk_db *db, const char *sql, const char *text) {
  json_t *row = rk_db_one(db, NULL, sql, "t", text);
  MUST(row != NULL);
  int64_t n = rk_json_i64(row, "n", -1);
  json_decref(row);
  return n;
}

/* Present lines of the seller's order, and what is sold to it. */
static void check_places(struct rk_db *db, const char *their_id, const json_t *order) {
  json_t *theirs = rk_shop_store_order(db, their_id), *lines = rk_json_arr(rk_json_obj(theirs, "report"), "lines"), *line;
  json_t *sold = rk_db_all(db, NULL, "SELECT checkout_id, item_id, quantity, stock_key FROM bookings WHERE sold AND checkout_id IN (SELECT id FROM checkouts WHERE order_id=?)"
                           " GROUP BY checkout_id, item_id", "t", their_id), *b;
  size_t i, k, n = 0, shown = 0;
  int64_t places = 0;
  MUST(theirs && sold);
  json_array_foreach(lines, i, line) {
    int64_t now = rk_json_i64(line, "quantity", 0) - rk_json_i64(line, "refunded", 0), found = 0;
    const char *checkout = rk_json_cstr(line, "checkout_id", rk_json_cstr(theirs, "checkout_id", ""));
    json_array_foreach(sold, k, b)
      if (rk_str_eq_c(rk_json_str(b, "checkout_id"), checkout) && rk_str_eq(rk_json_str(b, "item_id"), rk_json_str(line, "item_id"))) found = rk_json_i64(b, "quantity", 0);
    MUST(found == now);
    n += now > 0;
    places += now;
  }
  MUST(json_array_size(sold) == n);
  if (!rk_json_i64(order, "refunded_all", 0)) {
    json_array_foreach(rk_json_arr(order, "lines"), i, line) shown += (size_t)rk_json_i64(line, "quantity", 0);
    MUST((int64_t)shown == places || places == 0); /* the buyer sees the same, where it was not given back */
  }
  json_decref(sold);
  json_decref(theirs);
}

static void check_order(const json_t *order) {
  static const char ours[] = "SELECT COALESCE(SUM(CASE kind WHEN 'capture' THEN amount_minor WHEN 'refund' THEN -amount_minor ELSE 0 END), 0) AS n FROM ledger WHERE order_id=?";
  static const char charges[] = "SELECT COUNT(*) AS n FROM ledger WHERE order_id=? AND kind='capture'";
  static const char changes[] = "SELECT COUNT(*) AS n FROM approvals WHERE subject_order_id=? AND kind='change' AND state='completed'";
  static const char theirs[] = "SELECT (SELECT COALESCE(SUM(amount_minor), 0) FROM payments WHERE order_id=?1) - (SELECT COALESCE(SUM(amount_minor), 0) FROM refunds"
                               " WHERE order_id=?1 AND status='completed') AS n";
  const char *id = rk_json_cstr(order, "id", ""), *their_id = rk_json_cstr(order, "merchant_order_id", ""), *origin = rk_json_cstr(rk_json_obj(order, "merchant"), "origin", "");
  struct rk_db *mine = rk_store_db(store), *db = NULL;
  for (int i = 0; i < N_SELLERS; i++)
    if (strcmp(origins[i], origin) == 0) db = books[i];
  MUST(db != NULL);
  int64_t n = number(mine, charges, id);
  MUST(n == 1 + number(mine, changes, id));
  MUST(n == number(db, "SELECT COUNT(*) AS n FROM payments WHERE order_id=?", their_id)); /* no change twice, none lost */
  MUST(number(mine, ours, id) == number(db, theirs, their_id));
  check_places(db, their_id, order);
}

static int64_t payments(void) {
  int64_t n = 0;
  for (int i = 0; i < N_SELLERS; i++) n += number(books[i], "SELECT COUNT(*) AS n FROM payments WHERE ?<>'x'", "");
  return n;
}

static void check_books(int64_t before) {
  json_t *orders = rk_trade_orders(trade, user), *one, *found;
  size_t i;
  json_array_foreach(orders, i, one) check_order(one);
  MUST(payments() - before == number(rk_store_db(store), "SELECT COUNT(*) AS n FROM ledger WHERE kind='capture' AND ?<>'x'", "")); /* no charge without an order */
  MUST(rk_trade_audit(trade, &found, NULL) == RK_OK);
  MUST(rk_json_bool(found, "ok", false));
  json_decref(found);
  json_decref(orders);
}

static void batch(uint64_t s) {
  seed = batch_seed = s;
  rk_random_seed(s);
  rk_clock_simulate(START_MS);
  mem_vfs_clear();
  MUST(try_open());
  int64_t before = payments();
  for (change_no = 0; change_no < BATCH; change_no++) chance(20) ? one_stay() : one_change();
  settle_everything();
  check_books(before);
  close_buyer();
}

/* ---- start ---- */

static int64_t setting(const char *name, int64_t otherwise) {
  const char *v = getenv(name);
  int64_t n = otherwise;
  return v && rk_str_i64(rk_str_c(v), &n) && n > 0 ? n : otherwise;
}

static void read_profiles(void) {
  for (int i = 0; i < N_SELLERS; i++) {
    int32_t status;
    json_t *v = ask(i, "GET", "/v2026-08-25/.well-known/ucp", NULL, &status);
    json_object_set_new(rk_json_obj(json_array_get(rk_json_arr(rk_json_obj(rk_json_obj(v, "ucp"), "services"), RK_UCP_SERVICE), 0), "config"), "signed_responses", json_false());
    profiles[i] = rk_json_dump(v);
    json_decref(v);
  }
}

static int start(void **state) {
  (void)state;
  struct rk_error e = {0};
  const char *list[N_SELLERS];
  char path[300];
  if (access("/dev/shm", W_OK) == 0) {
    strcpy(data_dir, "/dev/shm/rk-ch-XXXXXX");
    strcpy(buyer_dir, "/dev/shm/rk-cb-XXXXXX");
  }
  agent_version = rk_ucp_version(0);
  if (open_shops(sellers, N_SELLERS) || !mkdtemp(buyer_dir)) return -1;
  for (int i = 0; i < N_SELLERS; i++) {
    list[i] = origins[i];
    if (rk_shop_db_path(sellers[i], data_dir, path, sizeof path, &e) || rk_shop_store_open(path, &books[i], &e)) return -1;
  }
  rk_log_level_set(RK_LOG_ERROR);
  read_profiles();
  mem_vfs_start();
  rk_clock_simulate(START_MS);
  return rk_merchants_new(&(struct rk_merchants_opts){.agent_profile_url = AGENT "/.well-known/ucp", .origins = list, .n_origins = N_SELLERS}, &merchants, &e) ? -1 : 0;
}

static int stop(void **state) {
  (void)state;
  rk_merchants_free(merchants);
  for (int i = 0; i < N_SELLERS; i++) rk_db_close(books[i]), free((char *)(uintptr_t)profiles[i]);
  nftw(buyer_dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
  return close_shops();
}

static void never_both_never_none(void **state) {
  (void)state;
  int64_t wanted = setting("CHANGE_SIM", IN_CHECK), first = setting("CHANGE_SEED", 1);
  for (int64_t i = 0; i * BATCH < wanted; i++) batch((uint64_t)(first + i));
  print_message("%ld orders (and %ld stays by booking sessions), %ld changes asked, %ld completed (%ld paid a difference, %ld got one back), %ld declined, %ld failed without a charge, %ld unknown for a while\n",
                sum.changes, sum.stays, sum.asked, sum.done, sum.paid, sum.back, sum.refused, sum.conflicts, sum.unknown);
  print_message("power cut %ld times (%ld at a write, %ld at an exchange, at steps", sum.crashes, sum.cut_write, sum.cut_net);
  for (int i = 1; i <= RK_TRADE_STEPS; i++) print_message(" %d: %ld", i, sum.steps[i]);
  print_message("); network: %ld lost, %ld late, %ld doubled, %ld damaged\n", sum.lost, sum.late, sum.doubled, sum.damaged);
  if (wanted < 1000) return; /* a replay, or under a sanitizer */
  for (int i = 1; i <= RK_TRADE_STEPS; i++) assert_true(sum.steps[i] > 0);
  assert_true(sum.done > wanted / 4 && sum.stays > wanted / 20 && sum.paid > 0 && sum.back > 0 && sum.conflicts > 0 && sum.unknown > 0 && sum.cut_write > 0 && sum.cut_net > 0 && sum.late > 0);
}

/* A seller that takes an order in exchange for a purchase, as it is made or after it was approved. */
static void what_nobody_offered_is_not_given(void **state) {
  (void)state;
  char item[160];
  seed = batch_seed = 1;
  mem_vfs_clear();
  MUST(try_open());
  json_t *order = NULL, *after;
  while (!order) order = some_place(3, item) ? buy(3, item, 1) : NULL;
  slipped_in = rk_json_cstr(order, "merchant_order_id", "");
  assert_null(want(3, item, 1));
  slipped_in = NULL;
  json_t *approval = want(3, item, 1);
  assert_non_null(approval);
  assert_int_equal(decide(approval, "approve"), RK_OK);
  slipped_in = rk_json_cstr(order, "merchant_order_id", "");
  assert_int_equal(rk_trade_complete(trade, rk_json_cstr(approval, "id", ""), &after, &(struct rk_error){0}), RK_ECONFLICT);
  slipped_in = NULL;
  json_decref(approval);
  json_decref(order);
  close_buyer();
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(what_nobody_offered_is_not_given), cmocka_unit_test(never_both_never_none)};
  return cmocka_run_group_tests(tests, start, stop);
}
