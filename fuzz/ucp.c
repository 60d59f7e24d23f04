/* Whatever a merchant answers: every reader ends, and a checkout that is taken adds up. */
#include "trade/ucp.h"

#include <stdint.h>
#include <string.h>

static void check(const struct rk_checkout *c) {
  int64_t sum = 0, total = -1;
  for (int32_t i = 0; i < c->n_totals; i++)
    if (strcmp(c->totals[i].type, "total") == 0) total = c->totals[i].minor;
    else sum += c->totals[i].minor;
  RK_ASSERT(sum == total && total >= 0 && c->n_lines > 0 && c->id[0]);
}

/* What else is read in a business's profile. */
static void judge_profile(const json_t *v) {
  struct rk_error e;
  const char *version;
  char url[300];
  if (rk_ucp_pick_version(v, "http://127.0.0.2:7110", &version, url, sizeof url, &e) == RK_OK) RK_ASSERT(version && strlen(url) < sizeof url);
  json_decref(rk_ucp_profile_faults(v));
  json_decref(rk_ucp_unknown_config(v));
  json_t *ours = rk_ucp_capabilities();
  json_decref(rk_ucp_negotiate(rk_json_obj(rk_json_obj(v, "ucp"), "capabilities"), ours));
  json_decref(ours);
}

/* A booking is read as the checkout that it says. */
static void read_booking(const json_t *v, const struct rk_ucp_merchant *m, struct rk_arena *a) {
  struct rk_error e = {RK_OK, ""};
  struct rk_checkout c;
  json_t *checkout;
  char first[RK_UCP_NAME_BYTES], last[RK_UCP_NAME_BYTES];
  (void)rk_ucp_part_name(rk_json_str(v, "id"), first, last);
  if (rk_ucp_booking_as_checkout(v, &checkout, &e)) return;
  if (rk_ucp_read_checkout(checkout, m, a, &c, &e) == RK_OK) check(&c);
  if (rk_ucp_read_completion(200, checkout, "bks_1", m, a, &c, &e) == RK_OUTCOME_DONE) check(&c);
  json_decref(checkout);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct rk_ucp_merchant m;
  struct rk_checkout c;
  struct rk_refund back;
  struct rk_offer *offers;
  struct rk_error e = {RK_OK, ""};
  int32_t n;
  char text[64], url[128];
  struct rk_option size_42 = {"shoes", "42"};
  struct rk_search q = {.query = "x", .sizes = &size_42, .n_sizes = 1};
  rk_ucp_agent_url((rk_str){(const char *)data, size}, url, sizeof url);
  json_t *v = rk_json_parse((rk_str){(const char *)data, size}, 1 << 20, &e);
  struct rk_arena *a = rk_arena_new(1 << 20);
  if (v && a) {
    if (rk_ucp_read_merchant(v, "http://127.0.0.2:7110", &m, &e)) m = (struct rk_ucp_merchant){.name = "m"};
    if (rk_ucp_read_offers(v, &m, &q, a, &offers, &n, &e) == RK_OK)
      for (int32_t i = 0; i < n; i++) RK_ASSERT(offers[i].unit_price.minor >= 0 && offers[i].item_id[0]);
    if (rk_ucp_read_checkout(v, &m, a, &c, &e) == RK_OK) check(&c);
    if (rk_ucp_read_completion(200, v, "c1", &m, a, &c, &e) == RK_OUTCOME_DONE) check(&c);
    if (rk_ucp_read_refund(v, &m, a, &back, &e) == RK_OK) RK_ASSERT(back.back_minor >= 0 && back.fee_minor >= 0 && back.id[0]);
    rk_ucp_error_text(v, text, sizeof text);
    read_booking(v, &m, a);
    judge_profile(v);
  }
  rk_arena_free(a);
  json_decref(v);
  return 0;
}
