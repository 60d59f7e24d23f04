/* The platform's client over real HTTP, against a merchant that says what the test wants it to say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/limits.h"
#include "http/http.h"
#include "trade/merchant_internal.h"

static struct rk_http *http;
static struct rk_net *net;
static struct rk_key *ours, *theirs, *another;
static struct rk_merchants *merchants;
static struct rk_arena *arena;
static struct rk_error e;
static char origin[64];

/* ---- what the merchant says ---- */

static struct {
  const char *version, *schema, *older; /* of the profile; older: supported_versions names one */
  bool declares_signed, moved;          /* moved: its endpoint is at another origin */
  char *answer;                         /* to everything else, NULL: 404 */
  int status;
  enum { UNSIGNED, SIGNED, FORGED, DAMAGED, DIGEST_OF_ANOTHER } how;
  int n_pages;                          /* of a search */
  int n_asked;
  bool request_ok;                      /* the last request was signed by us over all that it must */
} say;

static bool header_of(void *ud, const char *name, rk_str *value) {
  *value = rk_http_header(ud, name);
  return value->n > 0;
}

static json_t *jwks_of(const struct rk_key *k) { return json_pack("[o]", rk_ucp_jwk(k)); }

static bool is_signed_by_us(struct rk_http_req *r) {
  struct rk_http_message m = {.method = "POST", .scheme = "http", .authority = strstr(origin, "://") + 3, .path = rk_http_path(r), .body = rk_http_body(r),
                              .field = header_of, .ud = r};
  struct rk_sig_policy policy = {.now_s = rk_now_ms() / 1000};
  struct rk_sig_info i;
  struct rk_jwks *keys;
  json_t *set = jwks_of(ours);
  bool ok = rk_jwks_read(set, &keys, &e) == RK_OK && rk_sig_verify(&m, keys, &policy, &i, &e) == RK_SIG_OK && rk_sig_covers(&i, "idempotency-key") &&
            rk_sig_covers(&i, "ucp-agent") && rk_sig_covers(&i, "content-digest");
  json_decref(set);
  rk_jwks_free(keys);
  return ok;
}

struct answer { rk_str digest; };

static bool answer_field(void *ud, const char *name, rk_str *value) {
  const struct answer *a = ud;
  *value = strcmp(name, "content-digest") == 0 ? a->digest : strcmp(name, "content-type") == 0 ? RK_STR("application/json") : RK_STR("");
  return value->n > 0;
}

static void reply(struct rk_http_req *r, int status, char *text) {
  char digest[RK_CONTENT_DIGEST_BYTES];
  struct rk_buf input, sig;
  rk_content_digest(say.how == DIGEST_OF_ANOTHER ? RK_STR("{}") : rk_str_c(text), digest);
  struct answer a = {rk_str_c(digest)};
  struct rk_http_message m = {.status = status, .body = rk_str_c(text), .field = answer_field, .ud = &a};
  rk_buf_init(&input, 1024);
  rk_buf_init(&sig, 1024);
  if (say.how != UNSIGNED) {
    assert_int_equal(rk_sig_sign(&m, &(struct rk_sig_params){.created_s = rk_now_ms() / 1000}, say.how == FORGED ? another : theirs, &input, &sig, &e), RK_OK);
    if (say.how == DAMAGED) sig.p[7] = sig.p[7] == 'A' ? 'B' : 'A';
    rk_http_set_header(r, "Content-Digest", digest);
    rk_http_set_header(r, "Signature-Input", input.p);
    rk_http_set_header(r, "Signature", sig.p);
  }
  rk_http_reply(r, status, "application/json", rk_str_c(text));
  rk_buf_release(&input);
  rk_buf_release(&sig);
}

