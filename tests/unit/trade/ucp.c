/* What the UCP facade takes, and what it must not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "trade/payment_token.h"
#include "trade/ucp.h"

static struct rk_arena *arena;
static const struct rk_ucp_merchant shop = {.origin = "http://127.0.0.2:7110", .endpoint = "http://127.0.0.2:7110", .id = "s", .name = "Shop", .sandbox = true};

static int setup(void **state) { return (arena = rk_arena_new(8 << 20)) ? 0 : -1; }
static int teardown(void **state) {
  rk_arena_free(arena);
  return 0;
}

static json_t *parse(const char *text) {
  struct rk_error e = {0};
  json_t *v = rk_json_parse(rk_str_c(text), 1 << 20, &e);
  if (!v) print_error("%s\n%s\n", e.msg, text);
  assert_non_null(v);
  return v;
}

/* ---- negotiation ---- */

static void negotiation_takes_the_highest_mutual_version_and_prunes_orphans(void **state) {
  json_t *business = parse("{\"a.b\":[{\"version\":\"2026-01-11\"},{\"version\":\"2026-04-08\"},{\"version\":\"2026-08-25\"}],"
                           "\"a.c\":[{\"version\":\"2026-04-08\"}],\"x.y\":[{\"version\":\"2026-04-08\",\"extends\":\"a.c\"}],"
                           "\"x.z\":[{\"version\":\"2026-04-08\",\"extends\":\"x.y\"}],\"m.p\":[{\"version\":\"2026-04-08\",\"extends\":[\"a.c\",\"a.b\"]}]}");
  json_t *platform = parse("{\"a.b\":[{\"version\":\"2026-04-08\"},{\"version\":\"2026-01-11\"}],\"a.c\":[{\"version\":\"2020-01-01\"}],"
                           "\"x.y\":[{\"version\":\"2026-04-08\"}],\"x.z\":[{\"version\":\"2026-04-08\"}],\"m.p\":[{\"version\":\"2026-04-08\"}],\"q\":[]}");
  json_t *active = rk_ucp_negotiate(business, platform);
  char *text = rk_json_dump(active);
  assert_string_equal(text, "{\"a.b\":[{\"version\":\"2026-04-08\"}],\"m.p\":[{\"version\":\"2026-04-08\"}]}");
  free(text);
  json_decref(active);
  json_decref(platform);
  json_decref(business);
}

static void agent_header_is_read(void **state) {
  static const struct { const char *header, *url; } cases[] = {
    {"profile=\"https://a.example/p\"", "https://a.example/p"}, {"version=\"1\", profile=\"https://a.example/p\";x=1", "https://a.example/p"},
    {"profile=https://a.example", NULL}, {"xprofile=\"https://a.example\"", NULL}, {"profile=\"https://a.example", NULL}, {"profile=\"\"", NULL}, {"", NULL}};
  char url[64];
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    bool found = rk_ucp_agent_url(rk_str_c(cases[i].header), url, sizeof url);
    assert_int_equal(found, cases[i].url != NULL);
    if (found) assert_string_equal(url, cases[i].url);
  }
  assert_false(rk_ucp_agent_url(RK_STR("profile=\"https://a.example/0123456789012345678901234567890123456789012345678901234567890\""), url, sizeof url));
}

