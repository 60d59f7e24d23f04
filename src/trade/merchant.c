#include "trade/merchant.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "trade/merchant_internal.h"

/* A profile is kept as long as its Cache-Control says, within these (UCP, Profile Requirements: at least 60 s). */
enum { PROFILE_MIN_MS = 60000, PROFILE_TTL_MS = 600000, MAX_PAGES = 20 };

rk_err rk_merchants_new(const struct rk_merchants_opts *o, struct rk_merchants **out, struct rk_error *e) {
  if (o->n_origins > RK_MAX_SHOPS) return rk_fail(e, RK_ETOOBIG, "more than %d shops", RK_MAX_SHOPS);
  if (strlen(o->agent_profile_url) >= sizeof (*out)->platform.profile_url || strpbrk(o->agent_profile_url, "\"\\\r\n"))
    return rk_fail(e, RK_EINVAL, "the address of our UCP profile is not usable: %s", o->agent_profile_url);
  struct rk_merchants *m = calloc(1, sizeof *m);
  if (m) m->list = calloc((size_t)o->n_origins + 1, sizeof *m->list);
  if (!m || !m->list) {
    free(m);
    return rk_fail(e, RK_ENOMEM, "out of memory");
  }
  m->platform = (struct rk_platform){.net = o->net, .key = o->key, .on_exchange = o->on_exchange, .ud = o->ud};
  m->links = o->links;
  pthread_mutex_init(&m->lock, NULL);
  snprintf(m->platform.profile_url, sizeof m->platform.profile_url, "%s", o->agent_profile_url);
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
  for (int32_t i = 0; i < m->n; i++) rk_jwks_free(m->list[i].keys);
  pthread_mutex_destroy(&m->lock);
  free(m->list);
  free(m);
}

/* ---- one answer ---- */

/* The parsed body of an answer; NULL with e. */
static json_t *body_of(const struct rk_net_response *r, const char *who, struct rk_error *e) {
  if (r->err) {
    rk_fail(e, r->err == RK_ETIMEOUT ? RK_ETIMEOUT : RK_EUNAVAIL, "%s: %s", who, r->error.msg);
    return NULL;
  }
  struct rk_error why = {0};
  json_t *v = rk_json_parse(rk_buf_str(&r->body), RK_MAX_FETCH_BYTES, &why);
  if (v && json_is_object(v)) return v;
  rk_fail(e, RK_EUPSTREAM, "%s answered HTTP %d with something that is no JSON object%s%s", who, r->status, v ? "" : ": ", v ? "" : why.msg);
  json_decref(v);
  return NULL;
}

/* ---- discovery ---- */

static bool is_known(struct rk_merchants *m, int32_t i, struct rk_ucp_merchant *out) {
  struct rk_known_merchant *k = &m->list[i];
  pthread_mutex_lock(&m->lock);
  bool known = k->known_ms && rk_mono_ms() - k->known_ms < k->fresh_ms;
  if (known) *out = k->found;
  pthread_mutex_unlock(&m->lock);
  return known;
}

static void forget(struct rk_merchants *m, int32_t i) {
  pthread_mutex_lock(&m->lock);
  m->list[i].known_ms = 0;
  pthread_mutex_unlock(&m->lock);
}

/* How long the answer may be kept. */
static int64_t fresh_ms(const struct rk_net_response *r) {
  static const rk_str max_age = {"max-age=", 8};
  rk_str v = rk_net_header(r, "Cache-Control");
  ptrdiff_t at = rk_str_find(v, max_age);
  int64_t seconds = 0;
  size_t n = 0;
  if (at < 0) return PROFILE_TTL_MS;
  const char *digits = v.p + at + max_age.n;
  while ((size_t)at + max_age.n + n < v.n && n < 7 && digits[n] >= '0' && digits[n] <= '9') n++;
  if (!rk_str_i64((rk_str){digits, n}, &seconds)) return PROFILE_TTL_MS;
  return seconds * 1000 < PROFILE_MIN_MS ? PROFILE_MIN_MS : seconds * 1000 > PROFILE_TTL_MS ? PROFILE_TTL_MS : seconds * 1000;
}

