#include "trade/merchant.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "trade/payment_token.h"
#include "trade/ucp.h"

enum { URL_BYTES = 640, PROFILE_TTL_MS = 600000 };

struct merchant {
  char origin[256];
  struct rk_ucp_merchant found;   /* valid while known_ms != 0 */
  int64_t known_ms;               /* rk_mono_ms() of the discovery */
};

struct rk_merchants {
  struct rk_net *net;
  char agent_header[700];
  struct merchant *list; int32_t n;
  pthread_mutex_t lock;           /* found and known_ms */
};

rk_err rk_merchants_new(const struct rk_merchants_opts *o, struct rk_merchants **out, struct rk_error *e) {
  if (o->n_origins > RK_MAX_SHOPS) return rk_fail(e, RK_ETOOBIG, "more than %d shops", RK_MAX_SHOPS);
  if (strlen(o->agent_profile_url) > 600 || strpbrk(o->agent_profile_url, "\"\\\r\n"))
    return rk_fail(e, RK_EINVAL, "the address of our UCP profile is not usable: %s", o->agent_profile_url);
  struct rk_merchants *m = calloc(1, sizeof *m);
  if (m) m->list = calloc((size_t)o->n_origins + 1, sizeof *m->list);
  if (!m || !m->list) {
    free(m);
    return rk_fail(e, RK_ENOMEM, "out of memory");
  }
  m->net = o->net;
  pthread_mutex_init(&m->lock, NULL);
  snprintf(m->agent_header, sizeof m->agent_header, "profile=\"%s\"", o->agent_profile_url);
  rk_err err = RK_OK;
  for (int32_t i = 0; i < o->n_origins && !err; i++) {
    err = rk_net_origin(o->origins[i], m->list[i].origin, sizeof m->list[i].origin);
    if (!err) err = rk_net_allow(o->net, m->list[i].origin);
    if (err) rk_fail(e, err, "the shop address %s is no http(s) origin", o->origins[i]);
    m->n++;
  }
  if (err) {
    rk_merchants_free(m);
    return err;
  }
  *out = m;
  return RK_OK;
}

void rk_merchants_free(struct rk_merchants *m) {
  if (!m) return;
  pthread_mutex_destroy(&m->lock);
  free(m->list);
  free(m);
}

/* ---- one exchange ---- */

struct exchange {
  char url[URL_BYTES], request_id[37], key[37];
  struct rk_header headers[5];
  struct rk_net_request req;
  char *body;
};

/* body NULL: none. key NULL: a fresh one for a write. */
static void exchange_init(struct exchange *x, const struct rk_merchants *m, const char *method, const char *key, char *body) {
  rk_uuid7(x->request_id);
  rk_uuid7(x->key);
  x->body = body;
  x->headers[0] = (struct rk_header){"UCP-Agent", m->agent_header};
  x->headers[1] = (struct rk_header){"Request-Id", x->request_id};
  x->headers[2] = (struct rk_header){"Accept", "application/json"};
  x->headers[3] = (struct rk_header){"Content-Type", "application/json"};
  x->headers[4] = (struct rk_header){"Idempotency-Key", key ? key : x->key};
  x->req = (struct rk_net_request){.method = method, .url = x->url, .headers = x->headers, .n_headers = body ? 5 : 3,
                                   .body = body ? rk_str_c(body) : (rk_str){0}};
}

/* The parsed body of an answer; NULL with e. */
static json_t *body_of(const struct rk_net_response *r, const char *who, struct rk_error *e) {
  if (r->err) {
    rk_fail(e, r->err == RK_ETIMEOUT ? RK_ETIMEOUT : RK_EUNAVAIL, "%s: %s", who, r->error.msg);
    return NULL;
  }
  struct rk_error why = {0};
  json_t *v = rk_json_parse(rk_buf_str(&r->body), RK_MAX_FETCH_BYTES, &why);
  if (v && json_is_object(v)) return v;
  json_decref(v);
  rk_fail(e, RK_EUPSTREAM, "%s answered HTTP %d with something that is no JSON object", who, r->status);
  return NULL;
}

/* ---- discovery ---- */

static bool is_known(struct rk_merchants *m, int32_t i, struct rk_ucp_merchant *out) {
  pthread_mutex_lock(&m->lock);
  bool known = m->list[i].known_ms && rk_mono_ms() - m->list[i].known_ms < PROFILE_TTL_MS;
  if (known) *out = m->list[i].found;
  pthread_mutex_unlock(&m->lock);
  return known;
}

