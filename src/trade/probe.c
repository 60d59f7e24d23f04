#include "trade/probe.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/limits.h"
#include "trade/merchant_internal.h"

enum { ARENA_BYTES = 32 << 20, MAX_CHALLENGES = 5, MAX_SELECTED = 8 };

struct probe {
  const struct rk_probe_opts *o;
  struct rk_merchants *m;
  struct rk_links *links;
  struct rk_arena *arena;
  struct rk_ucp_merchant found;
  struct rk_link_server server;
  bool has_server;
  char item_id[128];            /* something to buy, "": nothing was found */
  json_t *trace, *steps, *faults;
};

/* ---- the trace ---- */

static json_t *headers_json(const struct rk_header *h, int32_t n) {
  json_t *v = json_object();
  for (int32_t i = 0; i < n; i++) json_object_set_new(v, h[i].name, json_string(h[i].value));
  return v;
}

static json_t *raw_headers_json(rk_str raw) {
  json_t *v = json_object();
  rk_str line, key, value;
  while (raw.n) {
    rk_str_cut(raw, '\n', &line, &raw);
    if (!rk_str_cut(line, ':', &key, &value) || key.n == 0 || key.n > 100) continue;
    char name[101];
    for (size_t i = 0; i < key.n; i++) name[i] = (char)(key.p[i] >= 'A' && key.p[i] <= 'Z' ? key.p[i] + 32 : key.p[i]);
    name[key.n] = 0;
    value = rk_str_trim(value);
    json_object_set_new(v, name, json_stringn(value.p, value.n));
  }
  return v;
}

/* A form's fields, as an object. */
static json_t *form_json(rk_str form) {
  json_t *v = json_object();
  rk_str pair, key, value;
  while (form.n) {
    char buf[4096], name[64], one[4200];
    struct rk_link_answer decoded;
    rk_str_cut(form, '&', &pair, &form);
    if (!rk_str_cut(pair, '=', &key, &value) || key.n >= sizeof name) continue;
    snprintf(name, sizeof name, "%.*s", RK_STR_ARG(key));
    int n = snprintf(one, sizeof one, "code=%.*s", RK_STR_ARG(value));
    rk_link_answer_read((rk_str){one, (size_t)n < sizeof one ? (size_t)n : sizeof one - 1}, buf, sizeof buf, &decoded);
    json_object_set_new(v, name, json_stringn(decoded.code.n ? decoded.code.p : "", decoded.code.n));
  }
  return v;
}

static json_t *body_json(rk_str body) {
  json_t *v = body.n ? rk_json_parse(body, RK_MAX_FETCH_BYTES, NULL) : NULL;
  return v ? v : json_null();
}

static void record(void *ud, const struct rk_exchange *x) {
  struct probe *p = ud;
  size_t n = strlen(p->o->origin);
  bool ours = strncmp(x->url, p->o->origin, n) == 0, form = x->content_type && x->body.p;
  json_t *entry = json_pack("{s:s, s:{s:s, s:s, s:o, s:o}, s:{s:i, s:o, s:o}}", "op", x->op, "request", "method", x->method, "path",
                            ours && strcmp(x->op, "follow_escalation") != 0 ? x->url + n : x->url, "headers", headers_json(x->headers, x->n_headers),
                            "body", form ? form_json(x->body) : body_json(x->body), "response", "status", x->answer.err ? 0 : (int)x->answer.status,
                            "headers", raw_headers_json(rk_buf_str(&x->answer.headers)), "body", body_json(rk_buf_str(&x->answer.body)));
  if (x->is_signed || x->fault) {
    json_object_set_new(entry, "sig_verified", json_boolean(!x->fault));
    json_object_set_new(entry, "sig_reason", json_string(rk_sig_code(x->fault)));
    if (x->fault) json_object_set_new(entry, "rejected", json_true());
  }
  json_array_append_new(p->trace, entry);
}

static json_t *last_entry(const struct probe *p) { return json_array_get(p->trace, json_array_size(p->trace) - 1); }
static json_t *last_answer(const struct probe *p) { return json_object_get(json_object_get(last_entry(p), "response"), "body"); }
static void note(struct probe *p, const char *key, bool value) { json_object_set_new(last_entry(p), key, json_boolean(value)); }

/* ---- the report ---- */

static void RK_PRINTF(4, 5) step(struct probe *p, const char *name, bool ok, const char *fmt, ...) {
  char text[500];
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(text, sizeof text, fmt, ap);
  va_end(ap);
  json_array_append_new(p->steps, json_pack("{s:s, s:b, s:s}", "step", name, "ok", ok, "text", text));
  if (!ok) json_array_append_new(p->faults, json_sprintf("%s: %s", name, text));
}

