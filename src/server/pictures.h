/* pictures.h - pictures of offers for the page, from where the merchants keep
 * them.
 *
 * A picture is named by an id that code gave it when an offer was seen
 * (rk_store_picture_add): no address comes from the page. It is fetched through
 * net's guard, where of our own configured origins only the offer's merchant
 * may lie on a private address. What is answered is one of a few kinds of
 * picture, told by its bytes, at most RK_MAX_PICTURE_BYTES; an SVG cannot run
 * or load anything, and no answer is shown as a page of its own.
 * The newest pictures are kept in memory, RK_MAX_PICTURE_CACHE_BYTES in all.
 * Thread rule: any thread. */
#ifndef RK_SERVER_PICTURES_H
#define RK_SERVER_PICTURES_H

#include "net/net.h"
#include "server/workers.h"
#include "store/store.h"

struct rk_pictures;

rk_err rk_pictures_new(struct rk_store *store, struct rk_net *net, struct rk_pictures **out, struct rk_error *e) RK_MUST_USE;
void rk_pictures_free(struct rk_pictures *p);
/* The content type that the bytes are of, or NULL: none of those shown. declared: the merchant's Content-Type. */
const char *rk_picture_type(rk_str bytes, rk_str declared);

#endif
