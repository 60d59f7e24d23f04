/* html.h - pages of a shop, made on the server: every text is escaped, nothing is loaded from elsewhere. */
#ifndef RK_SHOP_HTML_H
#define RK_SHOP_HTML_H

#include "shop/shop.h"

enum { RK_MAX_PAGE_BYTES = 1048576 };

void html_text(struct rk_buf *b, const char *text); /* escaped, also for a quoted attribute */
void html_element(struct rk_buf *b, const char *tag, const char *text);
void html_money(struct rk_buf *b, int64_t minor, const char *currency);
/* The page is the answer, 503 when it grew too large; releases b. csp: what it may load and where its forms go. */
void html_answer(struct rk_buf *b, int32_t status, const char *csp, struct rk_shop_answer *out);

#endif
