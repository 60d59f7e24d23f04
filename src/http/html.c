#include "http/html.h"

void rk_html_escape(struct rk_buf *b, rk_str text) {
  for (size_t i = 0; i < text.n; i++) {
    char c = text.p[i];
    if (c == '<') rk_buf_adds(b, "&lt;");
    else if (c == '>') rk_buf_adds(b, "&gt;");
    else if (c == '&') rk_buf_adds(b, "&amp;");
    else if (c == '"') rk_buf_adds(b, "&quot;");
    else if (c == '\'') rk_buf_adds(b, "&#39;");
    else rk_buf_addc(b, c);
  }
}