static void merchant_profile_is_checked(void **state) {
  struct rk_ucp_merchant m;
  struct rk_error e;
  json_t *caps = rk_ucp_capabilities();
  json_t *p = json_pack("{s:{s:s, s:{s:[{s:s, s:s, s:s, s:{s:s, s:s}}]}, s:O, s:{s:[]}}}", "ucp", "version", RK_UCP_VERSION, "services", RK_UCP_SERVICE,
                        "version", RK_UCP_VERSION, "transport", "rest", "endpoint", "http://127.0.0.2:7110/ucp/", "config", "merchant_id", "lan",
                        "merchant_name", "蓝海", "capabilities", caps, "payment_handlers", RK_PAYMENT_HANDLER);
  assert_int_equal(rk_ucp_read_merchant(p, "http://127.0.0.2:7110", &m, &e), RK_OK);
  assert_string_equal(m.endpoint, "http://127.0.0.2:7110/ucp");
  assert_string_equal(m.id, "lan");
  assert_true(m.sandbox && m.has_discount && m.has_fulfillment && m.has_lookup && m.has_order);
  /* an endpoint on another origin is not this merchant, nor is one that only begins alike */
  assert_int_equal(rk_ucp_read_merchant(p, "http://127.0.0.2:711", &m, &e), RK_EUPSTREAM);
  assert_int_equal(rk_ucp_read_merchant(p, "http://127.0.0.3:7110", &m, &e), RK_EUPSTREAM);
  json_object_del(caps, RK_UCP_CHECKOUT);
  assert_int_equal(rk_ucp_read_merchant(p, "http://127.0.0.2:7110", &m, &e), RK_EUPSTREAM);
  json_decref(p);
  json_decref(caps);
  p = parse("{\"ucp\":[]}");
  assert_int_equal(rk_ucp_read_merchant(p, "http://127.0.0.2:7110", &m, &e), RK_EFORMAT);
  json_decref(p);
}

/* ---- offers ---- */

#define VARIANT(id, size, price) "{\"id\":\"" id "\",\"title\":\"t\",\"price\":{\"amount\":" price ",\"currency\":\"CNY\"}," \
  "\"options\":[{\"name\":\"size\",\"id\":\"" size "\",\"label\":\"" size "码\"}]}"
#define PRODUCT(id, kind, variants) "{\"id\":\"" id "\",\"title\":\"shoe\",\"price_range\":{\"min\":{\"amount\":1,\"currency\":\"CNY\"}}," \
  "\"rating\":{\"value\":4.5,\"scale_max\":5,\"count\":7},\"metadata\":{\"dev.rukou.offer\":{\"size_kind\":\"" kind "\",\"relevance\":0.5," \
  "\"category\":\"c\",\"attributes\":{\"volume_l\":1.6,\"n\":3,\"on\":true,\"brand\":\"B\",\"bad\":[1]}," \
  "\"coupons\":[{\"code\":\"A\",\"title\":\"t\",\"amount_minor\":5},{\"code\":\"\"},{\"code\":\"N\",\"amount_minor\":-1}]," \
  "\"deliveries\":[{\"id\":\"d\",\"title\":\"t\",\"fee_minor\":800,\"date\":\"2026-11-24\"},{\"id\":\"e\",\"fee_minor\":-1}]," \
  "\"reviews\":[{\"text\":\"good\"}]}},\"variants\":[" variants "]}"

static int32_t offers(const char *products, const struct rk_search *q, struct rk_offer **out) {
  char *text = rk_arena_printf(arena, "{\"ucp\":{\"version\":\"2026-04-08\"},\"products\":[%s]}", products);
  json_t *v = parse(text);
  int32_t n = 0;
  struct rk_error e = {0};
  assert_int_equal(rk_ucp_read_offers(v, &shop, q, arena, out, &n, &e), RK_OK);
  json_decref(v);
  return n;
}

static void offers_are_read(void **state) {
  struct rk_offer *o;
  struct rk_search q = {.query = "x"};
  assert_int_equal(offers(PRODUCT("p", "shoes", VARIANT("p-1", "42", "100")), &q, &o), 1);
  assert_string_equal(o->item_id, "p-1");
  assert_string_equal(o->origin, shop.origin);
  assert_int_equal(o->unit_price.minor, 100);
  assert_int_equal(o->n_deliveries, 1);
  assert_int_equal(o->n_coupons, 1);
  assert_int_equal(o->n_attrs, 6); /* category, size_kind and four scalars */
  assert_string_equal(o->attrs[2].value, "1.6");
  assert_string_equal(o->attrs[4].value, "true");
  assert_string_equal(o->options[0].value, "42");
  assert_true(o->rating > 4.49 && o->rating < 4.51 && o->n_reviews == 7 && o->relevance == 0.5);
}