static void forget(struct rk_merchants *m, int32_t i) {
  pthread_mutex_lock(&m->lock);
  m->list[i].known_ms = 0;
  pthread_mutex_unlock(&m->lock);
}

static rk_err learn(struct rk_merchants *m, int32_t i, const struct rk_net_response *r, struct rk_ucp_merchant *out, struct rk_error *e) {
  json_t *profile = body_of(r, m->list[i].origin, e);
  if (!profile) return e->code;
  rk_err err = r->status == 200 ? rk_ucp_read_merchant(profile, m->list[i].origin, out, e)
                                : rk_fail(e, RK_EUPSTREAM, "%s has no UCP profile (HTTP %d)", m->list[i].origin, r->status);
  json_decref(profile);
  if (err) return err;
  pthread_mutex_lock(&m->lock);
  m->list[i].found = *out;
  m->list[i].known_ms = rk_mono_ms();
  pthread_mutex_unlock(&m->lock);
  return RK_OK;
}

static void profile_request(struct rk_merchants *m, int32_t i, struct exchange *x) {
  exchange_init(x, m, "GET", NULL, NULL);
  snprintf(x->url, sizeof x->url, "%s/.well-known/ucp", m->list[i].origin);
}

/* Makes every merchant known that answers; errs[i] says why not. */
static rk_err discover_all(struct rk_merchants *m, struct rk_ucp_merchant *found, struct rk_error *errs) {
  struct exchange *x = calloc((size_t)m->n + 1, sizeof *x);
  struct rk_net_request *reqs = calloc((size_t)m->n + 1, sizeof *reqs);
  struct rk_net_response *answers = calloc((size_t)m->n + 1, sizeof *answers);
  int32_t *which = calloc((size_t)m->n + 1, sizeof *which), n = 0;
  rk_err err = x && reqs && answers && which ? RK_OK : RK_ENOMEM;
  for (int32_t i = 0; !err && i < m->n; i++) {
    if (is_known(m, i, &found[i])) continue;
    profile_request(m, i, &x[n]);
    reqs[n] = x[n].req;
    reqs[n].max_bytes = RK_MAX_UCP_PROFILE_BYTES;
    which[n++] = i;
  }
  if (!err && n) rk_net_fetch_all(m->net, reqs, answers, n);
  for (int32_t k = 0; !err && k < n; k++) {
    errs[which[k]].code = learn(m, which[k], &answers[k], &found[which[k]], &errs[which[k]]);
    rk_net_response_release(&answers[k]);
  }
  free(which);
  free(answers);
  free(reqs);
  free(x);
  return err;
}

static rk_err merchant_at(struct rk_merchants *m, const char *origin, int32_t *index, struct rk_ucp_merchant *out, struct rk_error *e) {
  int32_t i = 0;
  while (i < m->n && strcmp(m->list[i].origin, origin) != 0) i++;
  if (i == m->n) return rk_fail(e, RK_ENOTFOUND, "%s is none of the configured shops", origin);
  *index = i;
  if (is_known(m, i, out)) return RK_OK;
  struct exchange x;
  struct rk_net_response r = {0};
  struct rk_error why = {0};
  profile_request(m, i, &x);
  x.req.max_bytes = RK_MAX_UCP_PROFILE_BYTES;
  rk_net_fetch(m->net, &x.req, &r);
  rk_err err = learn(m, i, &r, out, &why);
  rk_net_response_release(&r);
  return err ? rk_fail(e, err, "%s", why.msg) : RK_OK;
}

/* ---- search ---- */

/* Goods are asked of shops, trains of railways. */
static bool sells(const struct rk_ucp_merchant *found, const struct rk_search *q) { return strcmp(found->travel_kind, q->travel ? q->travel->kind : "") == 0; }

