/* html.h - text inside HTML pages that are made here. */
#ifndef RK_HTTP_HTML_H
#define RK_HTTP_HTML_H

#include "base/buf.h"

void rk_html_escape(struct rk_buf *b, rk_str text); /* also for a quoted attribute */

#endif
