/* Plans of four parts at real sellers: train out, train back, hotel, tickets.
 *
 * The shipped trade, store, client, protocol and shop code in one process; the
 * buyer's database on a disk in memory whose power is cut, the network a
 * function call that can lose, refuse and die at any exchange. Each fault is
 * put at every exchange, step and write of a plan's way, of the one that
 * succeeds and of those in which a part is declined. In the end the network
 * heals, the buyer reconciles, and the books of both sides must agree.
 *
 * PLAN_ALL=1: at every place; else at every fourth, another one for each fault. */
#include "shop/steps.h"

#include "base/limits.h"
#include "base/log.h"
#include "net/net.h"
#include "shop/travel.h"
#include "trade/internal.h"
#include "trade/mem_vfs.h"
#include "trade/tell.h"

enum { RAIL, HOTEL, TICKETS, N_SELLERS };
enum { OUT, BACK, ROOM, ZOO, N_PARTS };
enum fate { NOTHING, LOSE_REQUEST, LOSE_ANSWER, REFUSE, GARBAGE, DIE_BEFORE, DIE_AFTER, SHOP_DEAD, N_FATES };
static const char *const fate_names[] = {"nothing", "lose request", "lose answer", "refuse", "garbage", "die before", "die after", "shop dead"};
static const char *const sellers[] = {"shops/travel/tongtu", "shops/travel/yunqi", "shops/travel/changyou"};
static const int seller_of[N_PARTS] = {RAIL, RAIL, HOTEL, TICKETS};

/* ---- the network ---- */

static struct {
  int n;                          /* exchanges since the plan was approved */
  int at; enum fate fate;         /* the one that goes wrong, < 0: none */
  int dead;                       /* a seller that answers nothing until it is healed, < 0: none */
  int no_refunds;                 /* a seller whose profile names no refunds, < 0: none */
  char declined[N_PARTS][64];     /* checkouts whose payment is declined; "": none */
  char refused_refund[64];        /* an order that its seller does not give back any more */
  int n_refund_refusals;
  char done[64][96]; int n_done;  /* checkouts in the order of their completion */
} net;

static rk_str header_of(const struct rk_net_request *q, const char *name) {
  for (int32_t i = 0; i < q->n_headers; i++)
    if (strcasecmp(q->headers[i].name, name) == 0) return rk_str_c(q->headers[i].value);
  return (rk_str){0};
}

static void no_answer(struct rk_net_response *out, rk_err err) {
  out->err = err;
  out->sent = err == RK_ETIMEOUT;
  rk_fail(&out->error, err, "no answer");
  rk_sleep_ms(err == RK_ETIMEOUT ? 10000 : 1);
}

static void give(struct rk_net_response *out, int32_t status, const char *text) {
  out->err = RK_OK;
  out->status = status;
  out->sent = true;
  assert_int_equal(rk_buf_adds(&out->body, text), RK_OK);
}

static bool is_declined(const char *path) {
  for (int i = 0; i < N_PARTS; i++)
    if (net.declined[i][0] && strstr(path, net.declined[i]) && strstr(path, "/complete")) return true;
  return false;
}

/* What a seller answers goes out signed, as over HTTP. */
static void send_out(int seller, struct rk_shop_answer *a, const char *path, struct rk_net_response *out) {
  char *refund;
  if (net.no_refunds == seller && strstr(path, "/.well-known/ucp")) {
    char *profile = rk_json_dump(a->body);
    while ((refund = strstr(profile, RK_UCP_REFUND))) *refund = 'x';
    json_decref(a->body);
    a->body = rk_json_parse(rk_str_c(profile), 1 << 20, NULL);
    free(profile);
  }
  char *text = rk_shop_answer_text(shops[seller], a);
  give(out, a->status, text);
  if (a->content_type) assert_int_equal(rk_buf_addf(&out->headers, "Content-Type: %s\r\n", a->content_type), RK_OK);
  for (int32_t i = 0; i < a->n_headers; i++) assert_int_equal(rk_buf_addf(&out->headers, "%s: %s\r\n", a->headers[i].name, a->headers[i].value), RK_OK);
  free(text);
  rk_shop_answer_release(a);
}

static void handle(int seller, const struct rk_net_request *q, const char *path, struct rk_net_response *out) {
  struct rk_shop_answer a;
  rk_shop_handle(shops[seller], &(struct rk_shop_request){.method = rk_str_c(q->method), .path = rk_str_c(path), .agent = header_of(q, "UCP-Agent"),
                                                          .key = header_of(q, "Idempotency-Key"), .body = q->body}, &a);
  if (strstr(path, "/complete") && a.status == 200 && net.n_done < 64) snprintf(net.done[net.n_done++], sizeof net.done[0], "%s", path);
  send_out(seller, &a, path, out);
}

static void refuse(int seller, int32_t status, const char *code, const char *path, struct rk_net_response *out) {
  struct rk_shop_answer a = {.status = status, .body = json_pack("{s:s, s:s}", "code", code, "content", "not now")};
  send_out(seller, &a, path, out);
}

static bool refund_is_refused(const char *path) {
  if (!net.refused_refund[0] || !strstr(path, "/confirm")) return false;
  net.n_refund_refusals++;
  return true;
}

