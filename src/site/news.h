/* news.h - the news site of the sandbox: dated articles of a text file, over
 * real HTTP, so that search and reading can be tried without the internet.
 *
 *   /                 articles that have appeared, newest first
 *   /articles/NAME    one of them
 *   /search?q=...     &format=json: the JSON of SearXNG's search API
 *                     (docs.searxng.org/dev/search_api.html): {query, results:
 *                     [{url, title, content, publishedDate}]}; &time_range=day|month|year
 *   /robots.txt
 *
 * A record of the file: "@ DAY HH:MM LANG SECTION NAME TITLE", then a
 * paragraph a line. DAY counts from the clock's day at the start (0, -1, ...);
 * what has not appeared yet does not exist. Lines with "#" are notes.
 * Thread rule: start and stop on one thread. */
#ifndef RK_SITE_NEWS_H
#define RK_SITE_NEWS_H

#include <stdint.h>

#include "base/err.h"

struct rk_news;

/* port 0: any free one. RK_EFORMAT names the line. */
rk_err rk_news_start(const char *file, const char *address, int32_t port, struct rk_news **out, struct rk_error *e) RK_MUST_USE;
const char *rk_news_origin(const struct rk_news *n);
void rk_news_stop(struct rk_news *n);

#endif
