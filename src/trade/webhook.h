/* webhook.h - order events that merchants send us (UCP order, Events).
 *
 * An event is believed only when it is signed (RFC 9421) by a key of the
 * merchant whose order it is, over these very bytes, within RK_WEBHOOK_WINDOW_S
 * of now, and it names an order that we placed there. An id that was seen
 * before changes nothing. What it says goes the way of an order that was read:
 * money back is booked once however often and in whatever order it is told, and
 * an older state never replaces a newer one.
 * Thread rule: any thread. */
#ifndef RK_TRADE_WEBHOOK_H
#define RK_TRADE_WEBHOOK_H

#include "net/signature.h"
#include "trade/trade.h"

enum { RK_WEBHOOK_WINDOW_S = 300, RK_MAX_WEBHOOK_IDS = 1024 };

struct rk_webhooks;
rk_err rk_webhooks_new(struct rk_trade *t, struct rk_merchants *m, struct rk_webhooks **out, struct rk_error *e) RK_MUST_USE;
void rk_webhooks_free(struct rk_webhooks *w); /* may be NULL */

struct rk_webhook_answer { int32_t http; const char *code; }; /* code: of UCP's error table, "ok" when taken */
/* m: the request, with the scheme and authority that our webhook_url has. e says what was wrong. */
struct rk_webhook_answer rk_webhooks_take(struct rk_webhooks *w, const struct rk_http_message *m, struct rk_error *e);

#endif