static void exchange(int seller, const struct rk_net_request *q, const char *path, struct rk_net_response *out) {
  enum fate fate = net.n++ == net.at ? net.fate : NOTHING;
  if (fate == SHOP_DEAD) net.dead = seller;
  if (fate == DIE_BEFORE) disk.off = true;
  if (disk.off || net.dead == seller) return no_answer(out, RK_EUNAVAIL);
  if (fate == LOSE_REQUEST) return no_answer(out, RK_ETIMEOUT);
  if (fate == REFUSE) return refuse(seller, 409, "conflict", path, out);
  if (is_declined(path)) return refuse(seller, 422, "payment_failed", path, out);
  if (refund_is_refused(path)) return refuse(seller, 409, "conflict", path, out);
  handle(seller, q, path, out);
  if (fate == DIE_AFTER) disk.off = true;
  if (fate == GARBAGE) memset(out->body.p, '<', out->body.n / 2);
  if (fate == LOSE_ANSWER || fate == DIE_AFTER) {
    rk_buf_clear(&out->body);
    no_answer(out, RK_ETIMEOUT);
  }
}

void rk_net_fetch(struct rk_net *n, const struct rk_net_request *q, struct rk_net_response *out) {
  (void)n;
  *out = (struct rk_net_response){0};
  rk_buf_init(&out->body, 1 << 20);
  rk_buf_init(&out->headers, 16384);
  rk_sleep_ms(5);
  for (int i = 0; i < n_shops; i++)
    if (rk_str_starts(rk_str_c(q->url), rk_str_c(origins[i]))) return exchange(i, q, q->url + strlen(origins[i]), out);
  no_answer(out, RK_EUNAVAIL);
}

void rk_net_fetch_all(struct rk_net *n, const struct rk_net_request *q, struct rk_net_response *out, int32_t count) {
  for (int32_t i = 0; i < count; i++) rk_net_fetch(n, &q[i], &out[i]);
}
void rk_net_response_release(struct rk_net_response *r) {
  rk_buf_release(&r->body);
  rk_buf_release(&r->headers);
}
rk_str rk_net_header(const struct rk_net_response *r, const char *name) {
  rk_str rest = rk_buf_str(&r->headers), line, name_of, value;
  while (rest.n) {
    rk_str_cut(rest, '\n', &line, &rest);
    if (rk_str_cut(line, ':', &name_of, &value) && name_of.n == strlen(name) && strncasecmp(name_of.p, name, name_of.n) == 0) return rk_str_trim(value);
  }
  return (rk_str){0};
}
rk_err rk_net_allow(struct rk_net *n, const char *origin) { (void)n, (void)origin; return RK_OK; }
bool rk_net_origin_matches(const char *allowed, const char *origin) { return strcmp(allowed, origin) == 0; }
rk_err rk_net_origin(const char *url, char *out, size_t size) {
  const char *end = strchr(url + strlen("http://"), '/');
  snprintf(out, size, "%.*s", end ? (int)(end - url) : (int)strlen(url), url);
  return RK_OK;
}

/* ---- the buyer ---- */

static char buyer_dir[] = "/tmp/rukou-plan-XXXXXX";
static struct rk_store *store;
static struct rk_merchants *merchants;
static struct rk_trade *trade;
static struct rk_error e;
static int n_steps, die_at_step = -1;

static void on_step(enum rk_trade_step step) {
  (void)step;
  if (n_steps++ == die_at_step) disk.off = true;
}

static bool try_open(void) {
  struct rk_error why = {0};
  rk_err err = rk_store_open(buyer_dir, &store, &why);
  if (!err) err = rk_trade_new(&(struct rk_trade_opts){store, merchants, key}, &trade, &why);
  if (err) {
    if (store) rk_store_close(store);
    store = NULL;
    if (!disk.off) fail_msg("%s", why.msg);
    return false;
  }
  assert_string_equal(trade->broken, "");
  trade->retry_wait_ms = 1;
  trade->on_step = on_step;
  return true;
}

static void close_buyer(void) {
  if (trade) rk_trade_free(trade);
  if (store) rk_store_close(store);
  trade = NULL;
  store = NULL;
}

static const char *user(void) { return rk_store_local_user(store); }

static void fresh_merchants(void) {
  rk_merchants_free(merchants);
  const char *list[N_SELLERS];
  for (int i = 0; i < N_SELLERS; i++) list[i] = origins[i];
  assert_int_equal(rk_merchants_new(&(struct rk_merchants_opts){.agent_profile_url = AGENT "/.well-known/ucp", .origins = list, .n_origins = N_SELLERS, .key = key}, &merchants, &e), RK_OK);
}

static void disarm(void) {
  net.at = net.dead = -1;
  die_at_step = -1;
  disk.writes_left = -1;
}

static int setup(void **state) {
  (void)state;
  memset(&net, 0, sizeof net);
  net.no_refunds = -1;
  disarm();
  mem_vfs_clear();
  fresh_merchants();
  assert_true(try_open());
  return 0;
}

static int teardown(void **state) {
  (void)state;
  close_buyer();
  return 0;
}

/* The power is gone: the next process goes on from what was synced. */
static void live_again(void) {
  disarm();
  close_buyer();
  mem_vfs_restart(NULL);
  assert_true(try_open());
}