static rk_err keep(struct rk_merchants *m, int32_t i, const json_t *profile, int64_t fresh, struct rk_ucp_merchant *out, struct rk_error *e) {
  struct rk_known_merchant *k = &m->list[i];
  struct rk_jwks *keys = NULL;
  rk_err err = rk_ucp_read_merchant(profile, k->origin, out, e);
  if (!err && rk_ucp_keys(profile)) err = rk_jwks_read(rk_ucp_keys(profile), &keys, e);
  if (err) return err;
  pthread_mutex_lock(&m->lock);
  rk_jwks_free(k->keys);
  k->found = *out;
  k->keys = keys;
  k->known_ms = rk_mono_ms();
  k->fresh_ms = fresh;
  pthread_mutex_unlock(&m->lock);
  return RK_OK;
}

static void profile_request(struct rk_exchange *x, const char *version, const char *origin, const char *url) {
  rk_exchange_init(x, "discover", "GET", version);
  snprintf(x->url, sizeof x->url, "%s%s", url ? url : origin, url ? "" : "/.well-known/ucp");
  x->max_bytes = RK_MAX_UCP_PROFILE_BYTES;
}

/* The document of another version than the one at the well-known place. */
static json_t *other_version(struct rk_merchants *m, const char *origin, const char *version, const char *url, struct rk_error *e) {
  struct rk_exchange x, *one = &x;
  profile_request(&x, version, origin, url);
  rk_exchange_send(&m->platform, &one, 1);
  rk_err err = rk_exchange_check(&m->platform, &x, NULL, false, e);
  json_t *profile = err ? NULL : body_of(&x.answer, origin, e);
  rk_exchange_release(&x);
  if (profile && rk_str_eq_c(rk_json_str(rk_json_obj(profile, "ucp"), "version"), version)) return profile;
  if (profile) rk_fail(e, RK_EUPSTREAM, "%s: %s is no profile of UCP %s", origin, url, version);
  json_decref(profile);
  return NULL;
}

/* Takes the answer of a profile request. Nothing in it is signed by a key that was known before: TLS vouches for it. */
static rk_err learn(struct rk_merchants *m, int32_t i, struct rk_exchange *x, struct rk_ucp_merchant *out, struct rk_error *e) {
  const char *origin = m->list[i].origin, *version = NULL;
  char url[600];
  rk_err err = rk_exchange_check(&m->platform, x, NULL, false, e);
  json_t *profile = err ? NULL : body_of(&x->answer, origin, e);
  if (!profile) return e->code;
  if (x->answer.status != 200) err = rk_fail(e, RK_EUPSTREAM, "%s has no UCP profile (HTTP %d)", origin, x->answer.status);
  if (!err) err = rk_ucp_pick_version(profile, origin, &version, url, sizeof url, e);
  if (!err && url[0]) {
    json_decref(profile);
    profile = other_version(m, origin, version, url, e);
    if (!profile) return e->code;
  }
  if (!err) err = keep(m, i, profile, fresh_ms(&x->answer), out, e);
  json_decref(profile);
  return err;
}

/* Makes every merchant known that answers; errs[i] says why not. */
static rk_err discover_all(struct rk_merchants *m, struct rk_ucp_merchant *found, struct rk_error *errs) {
  struct rk_exchange *x = calloc((size_t)m->n + 1, sizeof *x), **xs = calloc((size_t)m->n + 1, sizeof *xs);
  int32_t *which = calloc((size_t)m->n + 1, sizeof *which), n = 0;
  rk_err err = x && xs && which ? RK_OK : RK_ENOMEM;
  for (int32_t i = 0; !err && i < m->n; i++) {
    if (is_known(m, i, &found[i])) continue;
    profile_request(&x[n], rk_ucp_version(0), m->list[i].origin, NULL);
    xs[n] = &x[n];
    which[n++] = i;
  }
  if (!err) rk_exchange_send(&m->platform, xs, n);
  for (int32_t k = 0; !err && k < n; k++) {
    errs[which[k]].code = learn(m, which[k], &x[k], &found[which[k]], &errs[which[k]]);
    rk_exchange_release(&x[k]);
  }
  free(which);
  free(xs);
  free(x);
  return err;
}

