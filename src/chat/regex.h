/* regex.h - regular expressions as expressions of an automaton.
 *
 * The part of ECMA-262 (with the u flag) that is a regular language:
 * literals, ., classes with ranges and negation, \d \w \s and their negations,
 * \t \n \r \v \f \0 \cX \xHH \uHHHH \u{H...}, groups (capturing, (?:), named),
 * |, * + ? {n} {n,} {n,m} (lazy or not: the same strings), ^ and $ at the ends.
 * Refused by name: backreferences, lookaround, \b, \p, flags. */
#ifndef RK_CHAT_REGEX_H
#define RK_CHAT_REGEX_H

#include "chat/automaton.h"

enum { RK_REGEX_MAX_BYTES = 8192, RK_REGEX_MAX_DEPTH = 100 };

enum rk_regex_use {
  RK_REGEX_JUDGE, /* raw UTF-8, as ECMA reads it */
  RK_REGEX_WRITE  /* as written inside a JSON string; where ECMA and Python's re differ, what both accept */
};
/* RK_EINVAL: outside the subset or wrong (e names the byte), RK_ETOOBIG. An
 * expression without anchors may stand anywhere in the string. */
rk_err rk_regex(struct rk_builder *b, rk_str pattern, enum rk_regex_use use, rk_ex *out, struct rk_error *e) RK_MUST_USE;
/* A finished automaton of the whole string. */
rk_err rk_regex_automaton(rk_str pattern, enum rk_regex_use use, struct rk_automaton **out, struct rk_error *e) RK_MUST_USE;

#endif