static void wanted_options_choose_the_variant(void **state) {
  struct rk_offer *o;
  const char *two = PRODUCT("p", "shoes", VARIANT("p-40", "40", "100") "," VARIANT("p-42", "42", "100")) ","
                    PRODUCT("r", "clothes", VARIANT("r-40", "40", "100") "," VARIANT("r-L", "L", "100"));
  struct rk_option sizes[] = {{"shoes", "42"}, {"clothes", "l"}}, wanted[] = {{"size", "40"}, {"sugar", "less"}};
  struct rk_search q = {.query = "x", .sizes = sizes, .n_sizes = 2};
  assert_int_equal(offers(two, &q, &o), 2);
  assert_string_equal(o[0].item_id, "p-42");
  assert_string_equal(o[1].item_id, "r-L");
  q.options = wanted;
  q.n_options = 2;
  assert_int_equal(offers(two, &q, &o), 2);
  assert_string_equal(o[0].item_id, "p-40");
  wanted[0].value = "99";
  assert_int_equal(offers(two, &q, &o), 0);
}

static void products_take_turns_up_to_the_limit(void **state) {
  struct rk_offer *o;
  const char *two = PRODUCT("p", "", VARIANT("p-1", "1", "1") "," VARIANT("p-2", "2", "1") "," VARIANT("p-3", "3", "1")) "," PRODUCT("r", "", VARIANT("r-1", "1", "1"));
  struct rk_search q = {.query = "x", .limit = 3};
  assert_int_equal(offers(two, &q, &o), 3);
  assert_string_equal(o[0].item_id, "p-1");
  assert_string_equal(o[1].item_id, "r-1");
  assert_string_equal(o[2].item_id, "p-2");
}

static void broken_products_are_left_out(void **state) {
  struct rk_offer *o;
  struct rk_search q = {.query = "x"};
  assert_int_equal(offers("1,{},[],{\"id\":\"p\"}," PRODUCT("p", "", "{},7," VARIANT("p-1", "1", "-1")) "," PRODUCT("r", "", VARIANT("r-1", "1", "9")), &q, &o), 1);
  assert_string_equal(o->item_id, "r-1");
}

/* ---- checkout ---- */

static const char good[] =
  "{\"ucp\":{\"version\":\"2026-04-08\",\"status\":\"success\"},\"id\":\"c1\",\"status\":\"ready_for_complete\",\"currency\":\"CNY\","
  "\"line_items\":[{\"id\":\"li_1\",\"item\":{\"id\":\"p-1\",\"title\":\"shoe\",\"price\":23900,\"dev.rukou.offer\":{\"options\":{\"size\":\"42\"}}},\"quantity\":2,\"totals\":[]}],"
  "\"totals\":[{\"type\":\"subtotal\",\"amount\":47800},{\"type\":\"discount\",\"amount\":-1000},{\"type\":\"fulfillment\",\"amount\":800},{\"type\":\"total\",\"amount\":47600}],"
  "\"messages\":[{\"type\":\"warning\",\"code\":\"w\",\"content\":\"careful\"},{\"type\":\"info\",\"content\":\"no\"}],"
  "\"links\":[{\"type\":\"refund_policy\",\"url\":\"u\",\"title\":\"7 days\"}],\"expires_at\":\"2026-11-23T02:30:00Z\","
  "\"discounts\":{\"codes\":[\"A\"],\"applied\":[{\"code\":\"A\",\"title\":\"t\",\"amount\":1000}]},"
  "\"fulfillment\":{\"methods\":[{\"id\":\"m\",\"type\":\"shipping\",\"line_item_ids\":[\"li_1\"],\"selected_destination_id\":\"d\","
  "\"destinations\":[{\"id\":\"d\",\"street_address\":\"street 1\",\"first_name\":\"N\"}],\"groups\":[{\"id\":\"g\",\"selected_option_id\":\"o2\","
  "\"options\":[{\"id\":\"o1\",\"title\":\"slow\",\"totals\":[{\"type\":\"total\",\"amount\":0}]},{\"id\":\"o2\",\"title\":\"fast\","
  "\"latest_fulfillment_time\":\"2026-11-24T21:00:00+08:00\",\"totals\":[{\"type\":\"total\",\"amount\":800}]}]}]}]},"
  "\"order\":{\"id\":\"O1\",\"permalink_url\":\"u\"}}";