rk_err rk_merchants_find(struct rk_merchants *m, const char *origin, int32_t *index, struct rk_ucp_merchant *out, struct rk_error *e) {
  int32_t i = 0;
  while (i < m->n && strcmp(m->list[i].origin, origin) != 0) i++;
  if (i == m->n) return rk_fail(e, RK_ENOTFOUND, "%s is none of the configured shops", origin);
  *index = i;
  if (is_known(m, i, out)) return RK_OK;
  struct rk_exchange x, *one = &x;
  struct rk_error why = {0};
  profile_request(&x, rk_ucp_version(0), m->list[i].origin, NULL);
  rk_exchange_send(&m->platform, &one, 1);
  rk_err err = learn(m, i, &x, out, &why);
  rk_exchange_release(&x);
  return err ? rk_fail(e, err, "%s", why.msg) : RK_OK;
}

json_t *rk_merchants_list(struct rk_merchants *m, struct rk_error *e) {
  struct rk_ucp_merchant *found = calloc((size_t)m->n + 1, sizeof *found);
  struct rk_error *errs = calloc((size_t)m->n + 1, sizeof *errs);
  json_t *list = json_array();
  bool ok = found && errs && !discover_all(m, found, errs);
  for (int32_t i = 0; ok && i < m->n; i++) {
    struct rk_linked t;
    bool known = !errs[i].code;
    json_array_append_new(list, json_pack("{s:s, s:b, s:s, s:s, s:s, s:s, s:o, s:b, s:b, s:b, s:b}", "origin", m->list[i].origin, "ok", known, "message", errs[i].msg,
                                          "name", found[i].name, "version", known ? found[i].version : "", "scopes", found[i].scopes, "capabilities", rk_ucp_capability_names(&found[i]),
                                          "sandbox", found[i].sandbox, "signs", found[i].signs_answers, "linked",
                                          m->links && rk_links_get(m->links, m->list[i].origin, &t), "link_ended", m->links && rk_links_ended(m->links, m->list[i].origin)));
  }
  free(errs);
  free(found);
  if (ok) return list;
  rk_fail(e, RK_ENOMEM, "out of memory");
  json_decref(list);
  return NULL;
}

/* ---- one request to a known merchant ---- */

static rk_err check_answer(struct rk_merchants *m, int32_t i, struct rk_exchange *x, struct rk_error *e) {
  struct rk_known_merchant *k = &m->list[i];
  pthread_mutex_lock(&m->lock);
  rk_err err = rk_exchange_check(&m->platform, x, k->keys, k->found.signs_answers, e);
  /* A key that is not known may be a new one: the profile is read again, once in the least time that it holds. */
  if (x->fault == RK_SIG_NO_KEY && rk_mono_ms() - k->known_ms >= PROFILE_MIN_MS) k->known_ms = 0;
  pthread_mutex_unlock(&m->lock);
  return err;
}

rk_err rk_merchants_verify(struct rk_merchants *m, const char *origin, const struct rk_http_message *msg, int64_t now_s, struct rk_sig_info *info,
                           enum rk_sig_fault *fault, struct rk_error *e) {
  struct rk_sig_policy policy = {.now_s = now_s};
  struct rk_ucp_merchant found;
  int32_t i = 0;
  *fault = RK_SIG_OK;
  for (int round = 0;; round++) {
    rk_err err = rk_merchants_find(m, origin, &i, &found, e);
    if (err) return err;
    struct rk_known_merchant *k = &m->list[i];
    pthread_mutex_lock(&m->lock);
    *fault = k->keys ? rk_sig_verify(msg, k->keys, &policy, info, e) : RK_SIG_NO_KEY;
    bool again = *fault == RK_SIG_NO_KEY && round == 0 && rk_mono_ms() - k->known_ms >= PROFILE_MIN_MS;
    if (again) k->known_ms = 0;
    bool keyless = !k->keys;
    pthread_mutex_unlock(&m->lock);
    if (*fault == RK_SIG_OK) return RK_OK;
    if (!again) return keyless ? rk_fail(e, RK_EAUTH, "%s publishes no keys", origin) : RK_EAUTH;
  }
}