static rk_err ask_all(struct rk_merchants *m, const struct rk_search *q, const struct rk_ucp_merchant *found, const struct rk_error *errs,
                      struct rk_net_response *answers, struct rk_error *e) {
  struct exchange *x = calloc((size_t)m->n + 1, sizeof *x);
  struct rk_net_request *reqs = calloc((size_t)m->n + 1, sizeof *reqs);
  struct rk_net_response *got = calloc((size_t)m->n + 1, sizeof *got);
  json_t *body = rk_ucp_write_search(q);
  char *text = body ? rk_json_dump(body) : NULL;
  rk_err err = x && reqs && got && text ? RK_OK : rk_fail(e, body ? RK_ENOMEM : RK_EINVAL, "the query is not valid UTF-8");
  int32_t n = 0;
  for (int32_t i = 0; !err && i < m->n; i++) {
    if (errs[i].code || !sells(&found[i], q)) continue;
    exchange_init(&x[n], m, "POST", NULL, text);
    snprintf(x[n].url, sizeof x[n].url, "%s/catalog/search", found[i].endpoint);
    reqs[n] = x[n].req;
    n++;
  }
  if (!err && n) rk_net_fetch_all(m->net, reqs, got, n);
  for (int32_t i = 0, k = 0; !err && i < m->n; i++)
    if (!errs[i].code && sells(&found[i], q)) answers[i] = got[k++];
  free(text);
  json_decref(body);
  free(got);
  free(reqs);
  free(x);
  return err;
}

static rk_err read_answer(struct rk_merchants *m, int32_t i, const struct rk_ucp_merchant *found, const struct rk_net_response *answer,
                          const struct rk_search *q, struct rk_arena *a, struct rk_offer **offers, int32_t *n, struct rk_error *e) {
  json_t *v = body_of(answer, found->name, e);
  if (!v) {
    forget(m, i);
    return e->code;
  }
  rk_err err = RK_OK;
  if (answer->status != 200) {
    char text[300];
    rk_ucp_error_text(v, text, sizeof text);
    err = rk_fail(e, RK_EUPSTREAM, "%s answered HTTP %d: %s", found->name, answer->status, text);
  } else err = rk_ucp_read_offers(v, found, q, a, offers, n, e);
  json_decref(v);
  return err;
}

static int by_relevance(const void *a, const void *b) {
  const struct rk_offer *x = a, *y = b;
  return x->relevance < y->relevance ? 1 : x->relevance > y->relevance ? -1 : 0;
}

/* Merges the lists: one offer of each merchant in turn, then stably by relevance. */
static rk_err merge(struct rk_offer *const *lists, const int32_t *counts, int32_t n_lists, struct rk_arena *a, struct rk_offer **out, int32_t *n_out) {
  size_t total = 0;
  for (int32_t i = 0; i < n_lists; i++) total += (size_t)counts[i];
  *n_out = 0;
  *out = rk_arena_array(a, total + 1, sizeof **out);
  if (!*out) return RK_ETOOBIG;
  for (int32_t round = 0; (size_t)*n_out < total; round++)
    for (int32_t i = 0; i < n_lists; i++)
      if (round < counts[i]) (*out)[(*n_out)++] = lists[i][round];
  for (int32_t i = 1; i < *n_out; i++) { /* insertion: stable, and nearly sorted already */
    struct rk_offer o = (*out)[i];
    int32_t k = i;
    for (; k > 0 && by_relevance(&(*out)[k - 1], &o) > 0; k--) (*out)[k] = (*out)[k - 1];
    (*out)[k] = o;
  }
  return RK_OK;
}