/* The good checkout with one piece of text replaced. */
static json_t *changed(const char *from, const char *to) {
  const char *at = strstr(good, from);
  assert_non_null(at);
  return parse(rk_arena_printf(arena, "%.*s%s%s", (int)(at - good), good, to, at + strlen(from)));
}

static void checkout_is_read(void **state) {
  struct rk_checkout c;
  struct rk_error e;
  json_t *v = parse(good);
  assert_int_equal(rk_ucp_read_checkout(v, &shop, arena, &c, &e), RK_OK);
  json_decref(v);
  assert_string_equal(c.id, "c1");
  assert_int_equal(c.status, RK_CO_READY);
  assert_int_equal(c.n_lines, 1);
  assert_string_equal(c.lines[0].options[0].value, "42");
  assert_int_equal(c.n_totals, 4);
  assert_string_equal(c.codes[0], "A");
  assert_string_equal(c.delivery->id, "o2");
  assert_string_equal(c.delivery->date, "2026-11-24");
  assert_int_equal(c.delivery->fee.minor, 800);
  assert_string_equal(c.address.street, "street 1");
  assert_string_equal(c.refund_rule, "7 days");
  assert_int_equal(c.n_messages, 1);
  assert_int_equal(c.expires_ms, 1795401000000);
  assert_string_equal(c.order_id, "O1");
}

static void broken_checkouts_are_refused(void **state) {
  static const struct { const char *from, *to; } cases[] = {
    {"\"amount\":47600", "\"amount\":47601"}, {"\"amount\":47600", "\"amount\":4.76e4"}, {"\"amount\":47600", "\"amount\":\"47600\""},
    {"\"amount\":47800", "\"amount\":47700"}, {"\"amount\":-1000", "\"amount\":1000"}, {"\"amount\":-1000", "\"amount\":-9223372036854775807"},
    {"\"type\":\"subtotal\"", "\"type\":\"fee\""}, {"\"type\":\"fulfillment\",\"amount\":800", "\"type\":\"total\",\"amount\":800"},
    {"\"type\":\"fulfillment\",\"amount\":800", "\"type\":\"fee\",\"amount\":-200"}, {"\"quantity\":2", "\"quantity\":0"},
    {"\"quantity\":2", "\"quantity\":1000"}, {"\"price\":23900", "\"price\":-1"}, {"\"price\":23900", "\"price\":200000000000"},
    {"\"currency\":\"CNY\"", "\"currency\":\"cny\""}, {"\"currency\":\"CNY\"", "\"currency\":\"CNYX\""}, {"\"id\":\"c1\",", ""},
    {"ready_for_complete", "paid"}, {"\"status\":\"ready_for_complete\"", "\"status\":\"completed\",\"order\":{}"}, {"2026-11-23T02:30:00Z", "tomorrow"},
    {"\"line_items\":[", "\"line_items\":[],\"x\":["}, {"\"title\":\"shoe\",", ""}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct rk_checkout c;
    struct rk_error e = {0};
    const char *to = cases[i].to;
    json_t *v = strstr(to, "\"order\":{}") ? changed("\"order\":{\"id\":\"O1\",\"permalink_url\":\"u\"}", "\"x\":1") : changed(cases[i].from, to);
    if (strstr(to, "\"order\":{}")) json_object_set_new(v, "status", json_string("completed"));
    rk_err err = rk_ucp_read_checkout(v, &shop, arena, &c, &e);
    if (err != RK_EFORMAT) print_error("%s -> %s: %d\n", cases[i].from, to, err);
    assert_int_equal(err, RK_EFORMAT);
    assert_non_null(strstr(e.msg, "Shop"));
    json_decref(v);
  }
}