/* ---- the plan ---- */

static int day_no, ahead_of_today = 3; /* another day for each plan: places are few */

static void day_of(int ahead, char out[32]) {
  rk_time_rfc3339(rk_now_ms() + 8 * 3600000 + (int64_t)ahead * 86400000, out);
  out[10] = 0;
}

/* An item of the seller with places left whose id holds `with`. */
static void pick(int seller, const char *query, const char *with, int skip, char item[160]) {
  json_t *found = search(seller, query), *product, *v;
  size_t i, k;
  item[0] = 0;
  json_array_foreach(rk_json_arr(found, "products"), i, product) {
    json_array_foreach(rk_json_arr(product, "variants"), k, v) {
      const char *id = rk_json_cstr(v, "id", "");
      if (!strstr(id, with) || left(v) < 2) continue;
      snprintf(item, 160, "%s", id);
      if (skip-- <= 0) goto end;
    }
  }
end:
  json_decref(found);
  if (!item[0]) fail_msg("no place for %s with %s", query, with);
}

static rk_err hold(int seller, const char *item, char id[37]) {
  static const struct rk_traveler one = {"张伟", false};
  struct rk_arena *a = rk_arena_new(8 << 20);
  struct rk_line line = {.item_id = item, .quantity = 1};
  struct rk_checkout co;
  json_t *approval = NULL, *terms, *asked, *paid_with = json_pack("{s:s, s:s, s:s}", "id", "card", "kind", "card", "label", "Card");
  rk_err err = rk_merchant_checkout_create(merchants, &(struct rk_checkout_req){.origin = origins[seller], .lines = &line, .n_lines = 1, .travelers = &one,
                                                                              .n_travelers = seller == TICKETS ? 0 : 1, .lang = "zh"}, a, &co, &e);
  if (!err) {
    assert_int_equal(co.status, RK_CO_READY);
    terms = rk_terms_project(&co, &(struct rk_terms_extra){NULL, paid_with, rk_trade_expiry(&co)}, &e);
    asked = rk_trade_asked(&co, "zh");
    err = rk_trade_store_approval(trade, &(struct rk_draft){.user_id = user(), .chat_id = "c", .turn_id = "t", .origin = co.origin, .checkout_id = co.id, .terms = terms,
                                                            .demo = true, .asked = asked, .ask = true}, &approval, &e);
    json_decref(asked);
    json_decref(terms);
    snprintf(id, 37, "%s", rk_json_cstr(approval, "id", ""));
  }
  json_decref(approval);
  json_decref(paid_with);
  rk_arena_free(a);
  return err;
}

static struct plan { char id[37], part[N_PARTS][37], checkout[N_PARTS][64], sheet[65]; } plan;

static void note_checkout(int i) {
  json_t *row = rk_store_approval(store, plan.part[i]);
  snprintf(plan.checkout[i], sizeof plan.checkout[i], "%s", rk_json_cstr(row, "checkout_id", ""));
  json_decref(row);
}

static void read_sheet(void) {
  json_t *v = rk_trade_plan(trade, user(), plan.id);
  snprintf(plan.sheet, sizeof plan.sheet, "%s", rk_json_cstr(v, "sheet_hash", ""));
  json_decref(v);
}

/* Train out, train back, a room, tickets: held, and one sheet. */
static void make_plan(const char *room) {
  char out[32], back[32], query[200], item[160];
  int ahead = ahead_of_today + day_no++ % 20;
  day_of(ahead, out);
  day_of(ahead + 1, back);
  snprintf(query, sizeof query, "{\"from\":\"上海\",\"to\":\"北京\",\"date\":\"%s\"}", out);
  pick(RAIL, query, ".second.adult", day_no / 20 % 4, item);
  if (hold(RAIL, item, plan.part[OUT])) fail_msg("%s: %s", item, e.msg);
  snprintf(query, sizeof query, "{\"from\":\"北京\",\"to\":\"上海\",\"date\":\"%s\"}", back);
  pick(RAIL, query, ".second.adult", day_no / 20 % 4, item);
  if (hold(RAIL, item, plan.part[BACK])) fail_msg("%s: %s", item, e.msg);
  snprintf(query, sizeof query, "{\"city\":\"北京\",\"date\":\"%s\",\"end_date\":\"%s\"}", out, back);
  pick(HOTEL, query, room, 0, item);
  if (hold(HOTEL, item, plan.part[ROOM])) fail_msg("%s: %s", item, e.msg);
  snprintf(query, sizeof query, "{\"city\":\"北京\",\"date\":\"%s\"}", out);
  pick(TICKETS, query, ".adult", 0, item);
  if (hold(TICKETS, item, plan.part[ZOO])) fail_msg("%s: %s", item, e.msg);
  const char *ids[] = {plan.part[0], plan.part[1], plan.part[2], plan.part[3]};
  json_t *made = NULL;
  if (rk_trade_plan_new(trade, user(), "北京周末", ids, N_PARTS, &made, &e)) fail_msg("%s", e.msg);
  snprintf(plan.id, sizeof plan.id, "%s", rk_json_cstr(made, "id", ""));
  json_decref(made);
  for (int i = 0; i < N_PARTS; i++) note_checkout(i);
  read_sheet();
  memset(net.declined, 0, sizeof net.declined);
  net.n_done = 0;
}

