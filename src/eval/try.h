/* try.h - what was made is tried out for real: code by the compiler, an app by
 * Chromium. Each runs as a child with a time limit, in a directory of its own
 * below dir, which is left. Thread rule: one thread. */
#ifndef RK_EVAL_TRY_H
#define RK_EVAL_TRY_H

#include "base/str.h"

/* cc -std=gnu17 -c; false: said is the compiler's first complaint. */
bool rk_try_compile_c(rk_str source, const char *dir, char *said, size_t size);

/* Opens the page 5 s (of the page's own clock). A page that loads anything, throws, or does not do what is asked is false and said
 * says why. click: a pattern; the control so named is clicked, and the page's text must change. input: numbers are typed into every
 * input, and the text must change. Either may be NULL or false. */
bool rk_try_app(rk_str html, const char *click, bool input, const char *dir, char *said, size_t size);

#endif