/* ---- steps ---- */

static rk_err discover(struct probe *p, struct rk_error *e) {
  int32_t i;
  rk_err err = rk_merchants_find(p->m, p->o->origin, &i, &p->found, e);
  json_t *profile = last_answer(p);
  if (err) {
    step(p, "discover", false, "%s", e->msg);
    return err;
  }
  json_t *odd = rk_ucp_profile_faults(profile);
  json_object_set_new(last_entry(p), "unknown_config_fields", rk_ucp_unknown_config(profile));
  step(p, "discover", true, "UCP %s, REST at %s", p->found.version, p->found.endpoint);
  json_array_extend(p->faults, odd);
  json_decref(odd);
  return RK_OK;
}

/* The first thing of the answer to a search that has an id: a variant, else the product itself. */
static void pick_item(struct probe *p, const json_t *answer, char product[128]) {
  json_t *first = json_array_get(rk_json_arr(answer, "products"), 0), *variant = json_array_get(rk_json_arr(first, "variants"), 0);
  rk_str id = rk_json_str(first, "id"), item = rk_json_str(variant, "id");
  if (item.n == 0) item = id;
  snprintf(product, 128, "%.*s", (int)(id.n < 127 ? id.n : 0), id.n ? id.p : "");
  snprintf(p->item_id, sizeof p->item_id, "%.*s", (int)(item.n < 127 ? item.n : 0), item.n ? item.p : "");
}

static rk_err search(struct probe *p, char product[128], struct rk_error *e) {
  struct rk_search q = {.query = p->o->query, .lang = p->o->lang, .undeclared = true};
  struct rk_offer *offers;
  struct rk_shop_report *reports;
  int32_t n_offers, n_reports;
  size_t before = json_array_size(p->trace);
  rk_err err = rk_merchants_search(p->m, &q, p->arena, &offers, &n_offers, &reports, &n_reports, e);
  product[0] = 0;
  if (err) {
    step(p, "search", false, "%s", e->msg);
    return err;
  }
  pick_item(p, json_object_get(json_object_get(json_array_get(p->trace, before), "response"), "body"), product);
  if (!p->found.has_search) step(p, "search", false, "it answers, but the profile does not declare %s", RK_UCP_SEARCH);
  else step(p, "search", true, "%d offers in %d pages", n_offers, (int)(json_array_size(p->trace) - before));
  if (n_offers == 0 && product[0]) step(p, "search", false, "there are products, but none with title, price and a variant that can be bought");
  if (n_offers) snprintf(p->item_id, sizeof p->item_id, "%.127s", offers[0].item_id);
  return RK_OK;
}

static int32_t read_selected(const json_t *answer, struct rk_option out[MAX_SELECTED]) {
  int32_t n = 0;
  size_t i;
  json_t *v;
  json_array_foreach(rk_json_arr(rk_json_obj(answer, "product"), "selected"), i, v)
    if (n < MAX_SELECTED && rk_json_str(v, "name").n && rk_json_str(v, "label").n)
      out[n++] = (struct rk_option){rk_json_cstr(v, "name", ""), rk_json_cstr(v, "label", "")};
  return n;
}

/* Asks for the product, and again with the options that it came with. */
static void product_detail(struct probe *p, const char *id) {
  struct rk_option selected[MAX_SELECTED];
  struct rk_ucp_merchant found;
  struct rk_error e = {RK_OK, ""};
  json_t *answer = NULL;
  int32_t status = 0, n = 0;
  rk_err err = RK_OK;
  for (int round = 0; round < 2 && !err; round++) {
    json_t *body = rk_ucp_write_product(id, selected, n, p->o->lang), *next;
    char *text = body ? rk_json_dump(body) : NULL;
    err = text ? rk_merchants_call(p->m, p->o->origin, &(struct rk_call){"get_product", "POST", "/catalog/product", "", "", NULL, text}, &found, &status, &next, &e)
               : rk_fail(&e, RK_EINVAL, "the product's id is not valid UTF-8");
    free(text);
    json_decref(body);
    json_decref(answer);
    answer = err ? NULL : next;
    if (!err && status != 200) err = rk_merchants_refusal(status, answer, &found, &e);
    n = err ? 0 : read_selected(answer, selected);
    if (n == 0) break;
  }
  json_decref(answer);
  step(p, "product", !err, "%s", err ? e.msg : "detail is served");
}