static void approve(void) {
  read_sheet();
  if (rk_trade_plan_decide(trade, user(), "page", plan.id, "approve", plan.sheet, &e)) fail_msg("%s", e.msg);
  net.n = n_steps = 0;
}

static void decline(int part) { snprintf(net.declined[part], sizeof net.declined[0], "%s", plan.checkout[part]); }

static rk_err complete_plan(void) {
  json_t *result = NULL;
  rk_err err = rk_trade_plan_complete(trade, plan.id, &result, &e);
  json_decref(result);
  return err;
}

/* The network heals, and the plan comes to its end. */
static void settle(void) {
  int32_t n_open = -1;
  if (disk.off) live_again();
  disarm();
  for (int i = 0; n_open && i < 30; i++) {
    assert_int_equal(rk_trade_reconcile(trade, &n_open, &e), RK_OK);
    if (n_open) rk_sleep_ms(180000);
  }
  assert_int_equal(n_open, 0);
}

static json_t *result_of(void) {
  json_t *v = rk_trade_plan(trade, user(), plan.id), *r = json_incref(rk_json_obj(v, "result"));
  json_decref(v);
  assert_non_null(r);
  return r;
}

static const json_t *part_of(const json_t *result, int i) { return json_array_get(rk_json_arr(result, "parts"), (size_t)i); }
static const char *state_at(const json_t *result, int i) { return rk_json_cstr(part_of(result, i), "state", ""); }

/* ---- the books of both sides ---- */

static int64_t paid_back(const json_t *order) {
  int64_t sum = 0;
  size_t i;
  json_t *one;
  json_array_foreach(rk_json_arr(order, "adjustments"), i, one)
    sum -= rk_json_i64(json_array_get(rk_json_arr(one, "totals"), 0), "amount", 0);
  return sum;
}

/* What the seller says of a part is what the buyer was told. */
static void check_part(const json_t *result, int i) {
  const json_t *part = part_of(result, i);
  const char *state = state_at(result, i);
  char path[200];
  int32_t status;
  snprintf(path, sizeof path, "/checkout-sessions/%s", plan.checkout[i]);
  json_t *co = ask(seller_of[i], "GET", path, NULL, &status), *order = NULL;
  bool bought = is(co, "completed");
  if (bought) {
    snprintf(path, sizeof path, "/orders/%s", rk_json_cstr(rk_json_obj(co, "order"), "id", ""));
    order = ask(seller_of[i], "GET", path, NULL, &status);
    assert_int_equal(status, 200);
    assert_string_equal(rk_json_cstr(rk_json_obj(co, "order"), "id", ""), rk_json_cstr(part, "merchant_order_id", ""));
    assert_int_equal(total_of(co), rk_json_i64(part, "paid_minor", -1));
    assert_int_equal(paid_back(order), rk_json_i64(part, "back_minor", -1));
  }
  if (strcmp(state, "stands") == 0) assert_true(bought && paid_back(order) == 0);
  else if (strcmp(state, "refunded") == 0) assert_true(bought && paid_back(order) > 0 && paid_back(order) + rk_json_i64(part, "fee_minor", -1) == total_of(co));
  else if (strcmp(state, "released") == 0 || strcmp(state, "failed") == 0) assert_true(!bought && rk_json_i64(part, "paid_minor", -1) == 0);
  else fail_msg("part %d has the state %s in the end", i, state);
  json_decref(order);
  json_decref(co);
}

static void check_audit(void) {
  json_t *found, *one;
  size_t i;
  assert_int_equal(rk_trade_audit(trade, &found, &e), RK_OK);
  json_array_foreach(rk_json_arr(found, "checks"), i, one)
    if (!rk_json_bool(one, "ok", false)) fail_msg("audit: %s: %lld", rk_json_cstr(one, "check", ""), (long long)rk_json_i64(one, "wrong", 0));
  json_decref(found);
}

/* Charges and refunds of the ledger are those of the result. */
static void check_ledger(const json_t *result) {
  json_t *entries = rk_trade_ledger(trade, user()), *one;
  const json_t *sum = rk_json_obj(rk_json_obj(result, "totals"), "CNY");
  int64_t paid = 0, back = 0;
  size_t i;
  json_array_foreach(entries, i, one) {
    if (rk_str_eq_c(rk_json_str(one, "kind"), "capture")) paid += rk_json_i64(one, "amount_minor", 0);
    if (rk_str_eq_c(rk_json_str(one, "kind"), "refund")) back += rk_json_i64(one, "amount_minor", 0);
  }
  assert_int_equal(paid, rk_json_i64(sum, "paid_minor", -1));
  assert_int_equal(back, rk_json_i64(sum, "back_minor", -1));
  assert_int_equal(paid - back, rk_json_i64(sum, "cost_minor", -1));
  json_decref(entries);
}

static int count_state(const json_t *result, const char *state) {
  int n = 0;
  for (int i = 0; i < N_PARTS; i++) n += strcmp(state_at(result, i), state) == 0;
  return n;
}