static json_t *profile_of(const char *version) {
  json_t *caps = rk_ucp_capabilities_at(version);
  if (say.schema) json_object_set_new(json_array_get(json_object_get(caps, RK_UCP_CHECKOUT), 0), "schema", json_string(say.schema));
  return json_pack("{s:{s:s, s:{s:[{s:s, s:s, s:s, s:{s:b}}]}, s:o, s:{}}, s:o}", "ucp", "version", version, "services", RK_UCP_SERVICE, "version", version, "transport",
                   "rest", "endpoint", say.moved ? "https://elsewhere.example" : origin, "config", "signed_responses", (int)say.declares_signed, "capabilities", caps,
                   "payment_handlers", "keys", jwks_of(theirs));
}

static void well_known(struct rk_http_req *r, void *ctx) {
  json_t *v = profile_of(say.version);
  if (say.older) json_object_set_new(json_object_get(v, "ucp"), "supported_versions", json_pack("{s:s+}", say.older, origin, "/older"));
  rk_http_reply_json(r, 200, v);
}

static void older(struct rk_http_req *r, void *ctx) { rk_http_reply_json(r, 200, profile_of(say.older)); }

static void search(struct rk_http_req *r, void *ctx) {
  json_t *v = json_pack("{s:[{s:s}], s:{s:b, s:s}}", "products", "id", "p", "pagination", "has_next_page", ++say.n_asked < say.n_pages, "cursor", "next");
  char *text = rk_json_dump(v);
  say.request_ok = is_signed_by_us(r);
  reply(r, 200, text);
  free(text);
  json_decref(v);
}

static void anything(struct rk_http_req *r, void *ctx) {
  say.request_ok = is_signed_by_us(r);
  if (say.answer) reply(r, say.status, say.answer);
  else rk_http_reply(r, 404, "application/json", RK_STR("{}"));
}

static const struct rk_route routes[] = {{"GET", "/.well-known/ucp", well_known}, {"GET", "/older", older}, {"POST", "/catalog/search", search},
                                         {"GET", "/*", anything}, {"POST", "/*", anything}, {"PUT", "/*", anything}};

static struct rk_key *new_key(void) {
  char path[] = "/tmp/rukou-key-XXXXXX";
  struct rk_key *k;
  close(mkstemp(path));
  unlink(path);
  assert_int_equal(rk_key_load_or_make(path, &k, NULL), RK_OK);
  unlink(path);
  return k;
}

static int start(void **state) {
  ours = new_key(), theirs = new_key(), another = new_key();
  if (rk_net_new(&net, &e) || rk_http_start(&(struct rk_http_opts){.address = "127.0.0.1", .routes = routes, .n_routes = 6}, &http, &e)) return -1;
  snprintf(origin, sizeof origin, "http://127.0.0.1:%d", rk_http_port(http));
  return 0;
}

static int stop(void **state) {
  rk_http_stop(http);
  rk_net_free(net);
  rk_key_free(ours);
  rk_key_free(theirs);
  rk_key_free(another);
  return 0;
}

static int setup(void **state) {
  static const char *list[] = {origin};
  memset(&say, 0, sizeof say);
  say.version = "2026-04-08";
  say.status = 200;
  arena = rk_arena_new(64 << 20);
  return rk_merchants_new(&(struct rk_merchants_opts){.net = net, .agent_profile_url = "http://127.0.0.1:1/.well-known/ucp", .origins = list, .n_origins = 1, .key = ours},
                          &merchants, &e);
}

static int teardown(void **state) {
  rk_merchants_free(merchants);
  rk_arena_free(arena);
  free(say.answer);
  return 0;
}