rk_err rk_merchants_search(struct rk_merchants *m, const struct rk_search *q, struct rk_arena *a, struct rk_offer **offers, int32_t *n_offers,
                           struct rk_shop_report **reports, int32_t *n_reports, struct rk_error *e) {
  struct rk_ucp_merchant *found = calloc((size_t)m->n + 1, sizeof *found);
  struct rk_error *errs = calloc((size_t)m->n + 1, sizeof *errs);
  struct rk_net_response *answers = calloc((size_t)m->n + 1, sizeof *answers);
  struct rk_offer **lists = calloc((size_t)m->n + 1, sizeof *lists);
  int32_t *counts = calloc((size_t)m->n + 1, sizeof *counts), n_ok = 0, n_asked = 0;
  const char *why = "";
  *n_offers = *n_reports = 0;
  *offers = NULL;
  *reports = rk_arena_array(a, (size_t)m->n + 1, sizeof **reports);
  rk_err err = found && errs && answers && lists && counts && *reports ? RK_OK : rk_fail(e, RK_ENOMEM, "out of memory");
  if (!err && m->n == 0) err = rk_fail(e, RK_EUNAVAIL, "no shops are configured; name them with `shops = ORIGIN,ORIGIN`");
  if (!err && discover_all(m, found, errs)) err = rk_fail(e, RK_ENOMEM, "out of memory");
  if (!err) err = ask_all(m, q, found, errs, answers, e);
  for (int32_t i = 0; !err && i < m->n; i++) {
    if (!errs[i].code && !sells(&found[i], q)) continue;
    if (!errs[i].code) errs[i].code = read_answer(m, i, &found[i], &answers[i], q, a, &lists[i], &counts[i], &errs[i]);
    if (errs[i].code) counts[i] = 0;
    n_ok += !errs[i].code;
    n_asked++;
    if (errs[i].code && !*why) why = errs[i].msg;
    const char *id = found[i].id[0] ? found[i].id : m->list[i].origin, *name = found[i].name[0] ? found[i].name : m->list[i].origin;
    struct rk_shop_report *rep = &(*reports)[(*n_reports)++];
    *rep = (struct rk_shop_report){.shop_id = rk_arena_dup(a, rk_str_c(id)), .name = rk_arena_dup(a, rk_str_c(name)), .origin = m->list[i].origin,
                                   .err = errs[i].code, .message = rk_arena_dup(a, rk_str_c(errs[i].msg)), .n_offers = counts[i]};
    if (!rep->shop_id || !rep->name || !rep->message) err = rk_fail(e, RK_ETOOBIG, "the shops' answers are too large");
  }
  if (!err && n_asked == 0) err = rk_fail(e, RK_EUNAVAIL, "no seller of this kind is configured: %s", q->travel ? q->travel->kind : "goods");
  if (!err && n_ok == 0) err = rk_fail(e, RK_EUNAVAIL, "no shop answered: %s", why);
  if (!err && merge(lists, counts, m->n, a, offers, n_offers)) err = rk_fail(e, RK_ETOOBIG, "the shops' answers are too large");
  for (int32_t i = 0; answers && i < m->n; i++) rk_net_response_release(&answers[i]);
  free(counts);
  free(lists);
  free(answers);
  free(errs);
  free(found);
  return err;
}

/* ---- checkout ---- */

/* Where a request goes: before, an id of the merchant's, after. */
struct place { const char *before, *id, *after; };

#define SESSION(id, after) ((struct place){"/checkout-sessions/", id, after})