/* Whatever happened: it has an end, both sides say the same, and all stands or nothing does, but for what is named. */
static void check_end(void) {
  json_t *result = result_of();
  const char *state = rk_json_cstr(result, "state", "");
  int stands = count_state(result, "stands");
  for (int i = 0; i < N_PARTS; i++) check_part(result, i);
  check_ledger(result);
  check_audit();
  if (strcmp(state, "completed") == 0) assert_int_equal(stands, N_PARTS);
  else if (strcmp(state, "undone") == 0) assert_int_equal(stands, 0);
  else {
    assert_string_equal(state, "partial");
    for (int i = 0; i < N_PARTS; i++)
      if (strcmp(state_at(result, i), "stands") == 0) assert_string_not_equal(rk_json_cstr(part_of(result, i), "why", ""), "");
    assert_true(stands > 0);
  }
  json_decref(result);
}

/* ---- the straight way ---- */

static void what_is_lost_least_is_paid_first(void **state) {
  (void)state;
  make_plan("-saver");
  json_t *v = rk_trade_plan(trade, user(), plan.id), *result;
  const json_t *parts = rk_json_arr(v, "approvals");
  assert_null(rk_json_obj(json_array_get(parts, ROOM), "undo"));
  assert_int_equal(rk_json_i64(rk_json_obj(json_array_get(parts, ZOO), "undo"), "fee_minor", -1), 0);
  assert_string_equal(rk_json_cstr(v, "on_failure", ""), "undo");
  json_decref(v);
  assert_int_equal(complete_plan(), RK_EFORBIDDEN);
  approve();
  assert_int_equal(complete_plan(), RK_OK);
  static const int order[] = {ZOO, -1, -1, ROOM}; /* free; five percent; nothing back */
  assert_int_equal(net.n_done, N_PARTS);
  for (int i = 0; i < N_PARTS; i++)
    if (order[i] >= 0) assert_non_null(strstr(net.done[i], plan.checkout[order[i]]));
  result = result_of();
  assert_string_equal(rk_json_cstr(result, "state", ""), "completed");
  assert_string_equal(rk_json_cstr(part_of(result, ROOM), "what_can_be_done", ""), "order_page");
  assert_string_equal(rk_json_cstr(part_of(result, OUT), "what_can_be_done", ""), "cancel");
  json_decref(result);
  check_end();
  int n = net.n;
  assert_int_equal(complete_plan(), RK_OK); /* once more sends nothing */
  assert_int_equal(net.n, n);
  assert_int_equal(rk_db_run(rk_store_db(store), &e, "UPDATE plans SET state='undone' WHERE id=?", "t", plan.id), RK_OK); /* what is not so is seen */
  assert_int_equal(rk_trade_audit(trade, &result, &e), RK_OK);
  assert_false(rk_json_bool(result, "ok", true));
  json_decref(result);
}

static void a_declined_part_undoes_the_others(void **state) {
  (void)state;
  for (int part = 0; part < N_PARTS; part++) {
    make_plan("-flex");
    decline(part);
    approve();
    assert_int_equal(complete_plan(), RK_OK);
    json_t *result = result_of();
    assert_string_equal(rk_json_cstr(result, "state", ""), "undone");
    assert_string_equal(state_at(result, part), "failed");
    assert_int_equal(count_state(result, "failed"), 1);
    assert_int_equal(count_state(result, "refunded") + count_state(result, "released"), N_PARTS - 1);
    assert_string_equal(rk_json_cstr(part_of(result, part), "why", ""), "payment_refused");
    json_decref(result);
    check_end();
    teardown(NULL), setup(NULL);
  }
}

static void parts_are_kept_when_the_sheet_says_so(void **state) {
  (void)state;
  make_plan("-flex");
  char before[65];
  memcpy(before, plan.sheet, sizeof before);
  assert_int_equal(rk_trade_plan_edit(trade, user(), "key", plan.id, "keep", &e), RK_EFORBIDDEN);
  assert_int_equal(rk_trade_plan_edit(trade, user(), "page", plan.id, "burn", &e), RK_EINVAL);
  assert_int_equal(rk_trade_plan_edit(trade, "somebody", "page", plan.id, "keep", &e), RK_ENOTFOUND);
  assert_int_equal(rk_trade_plan_edit(trade, user(), "page", plan.id, "keep", &e), RK_OK);
  assert_int_equal(rk_trade_plan_decide(trade, user(), "page", plan.id, "approve", before, &e), RK_ECONFLICT); /* another sheet */
  decline(OUT);
  approve();
  assert_int_equal(rk_trade_plan_edit(trade, user(), "page", plan.id, "undo", &e), RK_EGONE);
  assert_int_equal(complete_plan(), RK_OK);
  json_t *result = result_of();
  assert_string_equal(rk_json_cstr(result, "state", ""), "partial");
  assert_string_equal(state_at(result, OUT), "failed");
  assert_int_equal(count_state(result, "stands"), 3);
  for (int i = 0; i < N_PARTS; i++) check_part(result, i);
  check_ledger(result);
  json_decref(result);
  check_audit();
}