/* ---- linked accounts ---- */

static const char *client_id(const struct probe *p) { return p->o->client_id ? p->o->client_id : p->o->profile_url; }
static const char *redirect_uri(const struct probe *p) { return p->o->redirect_uri ? p->o->redirect_uri : "http://127.0.0.1/linked"; }

/* Goes where a browser would be sent, without a user: a redirect to us, or the parameters as JSON. */
static rk_err authorize(struct probe *p, const char *op, const char *scope, struct rk_link_request *r, char code[1024], struct rk_error *e) {
  struct rk_exchange x, *one = &x;
  struct rk_link_answer a = {0};
  enum rk_link_fault fault = RK_LINK_OK;
  char buf[2048];
  rk_err err = rk_link_request_new(&p->server, client_id(p), redirect_uri(p), scope, r, e);
  if (err) return err;
  rk_exchange_init(&x, op, "GET", p->found.version);
  snprintf(x.url, sizeof x.url, "%s", r->url);
  rk_exchange_send(&p->m->platform, &one, 1);
  err = rk_exchange_check(&p->m->platform, &x, NULL, false, e);
  json_t *body = body_json(rk_buf_str(&x.answer.body));
  rk_str location = rk_net_header(&x.answer, "Location"), before, query;
  if (location.n && rk_str_starts(location, rk_str_c(redirect_uri(p))) && rk_str_cut(location, '?', &before, &query)) rk_link_answer_read(query, buf, sizeof buf, &a);
  else a = (struct rk_link_answer){rk_json_str(body, "code"), rk_json_str(body, "state"), rk_json_str(body, "iss"), rk_json_str(body, "error")};
  if (!err && x.answer.err) err = rk_fail(e, RK_EUNAVAIL, "%s", x.answer.error.msg);
  if (!err) err = rk_link_check(&p->server, r, &a, &fault, e);
  note(p, "state_validated", fault != RK_LINK_STATE);
  if (fault != RK_LINK_STATE) note(p, "iss_validated", fault != RK_LINK_ISSUER);
  if (err) note(p, "rejected", true);
  else snprintf(code, 1024, "%.*s", RK_STR_ARG(a.code));
  json_decref(body);
  rk_exchange_release(&x);
  return err;
}

static rk_err link_account(struct probe *p) {
  struct rk_error e = {RK_OK, ""};
  enum rk_link_fault fault;
  struct rk_link_request r;
  char code[1024];
  rk_err err = rk_link_discover(&p->m->platform, p->o->origin, &p->server, &fault, &e);
  if (err) {
    if (fault == RK_LINK_ISSUER) note(p, "issuer_matched", false), note(p, "rejected", true);
    else note(p, "aborted", true);
    step(p, "linking", false, "%s", e.msg);
    return err;
  }
  p->has_server = true;
  if (p->o->authorize) err = authorize(p, "authorize", p->found.scopes, &r, code, &e);
  step(p, "linking", !err, "%s%s", err ? "" : "authorization server ", err ? e.msg : p->server.issuer);
  return err;
}

/* What of the wanted scopes is not granted yet, in one string. */
static void missing_scopes(const char *wanted, const char *granted, char *out, size_t size) {
  rk_str rest = rk_str_c(wanted), one;
  char padded[600], needle[300];
  size_t n = 0;
  out[0] = 0;
  snprintf(padded, sizeof padded, " %s ", granted);
  while (rest.n) {
    rk_str_cut(rest, ' ', &one, &rest);
    if (one.n == 0 || one.n > 250) continue;
    snprintf(needle, sizeof needle, " %.*s ", RK_STR_ARG(one));
    if (!strstr(padded, needle) && n + one.n + 2 < size) n += (size_t)snprintf(out + n, size - n, "%s%.*s", n ? " " : "", RK_STR_ARG(one));
  }
}

/* A token for what a challenge asks for beyond what is held. A challenge that names no scope is answered
 * without one: what is missing then, the next one says. */
static rk_err gain(struct probe *p, const char *wanted, struct rk_error *e) {
  struct rk_linked held, got;
  struct rk_link_request r;
  char scope[512], code[1024];
  if (!rk_links_get(p->links, p->o->origin, &held)) held.scope[0] = 0;
  missing_scopes(wanted, held.scope, scope, sizeof scope);
  rk_err err = authorize(p, "authorize_gated", scope, &r, code, e);
  if (!err) err = rk_link_token(&p->m->platform, &p->server, &r, rk_str_c(code), &got, e);
  return err ? err : rk_links_set(p->links, p->o->origin, &got, e);
}

