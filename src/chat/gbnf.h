/* gbnf.h - llama.cpp's grammar notation.
 *
 *   root ::= "a" [0-9]+ ( list | . )? item{2,3}   # comment
 *
 * Literals and classes with the escapes \n \r \t \\ \" \[ \] \xHH \uHHHH
 * \UHHHHHHHH, . for any code point, groups, |, * + ? {m} {m,} {m,n}. The text
 * is held to the rule root. Left recursion is refused, as there. */
#ifndef RK_CHAT_GBNF_H
#define RK_CHAT_GBNF_H

#include "chat/automaton.h"

enum { RK_GBNF_MAX_BYTES = 262144, RK_GBNF_MAX_NESTING = 100, RK_GBNF_MAX_DEPTH = 512 };

/* RK_EINVAL names the line and what is wrong, or that nothing is allowed; RK_ETOOBIG. */
rk_err rk_gbnf_automaton(rk_str text, struct rk_automaton **out, struct rk_error *e) RK_MUST_USE;

#endif