/* A good checkout with one member changed: path "totals.2.amount" and JSON, or NULL. */
static void say_checkout(const char *path, const char *json) {
  json_t *v = rk_json_parse(RK_STR("{\"ucp\":{\"version\":\"2026-04-08\"},\"id\":\"co\",\"status\":\"ready_for_complete\",\"currency\":\"CNY\",\"line_items\":[{\"id\":\"l\","
                                   "\"item\":{\"id\":\"i\",\"title\":\"Tea\",\"price\":500},\"quantity\":2}],\"totals\":[{\"type\":\"subtotal\",\"amount\":1000},"
                                   "{\"type\":\"discount\",\"amount\":-100},{\"type\":\"total\",\"amount\":900}],\"links\":[]}"), 4096, NULL), *at = v;
  char part[64];
  while (path) {
    size_t n = strcspn(path, ".");
    snprintf(part, sizeof part, "%.*s", (int)n, path);
    if (!path[n]) break;
    at = json_is_array(at) ? json_array_get(at, (size_t)atoi(part)) : json_object_get(at, part);
    path += n + 1;
  }
  if (path && json) json_object_set_new(at, part, json_loads(json, JSON_DECODE_ANY, NULL));
  else if (path) json_object_del(at, part);
  free(say.answer);
  say.answer = rk_json_dump(v);
  json_decref(v);
}

static rk_err get(struct rk_checkout *co) { return rk_merchant_checkout_get(merchants, origin, "co", arena, co, &e); }

/* ---- versions ---- */

static void the_newest_common_version_is_spoken(void **state) {
  static const struct { const char *version, *older, *spoken; } cases[] = {
      {"2026-04-08", NULL, "2026-04-08"}, {"2026-08-25", NULL, "2026-08-25"}, {"2026-08-25", "2026-04-08", "2026-08-25"},
      {"2027-01-01", "2026-08-25", "2026-08-25"}, {"2027-01-01", "2026-04-08", "2026-04-08"}, {"2027-01-01", NULL, NULL}, {"2026-01-11", NULL, NULL}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    teardown(NULL);
    setup(NULL);
    say.version = cases[i].version;
    say.older = cases[i].older;
    struct rk_ucp_merchant found;
    int32_t at;
    rk_err err = rk_merchants_find(merchants, origin, &at, &found, &e);
    assert_int_equal(err, cases[i].spoken ? RK_OK : RK_EUPSTREAM);
    if (cases[i].spoken) assert_string_equal(found.version, cases[i].spoken);
    else assert_non_null(strstr(e.msg, cases[i].version));
  }
}

static void a_profile_speaks_for_its_own_origin_and_names(void **state) {
  struct rk_ucp_merchant found;
  int32_t at;
  say.moved = true;
  assert_int_equal(rk_merchants_find(merchants, origin, &at, &found, &e), RK_EUPSTREAM);
  say.moved = false;
  say.schema = "https://evil.example/checkout.json"; /* a checkout that ucp.dev did not define is none */
  assert_int_equal(rk_merchants_find(merchants, origin, &at, &found, &e), RK_EUPSTREAM);
  assert_non_null(strstr(e.msg, "no checkout"));
  static const struct { const char *name, *url; bool binds; } cases[] = { /* UCP overview, authority binding */
      {"dev.ucp.shopping.checkout", "https://ucp.dev/x", true}, {"dev.ucp.shopping.checkout", "https://shopping.ucp.dev", true},
      {"com.example.pay", "https://pay.example.com/s", true}, {"com.example.pay", "https://EXAMPLE.com:443/s", true}, {"com.example.pay", "https://evil.example/s", false},
      {"com.examplecorp.pay", "https://example.com/s", false}, {"com.example.pay", "https://cdn.example.com/s", false},
      {"dev.ucp.x", "https://ucp.dev@evil.example/x", false}, {"dev.ucp.x", "http://ucp.dev/x", false}, {"localhost.x", "https://localhost/x", false}, {"dev.ucp.x", "", false}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) assert_int_equal(rk_ucp_schema_binds(cases[i].name, rk_str_c(cases[i].url)), cases[i].binds);
}

/* ---- signatures ---- */