static void other_terms_are_found_before_anything_is_paid(void **state) {
  (void)state;
  make_plan("-flex");
  approve();
  char path[200];
  int32_t status;
  snprintf(path, sizeof path, "/checkout-sessions/%s/cancel", plan.checkout[BACK]); /* the seller has let it go */
  json_decref(ask(RAIL, "POST", path, json_object(), &status));
  assert_int_equal(complete_plan(), RK_OK);
  assert_int_equal(net.n_done, 0);
  json_t *result = result_of();
  assert_string_equal(rk_json_cstr(result, "state", ""), "undone");
  assert_string_equal(state_at(result, BACK), "failed");
  assert_int_equal(count_state(result, "released"), 3);
  assert_int_equal(rk_json_i64(rk_json_obj(rk_json_obj(result, "totals"), "CNY"), "cost_minor", -1), 0);
  json_decref(result);
  check_end();
}

static void a_plan_that_is_too_late_costs_nothing(void **state) {
  (void)state;
  make_plan("-flex");
  approve();
  rk_sleep_ms(RK_APPROVAL_TTL_MS - 10000);
  assert_int_equal(complete_plan(), RK_OK);
  assert_int_equal(net.n_done, 0);
  check_end();
}

/* ---- what cannot be given back ---- */

static void who_takes_nothing_back_is_paid_last(void **state) {
  (void)state;
  net.no_refunds = TICKETS;
  make_plan("-flex");
  json_t *v = rk_trade_plan(trade, user(), plan.id);
  assert_null(rk_json_obj(json_array_get(rk_json_arr(v, "approvals"), ZOO), "undo"));
  json_decref(v);
  decline(ZOO);
  approve();
  assert_int_equal(complete_plan(), RK_OK);
  json_t *result = result_of();
  assert_string_equal(state_at(result, ZOO), "failed");
  assert_int_equal(count_state(result, "refunded"), 3);
  json_decref(result);
  check_end();
}

/* A seller whose capability is gone when it is needed: nothing is sent, the part stands and the user is told where to go. */
static void a_seller_that_stops_taking_back_keeps_its_part(void **state) {
  (void)state;
  make_plan("-flex");
  decline(OUT);
  decline(BACK);
  approve();
  net.no_refunds = TICKETS;
  fresh_merchants();
  trade->merchants = merchants;
  assert_int_equal(complete_plan(), RK_OK);
  json_t *result = result_of();
  assert_string_equal(rk_json_cstr(result, "state", ""), "partial");
  assert_string_equal(state_at(result, ZOO), "stands");
  assert_string_equal(rk_json_cstr(part_of(result, ZOO), "why", ""), "no_request");
  assert_string_equal(rk_json_cstr(part_of(result, ZOO), "what_can_be_done", ""), "order_page");
  json_decref(result);
  check_end();
}

static void a_refused_refund_is_asked_again_and_then_named(void **state) {
  (void)state;
  make_plan("-flex");
  decline(OUT);
  decline(BACK);
  strcpy(net.refused_refund, "any");
  approve();
  assert_int_equal(complete_plan(), RK_OK);
  json_t *result = result_of();
  assert_string_equal(rk_json_cstr(result, "state", ""), "partial");
  assert_int_equal(net.n_refund_refusals, 3 * count_state(result, "stands"));
  assert_string_equal(rk_json_cstr(part_of(result, ZOO), "why", ""), "undo_refused");
  json_decref(result);
  check_end();
}

static int64_t start_of(int part) {
  struct rk_travel_item item;
  json_t *row = rk_store_approval(store, plan.part[part]);
  assert_true(rk_travel_find_item(rk_shop_catalog(shops[RAIL])->travel, rk_json_str(json_array_get(rk_json_arr(rk_json_obj(row, "terms"), "lines"), 0), "item_id"), &item));
  json_decref(row);
  return item.service.starts_ms;
}

/* The fee rises between the sheet and the undoing: nobody has agreed to that. */
static void a_higher_fee_than_the_sheet_says_is_not_paid(void **state) {
  (void)state;
  enum { TWO_DAYS_MS = 172800000, MINUTE = 60000 };
  day_no = 0;
  make_plan("-saver");
  rk_clock_simulate(start_of(OUT) - TWO_DAYS_MS - 5 * MINUTE); /* 5 percent now, 10 in five minutes */
  teardown(NULL), setup(NULL);
  ahead_of_today = 2, day_no = 0;
  make_plan("-saver");
  decline(ROOM);
  approve();
  json_t *row = rk_store_approval(store, plan.part[OUT]), *result;
  assert_int_equal(start_of(OUT) - TWO_DAYS_MS - 5 * MINUTE, rk_now_ms() / MINUTE * MINUTE);
  assert_int_equal(rk_trade_undo_fee(row), (rk_json_i64(row, "total_minor", 0) * 5 + 99) / 100);
  json_decref(row);
  rk_sleep_ms(6 * MINUTE);
  assert_int_equal(complete_plan(), RK_OK);
  result = result_of();
  assert_string_equal(rk_json_cstr(result, "state", ""), "partial");
  assert_string_equal(state_at(result, OUT), "stands");
  assert_string_equal(rk_json_cstr(part_of(result, OUT), "why", ""), "fee_higher");
  assert_string_equal(rk_json_cstr(part_of(result, OUT), "what_can_be_done", ""), "cancel");
  assert_string_equal(state_at(result, BACK), "refunded");
  json_decref(result);
  check_end();
  ahead_of_today = 3;
}

/* ---- holds first ---- */

struct wishes { struct rk_arena *arena; struct rk_prepare parts[N_PARTS]; };