/* Sends one request below the endpoint; *answer is the parsed body of any HTTP answer. */
static rk_err talk(struct rk_merchants *m, const char *origin, const char *method, struct place to, const char *key, char *body,
                   struct rk_ucp_merchant *found, int32_t *status, json_t **answer, struct rk_error *e) {
  int32_t i = 0;
  *answer = NULL;
  *status = 0;
  rk_err err = merchant_at(m, origin, &i, found, e);
  if (err) return err;
  for (const char *p = to.id; *p; p++)
    if (!((*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || strchr("-_.~:", *p)))
      return rk_fail(e, RK_EINVAL, "%s is no id of a checkout or an order", to.id);
  struct exchange x;
  struct rk_net_response r = {0};
  struct rk_error why = {0};
  exchange_init(&x, m, method, key, body);
  int n = snprintf(x.url, sizeof x.url, "%s%s%s%s", found->endpoint, to.before, to.id, to.after);
  if (n < 0 || (size_t)n >= sizeof x.url) return rk_fail(e, RK_ETOOBIG, "the id %.40s... is too long", to.id);
  rk_net_fetch(m->net, &x.req, &r);
  *status = r.status;
  *answer = body_of(&r, found->name, &why);
  if (!*answer) {
    forget(m, i);
    err = rk_fail(e, why.code, "%s", why.msg);
  }
  rk_net_response_release(&r);
  return err;
}

static rk_err read_session(int32_t status, json_t *answer, const struct rk_ucp_merchant *found, const char *id, struct rk_arena *a,
                           struct rk_checkout *out, struct rk_error *e) {
  rk_err err = RK_OK;
  if (status < 200 || status > 299) {
    char text[300];
    rk_ucp_error_text(answer, text, sizeof text);
    err = rk_fail(e, status == 404 ? RK_ENOTFOUND : RK_EUPSTREAM, "%s answered HTTP %d: %s", found->name, status, text);
  }
  if (!err) err = rk_ucp_read_checkout(answer, found, a, out, e);
  if (!err && id && strcmp(out->id, id) != 0) err = rk_fail(e, RK_EUPSTREAM, "%s answered with another checkout than was asked for", found->name);
  json_decref(answer);
  return err;
}

static rk_err send_checkout(struct rk_merchants *m, const char *id, const struct rk_checkout_req *q, struct rk_arena *a, struct rk_checkout *out,
                            struct rk_error *e) {
  struct rk_ucp_merchant found;
  int32_t status;
  json_t *answer, *body = rk_ucp_write_checkout(q, id);
  char *text = body ? rk_json_dump(body) : NULL;
  json_decref(body);
  if (!text) return rk_fail(e, RK_EINVAL, "a text of the checkout is not valid UTF-8");
  rk_err err = talk(m, q->origin, id ? "PUT" : "POST", id ? SESSION(id, "") : (struct place){"/checkout-sessions", "", ""}, NULL, text,
                    &found, &status, &answer, e);
  free(text);
  return err ? err : read_session(status, answer, &found, id, a, out, e);
}

rk_err rk_merchant_checkout_create(struct rk_merchants *m, const struct rk_checkout_req *q, struct rk_arena *a, struct rk_checkout *out,
                                   struct rk_error *e) {
  return send_checkout(m, NULL, q, a, out, e);
}

rk_err rk_merchant_checkout_update(struct rk_merchants *m, const char *id, const struct rk_checkout_req *q, struct rk_arena *a,
                                   struct rk_checkout *out, struct rk_error *e) {
  return send_checkout(m, id, q, a, out, e);
}

rk_err rk_merchant_checkout_get(struct rk_merchants *m, const char *origin, const char *id, struct rk_arena *a, struct rk_checkout *out,
                                struct rk_error *e) {
  struct rk_ucp_merchant found;
  int32_t status;
  json_t *answer;
  rk_err err = talk(m, origin, "GET", SESSION(id, ""), NULL, NULL, &found, &status, &answer, e);
  return err ? err : read_session(status, answer, &found, id, a, out, e);
}

rk_err rk_merchant_checkout_cancel(struct rk_merchants *m, const char *origin, const char *id, struct rk_error *e) {
  struct rk_ucp_merchant found;
  struct rk_checkout out;
  int32_t status;
  json_t *answer;
  struct rk_arena *a = rk_arena_new(1 << 20);
  if (!a) return rk_fail(e, RK_ENOMEM, "out of memory");
  char body[] = "{}";
  rk_err err = talk(m, origin, "POST", SESSION(id, "/cancel"), NULL, body, &found, &status, &answer, e);
  if (!err) err = read_session(status, answer, &found, id, a, &out, e);
  if (!err && out.status != RK_CO_CANCELED) err = rk_fail(e, RK_ECONFLICT, "%s did not cancel the checkout", found.name);
  rk_arena_free(a);
  return err;
}

rk_err rk_merchant_complete_body(const struct rk_payment *p, struct rk_buf *body) {
  json_t *v = json_pack("{s:{s:[{s:s, s:s, s:s, s:b, s:{s:s}, s:{s:s, s:s}}]}}", "payment", "instruments", "id", p->instrument_id,
                        "handler_id", RK_PAYMENT_HANDLER, "type", p->kind, "selected", 1, "display", "label", p->label,
                        "credential", "type", RK_PAYMENT_HANDLER ".token", "token", p->token);
  char *text = v ? rk_json_dump(v) : NULL;
  json_decref(v);
  if (!text) return RK_EINVAL;
  rk_err err = rk_buf_adds(body, text);
  free(text);
  return err;
}

enum rk_outcome rk_merchant_complete(struct rk_merchants *m, const char *origin, const char *id, const char *idempotency_key, rk_str body,
                                     struct rk_arena *a, struct rk_checkout *out, struct rk_error *e) {
  struct rk_ucp_merchant found;
  int32_t status;
  json_t *answer;
  struct rk_error why = {0};
  *out = (struct rk_checkout){0};
  char *text = rk_arena_dup(a, body);
  rk_err err = text ? talk(m, origin, "POST", SESSION(id, "/complete"), idempotency_key, text, &found, &status, &answer, &why)
                    : rk_fail(&why, RK_ETOOBIG, "out of room");
  if (err) {
    rk_fail(e, RK_EUNAVAIL, "%s; whether the order stands is not known yet", why.msg);
    return RK_OUTCOME_UNKNOWN;
  }
  enum rk_outcome outcome = rk_ucp_read_completion(status, answer, id, &found, a, out, e);
  json_decref(answer);
  return outcome;
}

rk_err rk_merchant_order(struct rk_merchants *m, const char *origin, const char *order_id, json_t **out, struct rk_error *e) {
  struct rk_ucp_merchant found;
  int32_t status;
  *out = NULL;
  rk_err err = talk(m, origin, "GET", (struct place){"/orders/", order_id, ""}, NULL, NULL, &found, &status, out, e);
  if (err) return err;
  if (status == 200 && rk_str_eq_c(rk_json_str(*out, "id"), order_id) && rk_json_arr(*out, "line_items")) return RK_OK;
  json_decref(*out);
  *out = NULL;
  return rk_fail(e, status == 404 ? RK_ENOTFOUND : RK_EUPSTREAM, "%s does not show order %s (HTTP %d)", found.name, order_id, status);
}

/* ---- money back ---- */

static rk_err read_refund(int32_t status, json_t *answer, const struct rk_ucp_merchant *found, struct rk_arena *a, struct rk_refund *out, struct rk_error *e) {
  rk_err err = RK_OK;
  if (status < 200 || status > 299) {
    char text[300];
    rk_ucp_error_text(answer, text, sizeof text);
    err = rk_fail(e, status == 404 ? RK_ENOTFOUND : status == 409 ? RK_ECONFLICT : RK_EUPSTREAM, "%s answered HTTP %d: %s", found->name, status, text);
  }
  if (!err) err = rk_ucp_read_refund(answer, found, a, out, e);
  json_decref(answer);
  return err;
}

static rk_err takes_refunds(struct rk_merchants *m, const char *origin, struct rk_error *e) {
  struct rk_ucp_merchant found;
  int32_t i;
  rk_err err = merchant_at(m, origin, &i, &found, e);
  return !err && !found.has_refund ? rk_fail(e, RK_EUNAVAIL, "%s takes no refund requests from an agent; use the order's page", found.name) : err;
}

rk_err rk_merchant_refund_quote(struct rk_merchants *m, const char *origin, const char *order_id, const struct rk_refund_line *lines,
                                int32_t n_lines, const char *lang, struct rk_arena *a, struct rk_refund *out, struct rk_error *e) {
  struct rk_ucp_merchant found;
  int32_t status;
  json_t *answer, *body = rk_ucp_write_refund(order_id, lines, n_lines, lang);
  char *text = body ? rk_json_dump(body) : NULL;
  json_decref(body);
  rk_err err = text ? takes_refunds(m, origin, e) : rk_fail(e, RK_EINVAL, "a text of the refund is not valid UTF-8");
  if (!err) err = talk(m, origin, "POST", (struct place){"/refunds", "", ""}, NULL, text, &found, &status, &answer, e);
  free(text);
  if (!err) err = read_refund(status, answer, &found, a, out, e);
  return !err && strcmp(out->order_id, order_id) != 0 ? rk_fail(e, RK_EUPSTREAM, "%s answered with another order than was asked for", found.name) : err;
}

enum rk_outcome rk_merchant_refund_confirm(struct rk_merchants *m, const char *origin, const char *refund_id, const char *idempotency_key,
                                           struct rk_arena *a, struct rk_refund *out, struct rk_error *e) {
  struct rk_ucp_merchant found;
  int32_t status;
  json_t *answer;
  char body[] = "{}";
  *out = (struct rk_refund){0};
  rk_err err = talk(m, origin, "POST", (struct place){"/refunds/", refund_id, "/confirm"}, idempotency_key, body, &found, &status, &answer, e);
  if (err) return RK_OUTCOME_UNKNOWN;
  err = read_refund(status, answer, &found, a, out, e);
  if (!err && out->completed && strcmp(out->id, refund_id) == 0) return RK_OUTCOME_DONE;
  return err == RK_ENOTFOUND || err == RK_ECONFLICT ? RK_OUTCOME_REFUSED : RK_OUTCOME_UNKNOWN;
}

rk_err rk_merchant_refund_get(struct rk_merchants *m, const char *origin, const char *refund_id, struct rk_arena *a, struct rk_refund *out,
                              struct rk_error *e) {
  struct rk_ucp_merchant found;
  int32_t status;
  json_t *answer;
  rk_err err = talk(m, origin, "GET", (struct place){"/refunds/", refund_id, ""}, NULL, NULL, &found, &status, &answer, e);
  return err ? err : read_refund(status, answer, &found, a, out, e);
}