static void what_we_send_is_signed_and_what_comes_is_verified(void **state) {
  static const struct { int how; bool declares; rk_err want; const char *says; } cases[] = {
      {UNSIGNED, false, RK_OK, ""}, {SIGNED, false, RK_OK, ""}, {SIGNED, true, RK_OK, ""},
      {UNSIGNED, true, RK_EAUTH, "signature_missing"}, {FORGED, false, RK_EAUTH, "key_not_found"}, {DAMAGED, false, RK_EAUTH, "signature_invalid"},
      {DIGEST_OF_ANOTHER, false, RK_EAUTH, "digest_mismatch"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    teardown(NULL);
    setup(NULL);
    struct rk_checkout co;
    say_checkout(NULL, NULL);
    say.how = cases[i].how;
    say.declares_signed = cases[i].declares;
    assert_int_equal(get(&co), cases[i].want);
    if (cases[i].want) assert_non_null(strstr(e.msg, cases[i].says));
    /* An answer that cannot be trusted says nothing about the payment. */
    enum rk_outcome outcome = rk_merchant_complete(merchants, origin, "co", "k", RK_STR("{\"payment\":{}}"), arena, &co, &e);
    assert_true(say.request_ok);
    if (cases[i].want) assert_int_equal(outcome, RK_OUTCOME_UNKNOWN);
  }
}

/* ---- pages ---- */

static void pages_are_followed_by_their_word_and_not_for_ever(void **state) {
  static const struct { int pages, asked; } cases[] = {{1, 1}, {3, 3}, {1000000, 20}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct rk_offer *offers;
    struct rk_shop_report *reports;
    int32_t n, n_reports;
    struct rk_search q = {.query = "tea", .lang = "en"};
    say.n_pages = cases[i].pages;
    say.n_asked = 0;
    assert_int_equal(rk_merchants_search(merchants, &q, arena, &offers, &n, &reports, &n_reports, &e), RK_OK);
    assert_int_equal(say.n_asked, cases[i].asked);
    assert_true(say.request_ok);
    assert_int_equal(n, 0); /* a product of nothing but an id is no offer */
  }
}

/* ---- bad answers ---- */

static void a_broken_checkout_is_refused_by_the_name_of_its_field(void **state) {
  static const struct { const char *path, *json, *says; } cases[] = {
      {"totals.2.amount", "-900", "totals[2].amount"}, {"totals.2.amount", "900.0", "totals[2].amount"}, {"totals.2.amount", "9007199254740993", "totals[2].amount"},
      {"totals.2.amount", "\"900\"", "totals[2].amount"}, {"totals.1.amount", "100", "totals[1].amount"}, {"totals.2.type", "\"tax\"", "type total"},
      {"totals.2.amount", "901", "add up"}, {"totals.0.amount", "1001", "add up"}, {"totals", "[]", "totals"}, {"totals", NULL, "totals"},
      {"totals.0.type", NULL, "totals[0].type"}, {"status", "\"sleeping\"", "`status`"}, {"status", NULL, "`status`"}, {"currency", "\"yuan\"", "`currency`"},
      {"currency", NULL, "`currency`"}, {"id", "\"another\"", "another checkout"}, {"id", NULL, "`id`"}, {"line_items", "[]", "lines"},
      {"line_items.0.quantity", "0", "line_items[0].quantity"}, {"line_items.0.quantity", "1000000", "line_items[0].quantity"},
      {"line_items.0.item.price", "-1", "line_items[0].item.price"}, {"line_items.0.item.price", "0.5", "line_items[0].item.price"},
      {"line_items.0.item.title", NULL, "line_items[0].item"}, {"expires_at", "\"soon\"", "expires_at"}, {"ucp", NULL, "no UCP checkout"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct rk_checkout co;
    say_checkout(cases[i].path, cases[i].json);
    rk_err err = get(&co);
    if (!err || !strstr(e.msg, cases[i].says)) fail_msg("%s = %s: %d %s", cases[i].path, cases[i].json ? cases[i].json : "(none)", err, e.msg);
  }
}

static void what_is_unknown_but_harmless_is_passed_over(void **state) {
  struct rk_checkout co;
  say_checkout("messages", "[{\"type\":\"oracle\",\"severity\":\"cosmic\",\"content\":\"hm\"},{\"type\":\"info\",\"content\":\"x\"},7]");
  assert_int_equal(get(&co), RK_OK);
  say_checkout("future", "{\"a\":[1]}");
  assert_int_equal(get(&co), RK_OK);
}

static void the_page_to_go_on_is_https_or_the_merchants_own(void **state) {
  static const struct { const char *url; bool taken; } cases[] = {
      {"\"https://pay.example/x\"", true}, {"\"http://evil.example/x\"", false}, {"\"javascript:alert(1)\"", false}, {"\"https://a b\"", false}, {"7", false}, {NULL, false}};
  struct rk_checkout co;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    say_checkout("continue_url", cases[i].url);
    assert_int_equal(get(&co), RK_OK);
    assert_int_equal(co.continue_url != NULL, cases[i].taken);
  }
  char own[100];
  snprintf(own, sizeof own, "\"%s/pay\"", origin);
  say_checkout("continue_url", own);
  assert_int_equal(get(&co), RK_OK);
  assert_non_null(co.continue_url);
}

static void monstrous_answers_are_refused(void **state) {
  struct rk_checkout co;
  const struct { size_t n; const char *piece, *says; } cases[] = {{10000, "{\"a\":", "deep"}, {1, "{\"id\":\"a\",\"id\":\"b\"}", "duplicate"}, {50 << 20, "x", "limit"}, {1, "[]", "no JSON object"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    size_t one = strlen(cases[i].piece);
    free(say.answer);
    say.answer = malloc(cases[i].n * one + 1);
    for (size_t k = 0; k < cases[i].n; k++) memcpy(say.answer + k * one, cases[i].piece, one);
    say.answer[cases[i].n * one] = 0;
    say.how = UNSIGNED;
    assert_int_not_equal(get(&co), RK_OK);
    if (!strstr(e.msg, cases[i].says)) fail_msg("%s", e.msg);
  }
}

static void an_id_of_the_merchants_stays_an_id(void **state) {
  struct rk_checkout co;
  static const char *const ids[] = {"../orders/x", "a/b", "a?b", "a b", "%2e%2e", "\xc3\xa9"};
  for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) assert_int_equal(rk_merchant_checkout_get(merchants, origin, ids[i], arena, &co, &e), RK_EINVAL);
  assert_int_equal(rk_merchant_checkout_get(merchants, "http://127.0.0.1:1", "co", arena, &co, &e), RK_ENOTFOUND);
}

static void a_gated_answer_says_how_to_link(void **state) {
  struct rk_checkout co;
  say.status = 401;
  say.answer = strdup("{\"messages\":[{\"type\":\"error\",\"code\":\"identity_required\",\"content\":\"sign in\"}]}");
  assert_int_equal(get(&co), RK_EAUTH);
  assert_non_null(strstr(e.msg, "rukou shop link"));
  char scope[64];
  assert_true(rk_link_challenge(RK_STR("Bearer realm=\"x\", error=\"insufficient_scope\", scope=\"a:read b:manage\""), scope, sizeof scope));
  assert_string_equal(scope, "a:read b:manage");
  assert_true(rk_link_challenge(RK_STR("bearer error_description=\"go to scope=\\\"evil\\\" now\", realm=\"x\""), scope, sizeof scope));
  assert_string_equal(scope, "");
  assert_false(rk_link_challenge(RK_STR("Basic scope=\"a\""), scope, sizeof scope));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void) {
  const struct CMUnitTest tests[] = {
      T(the_newest_common_version_is_spoken), T(a_profile_speaks_for_its_own_origin_and_names), T(what_we_send_is_signed_and_what_comes_is_verified),
      T(pages_are_followed_by_their_word_and_not_for_ever), T(a_broken_checkout_is_refused_by_the_name_of_its_field),
      T(what_is_unknown_but_harmless_is_passed_over), T(the_page_to_go_on_is_https_or_the_merchants_own), T(monstrous_answers_are_refused),
      T(an_id_of_the_merchants_stays_an_id), T(a_gated_answer_says_how_to_link)};
  return cmocka_run_group_tests(tests, start, stop);
}