static const struct rk_offer *wish(struct wishes *w, const struct rk_travel_ask *ask, const char *with) {
  struct rk_offer *offers;
  struct rk_shop_report *reports;
  int32_t n, n_reports;
  if (rk_merchants_search(merchants, &(struct rk_search){.query = "", .lang = "zh", .travel = ask}, w->arena, &offers, &n, &reports, &n_reports, &e)) fail_msg("%s", e.msg);
  for (int32_t i = 0; i < n; i++) {
    if (!strstr(offers[i].item_id, with) || offers[i].stock < 2) continue;
    assert_int_equal(rk_offer_price(&offers[i], 1, ""), RK_OK);
    return &offers[i];
  }
  fail_msg("nothing with %s", with);
  return NULL;
}

static void make_wishes(struct wishes *w) {
  static const struct rk_traveler one = {"张伟", false};
  static char out[32], back[32];
  int ahead = ahead_of_today + day_no++ % 20;
  day_of(ahead, out);
  day_of(ahead + 1, back);
  w->arena = rk_arena_new(32 << 20);
  const struct rk_offer *offers[N_PARTS] = {
      [OUT] = wish(w, &(struct rk_travel_ask){.kind = "train", .from = "上海", .to = "北京", .date = out}, ".second.adult"),
      [BACK] = wish(w, &(struct rk_travel_ask){.kind = "train", .from = "北京", .to = "上海", .date = back}, ".second.adult"),
      [ROOM] = wish(w, &(struct rk_travel_ask){.kind = "stay", .city = "北京", .date = out, .end_date = back}, "-flex"),
      [ZOO] = wish(w, &(struct rk_travel_ask){.kind = "ticket", .city = "北京", .date = out}, ".adult")};
  for (int i = 0; i < N_PARTS; i++)
    w->parts[i] = (struct rk_prepare){.user_id = user(), .chat_id = "c", .turn_id = "t", .offer = offers[i], .travelers = &one, .n_travelers = i != ZOO, .deliver_by = "", .lang = "zh"};
}

/* What was held for a plan that does not come about is let go: here and there. */
static void check_dropped(void) {
  json_t *pending = rk_store_approvals_in_state(store, "pending"), *refused = rk_store_approvals_in_state(store, "refused"), *one;
  size_t i;
  assert_int_equal(json_array_size(pending), 0);
  json_array_foreach(refused, i, one) {
    char path[200];
    int32_t status, seller = 0;
    while (strcmp(origins[seller], rk_json_cstr(one, "merchant_origin", "")) != 0) seller++;
    snprintf(path, sizeof path, "/checkout-sessions/%s", rk_json_cstr(one, "checkout_id", ""));
    json_t *co = ask(seller, "GET", path, NULL, &status);
    assert_true(is(co, "canceled"));
    json_decref(co);
  }
  json_decref(refused);
  json_decref(pending);
}

static void what_was_held_for_a_plan_is_let_go(void **state) {
  teardown(state);
  bool reached = true;
  for (int at = 0; reached; at++) {
    setup(NULL);
    struct wishes w;
    int32_t held = 0;
    char ids[N_PARTS][37];
    const char *list[N_PARTS] = {ids[0], ids[1], ids[2], ids[3]};
    rk_err err = RK_OK;
    make_wishes(&w);
    net.n = 0;
    net.at = at;
    net.fate = at % 2 ? REFUSE : LOSE_REQUEST;
    while (!err && held < N_PARTS) {
      json_t *a = NULL;
      err = rk_trade_prepare(trade, &w.parts[held], &a, &e);
      if (!err) snprintf(ids[held++], sizeof ids[0], "%s", rk_json_cstr(a, "id", ""));
      json_decref(a);
    }
    reached = net.n > at;
    assert_true(err || !reached); /* a part is created by one exchange */
    disarm();
    assert_int_equal(rk_trade_plan_drop(trade, user(), list, held, &e), RK_OK);
    check_dropped();
    rk_arena_free(w.arena);
    teardown(NULL);
  }
  setup(NULL);
}

static int count_asked(const char *approval_id, bool in_plan) {
  json_t *events = rk_store_events(store, user(), 0, 1000), *one;
  size_t i;
  int n = 0;
  json_array_foreach(events, i, one) {
    const json_t *a = rk_json_obj(rk_json_obj(one, "data"), "approval");
    n += rk_str_eq_c(rk_json_str(one, "type"), "approval_request") && rk_str_eq_c(rk_json_str(a, "id"), approval_id) && rk_json_bool(a, "in_plan", false) == in_plan;
  }
  json_decref(events);
  return n;
}

