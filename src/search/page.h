/* page.h - what stands on a web page: bytes of HTML to text, title, date, links.
 *
 * The text is that of <main> or the only <article>, else of the body: without
 * scripts, forms, navigation and what is hidden; headings as "# ", items as
 * "- ", cells apart by " | ". Links are absolute and http or https.
 * HTML is read by libxml2 (HTML parser, no network, no entities from outside).
 * Pure; any thread. */
#ifndef RK_SEARCH_PAGE_H
#define RK_SEARCH_PAGE_H

#include "json/json.h"

enum { RK_MAX_PAGE_HTML_BYTES = 4 << 20, RK_MAX_PAGE_TEXT_BYTES = 400000, RK_MAX_PAGE_LINKS = 1000 };

/* {url, title, lang?, published? (YYYY-MM-DD, from <time datetime> or a meta of article:published_time), text, cut? (text was
 * longer), links: [{text, url}]}. charset: of the Content-Type, or NULL. RK_ETOOBIG, RK_EFORMAT: nothing to read. */
rk_err rk_page_read(rk_str html, const char *url, const char *charset, json_t **out, struct rk_error *e) RK_MUST_USE;

#endif
