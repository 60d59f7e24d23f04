/* form.h - application/x-www-form-urlencoded bodies (WHATWG URL 5.1): bytes in, text out. Any thread. */
#ifndef RK_SHOP_FORM_H
#define RK_SHOP_FORM_H

#include "base/str.h"

bool form_has(rk_str body, const char *name);
/* The first value of name, decoded, as text. False and "": absent, broken, not UTF-8, or it does not fit. */
bool form_value(rk_str body, const char *name, char *out, size_t size);

#endif