static bool is_id(const char *id) {
  for (const char *p = id; *p; p++)
    if (!((*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || strchr("-_.~:", *p))) return false;
  return true;
}

/* Of another service, at its own endpoint. */
static bool is_lodging(const struct rk_call *c) { return rk_str_starts(rk_str_c(c->before), RK_STR("/booking-sessions")); }

/* One try. x is initialised in any case. */
static rk_err send_call(struct rk_merchants *m, int32_t i, const struct rk_call *c, const struct rk_ucp_merchant *found, const char *bearer,
                        struct rk_exchange *x, struct rk_error *e) {
  struct rk_exchange *one = x;
  rk_exchange_init(x, c->op, c->method, found->version);
  x->idempotency_key = c->key;
  x->body = c->body ? rk_str_c(c->body) : (rk_str){NULL, 0};
  x->bearer = bearer;
  int n = snprintf(x->url, sizeof x->url, "%s%s%s%s", is_lodging(c) ? found->booking_endpoint : found->endpoint, c->before, c->id, c->after);
  if (n < 0 || (size_t)n >= sizeof x->url) return rk_fail(e, RK_ETOOBIG, "the id %.40s... is too long", c->id);
  rk_exchange_send(&m->platform, &one, 1);
  struct rk_error why = {0};
  rk_err err = check_answer(m, i, x, &why);
  return err ? rk_fail(e, err, "%s: its answer is refused: %s", found->name, why.msg) : RK_OK;
}

/* RFC 6750 section 3.1: the request was not looked at, because of its token. */
static bool refuses_token(const struct rk_exchange *x) {
  return x->bearer && x->answer.status == 401 && rk_str_find(rk_net_header(&x->answer, "WWW-Authenticate"), RK_STR("error=\"invalid_token\"")) >= 0;
}

rk_err rk_merchants_call(struct rk_merchants *m, const char *origin, const struct rk_call *c, struct rk_ucp_merchant *found,
                         int32_t *status, json_t **answer, struct rk_error *e) {
  int32_t i = 0;
  char token[2048], refused[2048];
  *answer = NULL;
  *status = 0;
  rk_err err = rk_merchants_find(m, origin, &i, found, e);
  if (err) return err;
  if (is_lodging(c) && !found->booking_endpoint[0]) return rk_fail(e, RK_EUPSTREAM, "%s no longer declares booking sessions", found->name);
  if (!is_id(c->id)) return rk_fail(e, RK_EINVAL, "%s is no id of a checkout or an order", c->id);
  struct rk_exchange x;
  struct rk_error why = {0};
  bool linked = m->links && rk_links_access(m->links, &m->platform, origin, NULL, token, sizeof token);
  err = send_call(m, i, c, found, linked ? token : NULL, &x, e);
  if (!err && refuses_token(&x)) { /* once more with a new one, or, when the link has ended, with none */
    memcpy(refused, token, sizeof refused);
    rk_exchange_release(&x);
    linked = rk_links_access(m->links, &m->platform, origin, refused, token, sizeof token);
    err = send_call(m, i, c, found, linked ? token : NULL, &x, e);
  }
  *status = x.answer.status;
  if (!err) *answer = body_of(&x.answer, found->name, &why);
  if (!err && !*answer) {
    forget(m, i);
    err = rk_fail(e, why.code, "%s", why.msg);
  }
  rk_exchange_release(&x);
  return err;
}

rk_err rk_merchants_refusal(int32_t status, const json_t *answer, const struct rk_ucp_merchant *found, struct rk_error *e) {
  char text[300];
  size_t i;
  json_t *v;
  rk_ucp_error_text(answer, text, sizeof text);
  json_array_foreach(rk_json_arr(answer, "messages"), i, v) {
    rk_str code = rk_json_str(v, "code");
    if (rk_str_eq(code, RK_STR("identity_required")) || rk_str_eq(code, RK_STR("insufficient_scope")))
      return rk_fail(e, RK_EAUTH, "%s wants your account there for this; link it (again) with `rukou shop link %s`", found->name, found->origin);
  }
  return rk_fail(e, status == 404 ? RK_ENOTFOUND : RK_EUPSTREAM, "%s answered HTTP %d: %s", found->name, status, text);
}

/* ---- search ---- */

/* Goods are asked of shops, trains of railways. */
static bool sells(const struct rk_ucp_merchant *found, const struct rk_search *q) { return strcmp(found->travel_kind, q->travel ? q->travel->kind : "") == 0; }

/* A merchant's answer to a search, page by page. */
struct pages { json_t *answer; const char *cursor; int32_t n; };

/* Whether there is more, and more is wanted. What a page holds says nothing about it (UCP: never by its size). */
static bool wants_more(const struct pages *p, const struct rk_search *q) {
  int32_t limit = q->limit > 0 && q->limit < RK_MAX_OFFERS_PER_SHOP ? q->limit : RK_MAX_OFFERS_PER_SHOP;
  bool is_sorted = q->sort && rk_str_eq_c(rk_json_str(p->answer, RK_UCP_SORT_KEY), q->sort);
  if (q->products > 0) limit = is_sorted ? q->products : RK_MAX_UNSORTED;
  return p->cursor && p->n < MAX_PAGES && (int32_t)json_array_size(rk_json_arr(p->answer, "products")) < limit;
}

static rk_err take_page(struct pages *p, json_t *page, const char *who, struct rk_error *e) {
  const json_t *more = rk_json_obj(page, "pagination");
  json_t *first = rk_json_arr(p->answer, "products"), *next = rk_json_arr(page, "products");
  if (p->answer && !next) return rk_fail(e, RK_EFORMAT, "%s: page %d of a search has no products", who, p->n + 1);
  if (p->answer) json_array_extend(first, next);
  else p->answer = json_incref(page);
  p->n++;
  p->cursor = NULL;
  if (!rk_json_bool(more, "has_next_page", false)) return RK_OK;
  json_object_set(p->answer, "pagination", rk_json_obj(page, "pagination")); /* the cursor lives as long as the answer */
  p->cursor = rk_json_cstr(rk_json_obj(p->answer, "pagination"), "cursor", NULL);
  return RK_OK;
}

static rk_err read_page(struct rk_merchants *m, int32_t i, struct rk_exchange *x, const struct rk_ucp_merchant *found, struct pages *p, struct rk_error *e) {
  struct rk_error why = {0};
  rk_err err = check_answer(m, i, x, &why);
  if (err) return rk_fail(e, err, "%s: its answer is refused: %s", found->name, why.msg);
  json_t *v = body_of(&x->answer, found->name, e);
  if (!v) {
    forget(m, i);
    return e->code;
  }
  err = x->answer.status == 200 ? take_page(p, v, found->name, e) : rk_merchants_refusal(x->answer.status, v, found, e);
  if (x->answer.status == 400) err = e->code = RK_EINVAL; /* it was asked for what it does not know: the asker's to put right */
  json_decref(v);
  return err;
}

/* Asks every merchant that sells what is wanted for its next page, side by side. *n_asked: how many were. */
static rk_err ask_round(struct rk_merchants *m, const struct rk_search *q, const struct rk_ucp_merchant *found, struct rk_error *errs,
                        struct pages *pages, int32_t *n_asked, struct rk_error *e) {
  struct rk_exchange *x = calloc((size_t)m->n + 1, sizeof *x), **xs = calloc((size_t)m->n + 1, sizeof *xs);
  char **texts = calloc((size_t)m->n + 1, sizeof *texts);
  int32_t *which = calloc((size_t)m->n + 1, sizeof *which), n = 0;
  rk_err err = x && xs && texts && which ? RK_OK : rk_fail(e, RK_ENOMEM, "out of memory");
  for (int32_t i = 0; !err && i < m->n; i++) {
    if (errs[i].code || !sells(&found[i], q) || (pages[i].n && !wants_more(&pages[i], q))) continue;
    json_t *body = rk_ucp_write_search(q, pages[i].cursor);
    texts[n] = body ? rk_json_dump(body) : NULL;
    json_decref(body);
    if (!texts[n]) err = rk_fail(e, RK_EINVAL, "the query is not valid UTF-8");
    rk_exchange_init(&x[n], pages[i].n ? "search_page" : "search", "POST", found[i].version);
    snprintf(x[n].url, sizeof x[n].url, "%s/catalog/search", found[i].endpoint);
    x[n].body = rk_str_c(texts[n]);
    xs[n] = &x[n];
    which[n++] = i;
  }
  if (!err) rk_exchange_send(&m->platform, xs, n);
  for (int32_t k = 0; x && k < n; k++) {
    int32_t i = which[k];
    if (!err) errs[i].code = read_page(m, i, &x[k], &found[i], &pages[i], &errs[i]);
    rk_exchange_release(&x[k]);
    free(texts[k]);
  }
  *n_asked = err ? 0 : n;
  free(which);
  free(texts);
  free(xs);
  free(x);
  return err;
}

static rk_err ask_all(struct rk_merchants *m, const struct rk_search *q, const struct rk_ucp_merchant *found, struct rk_error *errs,
                      struct pages *pages, struct rk_error *e) {
  int32_t n_asked = 1;
  rk_err err = RK_OK;
  for (int32_t i = 0; i < m->n; i++)
    if (!errs[i].code && sells(&found[i], q) && !found[i].has_search && !q->undeclared)
      errs[i].code = rk_fail(&errs[i], RK_EUPSTREAM, "%s offers no catalogue search that we speak", found[i].name);
  while (!err && n_asked) err = ask_round(m, q, found, errs, pages, &n_asked, e);
  return err;
}

/* An offer and its place among all: one of each merchant in turn. */
struct placed { const struct rk_offer *offer; int32_t at; };

static int by_relevance(const void *a, const void *b) {
  const struct placed *x = a, *y = b;
  if (x->offer->relevance < y->offer->relevance || x->offer->relevance > y->offer->relevance) return x->offer->relevance < y->offer->relevance ? 1 : -1;
  return x->at - y->at;
}

/* Merges the lists by relevance; of the same, one of each merchant in turn. */
static rk_err merge(struct rk_offer *const *lists, const int32_t *counts, int32_t n_lists, struct rk_arena *a, struct rk_offer **out, int32_t *n_out) {
  size_t total = 0;
  for (int32_t i = 0; i < n_lists; i++) total += (size_t)counts[i];
  struct placed *all = malloc((total + 1) * sizeof *all);
  *n_out = 0;
  *out = all ? rk_arena_array(a, total + 1, sizeof **out) : NULL;
  for (int32_t round = 0; *out && (size_t)*n_out < total; round++)
    for (int32_t i = 0; i < n_lists; i++)
      if (round < counts[i]) all[*n_out] = (struct placed){&lists[i][round], *n_out}, ++*n_out;
  if (*n_out) qsort(all, (size_t)*n_out, sizeof *all, by_relevance);
  for (int32_t i = 0; i < *n_out; i++) (*out)[i] = *all[i].offer;
  free(all);
  return *out ? RK_OK : RK_ETOOBIG;
}

rk_err rk_merchants_search(struct rk_merchants *m, const struct rk_search *q, struct rk_arena *a, struct rk_offer **offers, int32_t *n_offers,
                           struct rk_shop_report **reports, int32_t *n_reports, struct rk_error *e) {
  struct rk_ucp_merchant *found = calloc((size_t)m->n + 1, sizeof *found);
  struct rk_error *errs = calloc((size_t)m->n + 1, sizeof *errs);
  struct pages *pages = calloc((size_t)m->n + 1, sizeof *pages);
  struct rk_offer **lists = calloc((size_t)m->n + 1, sizeof *lists);
  int32_t *counts = calloc((size_t)m->n + 1, sizeof *counts), n_ok = 0, n_asked = 0;
  const char *why = "";
  *n_offers = *n_reports = 0;
  *offers = NULL;
  *reports = rk_arena_array(a, (size_t)m->n + 1, sizeof **reports);
  rk_err err = found && errs && pages && lists && counts && *reports ? RK_OK : rk_fail(e, RK_ENOMEM, "out of memory");
  if (!err && m->n == 0) err = rk_fail(e, RK_EUNAVAIL, "no shops are configured; name them with `shops = ORIGIN,ORIGIN`");
  if (!err && discover_all(m, found, errs)) err = rk_fail(e, RK_ENOMEM, "out of memory");
  if (!err) err = ask_all(m, q, found, errs, pages, e);
  for (int32_t i = 0; !err && i < m->n; i++) {
    if (!errs[i].code && !sells(&found[i], q)) continue;
    if (!errs[i].code) errs[i].code = rk_ucp_read_offers(pages[i].answer, &found[i], q, a, &lists[i], &counts[i], &errs[i]);
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
  for (int32_t i = 0; pages && i < m->n; i++) json_decref(pages[i].answer);
  free(counts);
  free(lists);
  free(pages);
  free(errs);
  free(found);
  return err;
}
