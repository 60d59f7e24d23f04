/* web.h - searching and reading the web: a search engine that answers as
 * SearXNG does (docs.searxng.org/dev/search_api.html), and pages.
 * Everything that comes back is untrusted text.
 * Block on the network; any thread. */
#ifndef RK_SEARCH_WEB_H
#define RK_SEARCH_WEB_H

#include "json/json.h"
#include "net/net.h"

enum { RK_MAX_WEB_RESULTS = 10 };

/* *out: [{url, title, content, published?}], best first. range: "day", "month", "year" or NULL: any time.
 * RK_EUPSTREAM: the engine's answer cannot be read; RK_EUNAVAIL, RK_ETIMEOUT. */
rk_err rk_web_search(struct rk_net *n, const char *engine_url, rk_str query, const char *range, const atomic_int *cancel, json_t **out, struct rk_error *e) RK_MUST_USE;
/* *out: as rk_page_read(); plain text is a page without links. RK_EFORMAT: no text (pictures, archives). */
rk_err rk_web_read(struct rk_net *n, const char *url, const atomic_int *cancel, json_t **out, struct rk_error *e) RK_MUST_USE;

#endif
