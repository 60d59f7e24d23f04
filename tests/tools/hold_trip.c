/* hold_trip: train out, train back, a room and tickets held at three running
 * sellers over HTTP, for a test of plans without a model:
 *
 *   hold_trip DATA PORT RAIL HOTEL TICKETS FROM TO OUT BACK
 *
 * DATA is the directory of a server that does not run; PORT is the port that
 * its profile is served at meanwhile; sellers are origins, days YYYY-MM-DD.
 * Prints the ids of the pending approvals as a JSON list. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "http/http.h"
#include "trade/trade.h"
#include "trade/ucp.h"

static struct rk_key *key;
static char profile_url[100];

static void profile(struct rk_http_req *r, const char *version) {
  rk_http_reply_json(r, 200, rk_ucp_platform_profile(&(struct rk_ucp_platform){.key = key, .profile_url = profile_url}, version));
}
static void newest(struct rk_http_req *r, void *ctx) { (void)ctx, profile(r, RK_UCP_VERSION); }
static const struct rk_route routes[] = {{"GET", "/.well-known/ucp", newest}, {"GET", "/.well-known/ucp-" RK_UCP_VERSION, newest}};

static struct rk_error e;

static int failed(const char *what) {
  fprintf(stderr, "hold_trip: %s: %s\n", what, e.msg);
  return 1;
}

/* The first offer with places whose item id holds `with`. */
static const struct rk_offer *find(struct rk_merchants *m, const struct rk_travel_ask *ask, const char *with, struct rk_arena *a) {
  struct rk_offer *offers;
  struct rk_shop_report *reports;
  int32_t n = 0, n_reports;
  struct rk_search q = {.query = "", .lang = "zh", .travel = ask};
  if (rk_merchants_search(m, &q, a, &offers, &n, &reports, &n_reports, &e)) return NULL;
  for (int32_t i = 0; i < n; i++)
    if (strstr(offers[i].item_id, with) && offers[i].stock > 1 && !rk_offer_price(&offers[i], 1, "")) return &offers[i];
  rk_fail(&e, RK_ENOTFOUND, "no offer with %s", with);
  return NULL;
}

static int hold(struct rk_trade *t, struct rk_merchants *m, struct rk_store *s, char **v, json_t *ids) {
  static const struct rk_traveler who = {"张伟", false};
  const char *from = v[0], *to = v[1], *out = v[2], *back = v[3];
  const struct { struct rk_travel_ask ask; const char *with; int32_t n_travelers; } wishes[] = {
      {{.kind = "train", .from = from, .to = to, .date = out}, ".second.adult", 1},
      {{.kind = "train", .from = to, .to = from, .date = back}, ".second.adult", 1},
      {{.kind = "stay", .city = to, .date = out, .end_date = back}, "-flex", 1},
      {{.kind = "ticket", .city = to, .date = out}, ".adult", 0}};
  struct rk_arena *a = rk_arena_new(64 << 20);
  rk_err err = a ? RK_OK : RK_ENOMEM;
  for (size_t i = 0; !err && i < sizeof wishes / sizeof *wishes; i++) {
    const struct rk_offer *offer = find(m, &wishes[i].ask, wishes[i].with, a);
    json_t *approval = NULL;
    struct rk_prepare p = {.user_id = rk_store_local_user(s), .chat_id = "", .turn_id = "", .offer = offer, .travelers = &who, .n_travelers = wishes[i].n_travelers,
                           .deliver_by = "", .instrument_id = "card", .lang = "zh", .in_plan = true};
    err = offer ? rk_trade_prepare(t, &p, &approval, &e) : e.code;
    if (!err) json_array_append(ids, json_object_get(approval, "id"));
    json_decref(approval);
  }
  rk_arena_free(a);
  return err ? failed("a part") : 0;
}

int main(int argc, char **argv) {
  struct rk_store *s = NULL;
  struct rk_net *net = NULL;
  struct rk_http *http = NULL;
  struct rk_merchants *m = NULL;
  struct rk_trade *t = NULL;
  char pem[600];
  if (argc != 10) return fprintf(stderr, "usage: hold_trip DATA PORT RAIL HOTEL TICKETS FROM TO OUT BACK\n"), 2;
  snprintf(pem, sizeof pem, "%s/approval.pem", argv[1]);
  snprintf(profile_url, sizeof profile_url, "http://127.0.0.1:%s/.well-known/ucp", argv[2]);
  if (rk_clock_init(&e) || rk_store_open(argv[1], &s, &e) || rk_key_load_or_make(pem, &key, &e) || rk_net_new(&net, &e) ||
      rk_http_start(&(struct rk_http_opts){.address = "127.0.0.1", .port = atoi(argv[2]), .routes = routes, .n_routes = 2}, &http, &e) ||
      rk_merchants_new(&(struct rk_merchants_opts){.net = net, .agent_profile_url = profile_url, .origins = (const char *const[]){argv[3], argv[4], argv[5]},
                                                   .n_origins = 3, .key = key}, &m, &e) ||
      rk_trade_new(&(struct rk_trade_opts){s, m, key}, &t, &e)) return failed("start");
  json_t *ids = json_array();
  int code = hold(t, m, s, argv + 6, ids);
  char *text = rk_json_dump(ids);
  puts(text);
  free(text);
  json_decref(ids);
  rk_trade_free(t);
  rk_merchants_free(m);
  rk_http_stop(http);
  rk_net_free(net);
  rk_key_free(key);
  rk_store_close(s);
  return code;
}