/* The others could not be had: what was held for the plan is asked for as any purchase. */
static void a_part_that_is_left_alone_is_asked_for(void **state) {
  (void)state;
  struct wishes w;
  json_t *a = NULL;
  make_wishes(&w);
  w.parts[ZOO].in_plan = true;
  assert_int_equal(rk_trade_prepare(trade, &w.parts[ZOO], &a, &e), RK_OK);
  const char *id = rk_json_cstr(a, "id", "");
  assert_true(count_asked(id, true) == 1 && count_asked(id, false) == 0);
  assert_int_equal(rk_trade_ask_alone(trade, "somebody", id, &e), RK_ENOTFOUND);
  assert_int_equal(rk_trade_ask_alone(trade, user(), id, &e), RK_OK);
  assert_true(count_asked(id, true) == 1 && count_asked(id, false) == 1);
  json_decref(a);
  w.parts[ZOO].in_plan = false;
  assert_int_equal(rk_trade_prepare(trade, &w.parts[ZOO], &a, &e), RK_OK);
  assert_int_equal(rk_trade_ask_alone(trade, user(), rk_json_cstr(a, "id", ""), &e), RK_OK);
  assert_int_equal(count_asked(rk_json_cstr(a, "id", ""), false), 1);
  json_decref(a);
  rk_arena_free(w.arena);
}

/* ---- every fault at every place ---- */

static int n_runs, n_deaths, stride = 4;
static const char *what;

/* One plan with its faults armed by the caller. */
static void see_it_through(void) {
  n_runs++;
  rk_err err = complete_plan();
  if (disk.off) n_deaths++, live_again();
  else if (err && err != RK_EUNAVAIL) fail_msg("%s: %s", what, e.msg);
  settle();
  check_end();
}

static void begin(int declined) {
  setup(NULL);
  make_plan(day_no % 3 ? "-flex" : "-saver");
  if (declined >= 0) decline(declined);
  approve();
}

static void each_fault_at_each_exchange(void **state) {
  teardown(state);
  for (int declined = -1; declined < N_PARTS; declined++)
    for (enum fate fate = LOSE_REQUEST; fate < N_FATES; fate++)
      for (int at = (declined + (int)fate) % stride, reached = 1; reached; at += stride) {
        begin(declined);
        net.at = at;
        net.fate = fate;
        what = fate_names[fate];
        see_it_through();
        reached = net.n > at;
        if (!reached) assert_true(at > 10);
        teardown(NULL);
      }
  print_message("%d plans, power cut in %d\n", n_runs, n_deaths);
  setup(NULL);
}

static void the_power_goes_at_each_step_and_write(void **state) {
  teardown(state);
  for (int declined = -1; declined < N_PARTS; declined++) {
    what = "step";
    for (int at = (declined + 1) % stride, reached = 1; reached; at += stride) {
      begin(declined);
      die_at_step = at;
      see_it_through();
      reached = n_steps > at;
      teardown(NULL);
    }
    what = "write";
    for (int at = 0, deaths = -1; deaths != n_deaths; at += stride + at / 8) {
      begin(declined);
      disk.writes_left = at;
      deaths = n_deaths;
      see_it_through();
      teardown(NULL);
    }
  }
  print_message("%d plans, power cut in %d\n", n_runs, n_deaths);
  setup(NULL);
}

/* Many faults at once, in any order, while it is undone too; each seed replays by itself. */
static void any_faults_end_well(void **state) {
  static const enum fate often[] = {LOSE_REQUEST, LOSE_ANSWER, REFUSE, GARBAGE, DIE_BEFORE, DIE_AFTER};
  int n_seeds = getenv("PLAN_ALL") ? 400 : 60;
  teardown(state);
  what = "storm";
  for (int i = 1; i <= n_seeds; i++) {
    unsigned long long seed = (unsigned)i * 0x9e3779b97f4a7c15ULL;
#define DICE(n) (int)((seed = seed * 6364136223846793005ULL + 1442695040888963407ULL) >> 33) % (n)
    begin(DICE(N_PARTS + 2) - 2);
    if (DICE(4) == 0) decline(DICE(N_PARTS));
    for (int tries = 0; tries < 6; tries++) {
      net.at = net.n + DICE(14);
      net.fate = often[DICE(6)];
      if (DICE(3) == 0) disk.writes_left = DICE(120);
      if (complete_plan() == RK_OK && !disk.off) break;
      if (disk.off) n_deaths++, live_again();
      rk_sleep_ms(DICE(120000));
    }
    n_runs++;
    settle();
    check_end();
    teardown(NULL);
  }
  print_message("%d plans, power cut in %d\n", n_runs, n_deaths);
  setup(NULL);
}

int main(void) {
#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
  const struct CMUnitTest tests[] = {
      T(what_is_lost_least_is_paid_first), T(a_declined_part_undoes_the_others), T(parts_are_kept_when_the_sheet_says_so), T(other_terms_are_found_before_anything_is_paid),
      T(a_plan_that_is_too_late_costs_nothing), T(who_takes_nothing_back_is_paid_last), T(a_seller_that_stops_taking_back_keeps_its_part),
      T(a_refused_refund_is_asked_again_and_then_named), T(a_higher_fee_than_the_sheet_says_is_not_paid), T(what_was_held_for_a_plan_is_let_go), T(a_part_that_is_left_alone_is_asked_for), T(each_fault_at_each_exchange), T(the_power_goes_at_each_step_and_write), T(any_faults_end_well)};
  rk_log_level_set(RK_LOG_ERROR);
  if (getenv("PLAN_ALL")) stride = 1;
  if (open_shops(sellers, N_SELLERS) || !mkdtemp(buyer_dir)) return 1;
  mem_vfs_start();
  rk_clock_simulate(rk_now_ms());
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  rk_merchants_free(merchants);
  nftw(buyer_dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
  return close_shops() || failed;
}