static void merchants_own_words_reach_the_error(void **state) {
  struct rk_checkout c;
  struct rk_error e;
  json_t *v = parse("{\"ucp\":{\"version\":\"2026-04-08\",\"status\":\"error\"},\"messages\":[{\"type\":\"warning\",\"content\":\"w\"},"
                    "{\"type\":\"error\",\"code\":\"out_of_stock\",\"content\":\"sold\\nout\",\"severity\":\"unrecoverable\"}]}");
  assert_int_equal(rk_ucp_read_checkout(v, &shop, arena, &c, &e), RK_EUPSTREAM);
  assert_string_equal(e.msg, "Shop: sold out");
  json_decref(v);
}

static void completion_is_done_refused_or_unknown(void **state) {
  static const struct { int32_t http; const char *from, *to; enum rk_outcome want; } cases[] = {
    {200, "ready_for_complete", "completed", RK_OUTCOME_DONE},
    {200, "ready_for_complete", "complete_in_progress", RK_OUTCOME_UNKNOWN},
    {200, "ready_for_complete", "ready_for_complete", RK_OUTCOME_UNKNOWN},   /* no order and no reason */
    {200, "\"type\":\"warning\"", "\"type\":\"error\"", RK_OUTCOME_REFUSED},
    {200, "ready_for_complete", "canceled", RK_OUTCOME_REFUSED},
    {200, "\"id\":\"c1\",\"status\":\"ready_for_complete\"", "\"id\":\"c2\",\"status\":\"completed\"", RK_OUTCOME_UNKNOWN},
    {200, "\"amount\":47600", "\"amount\":47601", RK_OUTCOME_UNKNOWN},
    {302, "ready_for_complete", "completed", RK_OUTCOME_UNKNOWN},
    {400, "\"id\":\"c1\"", "\"id\":\"c1\"", RK_OUTCOME_REFUSED}, {404, "\"id\":\"c1\"", "\"id\":\"c1\"", RK_OUTCOME_REFUSED},
    {408, "\"id\":\"c1\"", "\"id\":\"c1\"", RK_OUTCOME_UNKNOWN}, {409, "\"id\":\"c1\"", "\"id\":\"c1\"", RK_OUTCOME_UNKNOWN},
    {429, "\"id\":\"c1\"", "\"id\":\"c1\"", RK_OUTCOME_UNKNOWN}, {500, "\"id\":\"c1\"", "\"id\":\"c1\"", RK_OUTCOME_UNKNOWN},
    {503, "ready_for_complete", "completed", RK_OUTCOME_UNKNOWN}};
  struct rk_checkout c;
  struct rk_error e;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    json_t *v = changed(cases[i].from, cases[i].to);
    assert_int_equal(rk_ucp_read_completion(cases[i].http, v, "c1", &shop, arena, &c, &e), cases[i].want);
    if (cases[i].want == RK_OUTCOME_DONE) assert_string_equal(c.order_id, "O1");
    json_decref(v);
  }
  assert_int_equal(rk_ucp_read_completion(200, NULL, "c1", &shop, arena, &c, &e), RK_OUTCOME_UNKNOWN);
  assert_int_equal(rk_ucp_read_completion(404, NULL, "c1", &shop, arena, &c, &e), RK_OUTCOME_UNKNOWN);
}

