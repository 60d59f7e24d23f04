#include "shop/html.h"

#include "http/html.h"
#include "shop/private.h"

void html_text(struct rk_buf *b, const char *text) { rk_html_escape(b, rk_str_c(text)); }

void html_element(struct rk_buf *b, const char *tag, const char *text) {
  rk_buf_addf(b, "<%s>", tag);
  html_text(b, text);
  rk_buf_addf(b, "</%s>", tag);
}

void html_money(struct rk_buf *b, int64_t minor, const char *currency) {
  int64_t whole = minor < 0 ? -minor : minor;
  rk_buf_addf(b, "%s%lld.%02lld %s", minor < 0 ? "-" : "", (long long)(whole / 100), (long long)(whole % 100), currency);
}

void html_answer(struct rk_buf *b, int32_t status, const char *csp, struct rk_shop_answer *out) {
  char *text = rk_buf_detach(b);
  if (!text) {
    answer_error(out, 503, "unavailable", "the page is too large, or memory has run out");
    return;
  }
  out->status = status;
  out->content_type = "text/html; charset=utf-8";
  out->text = text;
  rk_shop_answer_header(out, "Content-Security-Policy", csp);
  rk_shop_answer_header(out, "Referrer-Policy", "same-origin"); /* with no-referrer a form's Origin would be null */
}