static void gated(struct probe *p, const char *what) {
  char method[8] = "", path[256] = "", scope[512];
  struct rk_ucp_merchant found;
  struct rk_error e = {RK_OK, ""};
  const char *op = "fetch_gated";
  rk_err err = sscanf(what, "%7s %255s", method, path) == 2 ? RK_OK : rk_fail(&e, RK_EINVAL, "%s is no METHOD PATH", what);
  int32_t status = 0;
  for (int round = 0; !err && round < MAX_CHALLENGES; round++, op = "fetch_gated_retry") {
    json_t *answer;
    err = rk_merchants_call(p->m, p->o->origin, &(struct rk_call){op, method, path, "", "", NULL, NULL}, &found, &status, &answer, &e);
    json_decref(answer);
    if (err || (status != 401 && status != 403)) break;
    rk_str challenge = rk_json_str(json_object_get(json_object_get(last_entry(p), "response"), "headers"), "www-authenticate");
    if (!p->has_server || !rk_link_challenge(challenge, scope, sizeof scope)) err = rk_fail(&e, RK_EAUTH, "HTTP %d without a Bearer challenge", status);
    else err = gain(p, scope, &e);
  }
  if (err) step(p, what, false, "%s", e.msg);
  else step(p, what, status >= 200 && status < 300, "HTTP %d", status);
}

static void unlink_account(struct probe *p) {
  struct rk_linked held;
  struct rk_error e = {RK_OK, ""};
  if (!rk_links_get(p->links, p->o->origin, &held)) return;
  rk_err err = rk_link_revoke(&p->m->platform, &held, &e);
  step(p, "unlink", !err, "%s", err ? e.msg : "the token was revoked");
}

/* ---- a checkout ---- */

static json_t *create(struct probe *p, struct rk_error *e) {
  struct rk_line line = {.item_id = p->item_id, .quantity = 1};
  struct rk_checkout_req q = {.origin = p->o->origin, .lines = &line, .n_lines = 1, .lang = p->o->lang};
  struct rk_checkout read;
  struct rk_error why = {RK_OK, ""};
  json_t *body = rk_ucp_write_checkout(&q), *answer = NULL;
  char *text = body ? rk_json_dump(body) : NULL;
  int32_t status = 0;
  rk_err err = text ? rk_merchants_call(p->m, p->o->origin, &(struct rk_call){"create_checkout", "POST", "/checkout-sessions", "", "", NULL, text}, &p->found,
                                        &status, &answer, e)
                    : rk_fail(e, RK_EINVAL, "the item's id is not valid UTF-8");
  free(text);
  json_decref(body);
  if (!err && (status < 200 || status > 299)) err = rk_merchants_refusal(status, answer, &p->found, e);
  if (!err && (err = rk_ucp_check_totals(rk_json_arr(answer, "totals"), e))) note(p, "totals_mismatch", true), note(p, "refused_completion", true);
  if (!err && rk_ucp_read_checkout(answer, &p->found, p->arena, &read, &why)) step(p, "checkout", false, "the agent would refuse it: %s", why.msg);
  if (!err) return answer;
  json_decref(answer);
  return NULL;
}

/* The handler of the checkout that offers instruments of that type. What a checkout lists is all that it takes. */
static const char *handler_of(const json_t *checkout, const char *type) {
  json_t *handlers = rk_json_obj(rk_json_obj(checkout, "ucp"), "payment_handlers"), *list, *h, *v;
  const char *name;
  size_t i, k;
  json_object_foreach(handlers, name, list)
    json_array_foreach(list, i, h)
      json_array_foreach(rk_json_arr(h, "available_instruments"), k, v)
        if (rk_str_eq_c(rk_json_str(v, "type"), type)) return rk_json_cstr(h, "id", name);
  return NULL;
}

/* The page where the buyer goes on. Ours is to hand over the address; here it is only looked at. */
static void follow(struct probe *p, const char *url) {
  struct rk_exchange x, *one = &x;
  struct rk_error e = {RK_OK, ""};
  rk_exchange_init(&x, "follow_escalation", "GET", p->found.version);
  snprintf(x.url, sizeof x.url, "%s", url);
  rk_exchange_send(&p->m->platform, &one, 1);
  rk_err err = rk_exchange_check(&p->m->platform, &x, NULL, false, &e);
  bool ok = !err && !x.answer.err && x.answer.status < 400;
  step(p, "escalation", ok, "%s at %.300s", ok ? "the buyer goes on" : "nothing answers", url);
  rk_exchange_release(&x);
}