static void refunds_add_up_or_are_refused(void **state) {
  static const struct { const char *totals; rk_err want; } cases[] = {
    {"{\"type\":\"fee\",\"amount\":-10},{\"type\":\"total\",\"amount\":190}", RK_OK}, {"{\"type\":\"fee\",\"amount\":-10},{\"type\":\"total\",\"amount\":200}", RK_EFORMAT},
    {"{\"type\":\"fee\",\"amount\":10},{\"type\":\"total\",\"amount\":210}", RK_EFORMAT},   {"{\"type\":\"fee\"},{\"type\":\"total\",\"amount\":200}", RK_EFORMAT},
    {"{\"type\":\"fee\",\"amount\":\"x\"},{\"type\":\"total\",\"amount\":200}", RK_EFORMAT}, {"{\"type\":\"fee\",\"amount\":-9223372036854775808},{\"type\":\"total\",\"amount\":200}", RK_EFORMAT},
    {"{\"type\":\"total\",\"amount\":200.0}", RK_EFORMAT}, {"{\"type\":\"gift\",\"amount\":0}", RK_EFORMAT}};
  struct rk_refund back;
  struct rk_error e;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char text[600];
    snprintf(text, sizeof text, "{\"ucp\":{},\"id\":\"r1\",\"order_id\":\"o1\",\"status\":\"quoted\",\"currency\":\"CNY\",\"expires_at\":\"2026-11-23T10:00:00Z\","
             "\"totals\":[{\"type\":\"subtotal\",\"amount\":200},%s]}", cases[i].totals);
    json_t *v = parse(text);
    assert_int_equal(rk_ucp_read_refund(v, &shop, arena, &back, &e), cases[i].want);
    json_decref(v);
  }
}

static void requests_are_written(void **state) {
  struct rk_line line = {.item_id = "p-1", .quantity = 2};
  const char *codes[] = {"A"};
  struct rk_checkout_req q = {.origin = shop.origin, .lines = &line, .n_lines = 1, .address = {.name = "张伟", .street = "路18号"}, .delivery_id = "o", .codes = codes, .n_codes = 1};
  json_t *v = rk_ucp_write_checkout(&q);
  char *text = rk_json_dump(v);
  assert_string_equal(text, "{\"line_items\":[{\"item\":{\"id\":\"p-1\"},\"quantity\":2}],\"fulfillment\":{\"methods\":[{\"type\":\"shipping\","
                            "\"destinations\":[{\"first_name\":\"张伟\",\"street_address\":\"路18号\"}],\"groups\":[{\"selected_option_id\":\"o\"}]}]},\"discounts\":{\"codes\":[\"A\"]}}");
  free(text);
  json_decref(v);
  struct rk_buf b;
  rk_buf_init(&b, 4096);
  assert_int_equal(rk_merchant_complete_body(&(struct rk_payment){.instrument_id = "card", .kind = "card", .label = "Card", .token = "a.b.c"}, &b), RK_OK);
  v = parse(b.p);
  json_t *instrument = json_array_get(rk_json_arr(rk_json_obj(v, "payment"), "instruments"), 0);
  assert_true(rk_str_eq(rk_json_str(instrument, "handler_id"), RK_STR(RK_PAYMENT_HANDLER)));
  assert_true(rk_str_eq(rk_json_str(rk_json_obj(instrument, "credential"), "token"), RK_STR("a.b.c")));
  json_decref(v);
  rk_buf_release(&b);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
  const struct CMUnitTest tests[] = {
    T(negotiation_takes_the_highest_mutual_version_and_prunes_orphans), T(agent_header_is_read), T(merchant_profile_is_checked),
    T(offers_are_read), T(wanted_options_choose_the_variant), T(products_take_turns_up_to_the_limit), T(broken_products_are_left_out),
    T(checkout_is_read), T(broken_checkouts_are_refused), T(merchants_own_words_reach_the_error), T(completion_is_done_refused_or_unknown), T(refunds_add_up_or_are_refused), T(requests_are_written)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
