/* words.h - inside of check.c: the functions of the words, one file a subject. */
#ifndef RK_EVAL_WORDS_H
#define RK_EVAL_WORDS_H

#include "eval/check.h"

/* Whether the word holds; else says in why what was asked and got. arg: its value in the task. */
typedef bool rk_word(const struct rk_case *c, const json_t *arg, struct rk_buf *why);

/* False, with the reason. */
bool word_missed(struct rk_buf *why, const char *fmt, ...) RK_PRINTF(2, 3);
/* False and said when obj has a key that is not in the list (ends with NULL). */
bool word_keys_known(const char *word, const json_t *obj, const char *const *keys, struct rk_buf *why);

/* ---- what happened (check.c) ---- */
static inline const json_t *case_expect(const struct rk_case *c) { return rk_json_obj(c->task, "expect"); }
static inline json_t *case_list(const struct rk_case *c, const char *key) { return rk_json_arr(c->evidence, key); }
static inline json_t *case_turns(const struct rk_case *c) { return case_list(c, "turns"); }
const char *case_answer(const struct rk_case *c);                     /* of the last turn */
int64_t case_line_of_turn(const struct rk_case *c, const char *turn_id); /* -1: unknown */
const json_t *case_shop_at(const struct rk_case *c, const char *origin); /* evidence of the shop; NULL: none */
const struct rk_market_shop *case_market_at(const struct rk_case *c, const char *origin);
const struct rk_item *case_item(const struct rk_case *c, const char *origin, const char *item_id); /* of goods; NULL: none */
/* Fills list with {shop, origin, order, travel: bool, standing: bool} of every order in the shops' databases. New reference. */
json_t *case_orders(const struct rk_case *c);
bool case_is_status(const char *status, const char *wanted);          /* "canceled_or_refunded" is either */
/* The cards of the last turn before a line that showed any, in order; line < 0: of every turn. New reference. */
json_t *case_cards(const struct rk_case *c, int64_t before_line);
int64_t case_start_ms(const struct rk_case *c);

/* ---- goods.c ---- */
rk_word word_orders, word_orders_items, word_shown, word_shown_merchants, word_shown_all, word_shown_cheapest, word_card;
/* ---- trips.c ---- */
rk_word word_trips, word_stays, word_tickets, word_films, word_plan_total;
/* Words of dated places stand without `orders`: no goods were bought. */
rk_word word_no_goods;
/* ---- said.c ---- */
rk_word word_no_card, word_searched, word_no_tool, word_asked, word_answer_has, word_answer_any, word_answer_not, word_answer_min_chars,
    word_answer_has_order_id, word_cites, word_memory_has, word_code_compiles;
/* ---- made.c ---- */
rk_word word_made;
/* ---- always.c ---- */
rk_word rule_ended_well, rule_charges_approved, rule_nothing_invented, rule_address;

#endif