static void complete(struct probe *p, const json_t *checkout) {
  char type[32];
  struct rk_ucp_merchant found;
  struct rk_error e = {RK_OK, ""};
  struct rk_buf body;
  json_t *answer = NULL;
  int32_t status = 0;
  const char *token = strchr(p->o->pay, ':');
  snprintf(type, sizeof type, "%.*s", token ? (int)(token - p->o->pay < 31 ? token - p->o->pay : 31) : 0, p->o->pay);
  const char *handler = token ? handler_of(checkout, type) : NULL;
  if (!handler) {
    step(p, "complete", false, "no handler of this checkout takes `%s` of %s", type, p->o->pay);
    return;
  }
  char instrument[37];
  rk_uuid7(instrument);
  rk_buf_init(&body, 16384);
  rk_err err = rk_merchant_complete_body(&(struct rk_payment){.instrument_id = instrument, .kind = type, .label = type, .token = token + 1, .handler_id = handler,
                                                              .credential_type = "token"}, &body);
  if (!err) err = rk_merchants_call(p->m, p->o->origin, &(struct rk_call){"complete", "POST", "/checkout-sessions/", rk_json_cstr(checkout, "id", ""), "/complete", NULL, body.p},
                                    &found, &status, &answer, &e);
  const char *state = rk_json_cstr(answer, "status", ""), *url = rk_json_cstr(answer, "continue_url", NULL);
  step(p, "complete", !err && status < 300, "%s%s", err ? e.msg : "status ", err ? "" : state);
  if (!err && strcmp(state, "requires_escalation") == 0) {
    if (url) follow(p, url);
    else step(p, "escalation", false, "requires_escalation without a `continue_url`");
  }
  json_decref(answer);
  rk_buf_release(&body);
}

static void checkout(struct probe *p) {
  struct rk_error e = {RK_OK, ""};
  if (!p->item_id[0]) {
    step(p, "checkout", false, "nothing was found that could be bought");
    return;
  }
  json_t *made = create(p, &e);
  step(p, "checkout", made != NULL, "%s", made ? "its totals add up" : e.msg);
  if (made && p->o->pay) complete(p, made);
  else if (made && rk_merchant_checkout_cancel(p->m, p->o->origin, rk_json_cstr(made, "id", ""), &e)) step(p, "cancel", false, "%s", e.msg);
  json_decref(made);
}

/* ---- all of it ---- */

static void walk(struct probe *p) {
  struct rk_error e = {RK_OK, ""};
  char product[128];
  if (discover(p, &e)) return;
  if (search(p, product, &e) == RK_EAUTH) return; /* its answers are not its own: no more is asked */
  if (product[0]) product_detail(p, product);
  if (p->found.has_identity && link_account(p)) return;
  checkout(p);
  for (int32_t i = 0; i < p->o->n_gated; i++) gated(p, p->o->gated[i]);
  unlink_account(p);
}

static json_t *report_of(const struct probe *p) {
  return json_pack("{s:s, s:s, s:s, s:s, s:o, s:s, s:O, s:O}", "origin", p->o->origin, "name", p->found.name, "version", p->found.version ? p->found.version : "",
                   "endpoint", p->found.endpoint, "capabilities", rk_ucp_capability_names(&p->found), "scopes", p->found.scopes, "steps", p->steps, "faults", p->faults);
}

rk_err rk_probe(const struct rk_probe_opts *o, json_t **report, json_t **trace, struct rk_error *e) {
  struct probe p = {.o = o, .trace = json_array(), .steps = json_array(), .faults = json_array(), .arena = rk_arena_new(ARENA_BYTES)};
  rk_err err = p.arena ? rk_links_open(NULL, &p.links, e) : rk_fail(e, RK_ENOMEM, "out of memory");
  if (!err)
    err = rk_merchants_new(&(struct rk_merchants_opts){.net = o->net, .agent_profile_url = o->profile_url, .origins = &o->origin, .n_origins = 1, .key = o->key,
                                                       .links = p.links, .on_exchange = record, .ud = &p}, &p.m, e);
  if (!err) walk(&p);
  *report = err ? NULL : report_of(&p);
  *trace = err ? NULL : json_incref(p.trace);
  rk_merchants_free(p.m);
  rk_links_free(p.links);
  rk_arena_free(p.arena);
  json_decref(p.trace);
  json_decref(p.steps);
  json_decref(p.faults);
  return err;
}
