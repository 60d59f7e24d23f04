/* intent.h - what the user's own words decide, read by code: limits, dates,
 * quantity, wishes, payment, "do not buy". The model never sets any of it.
 * General language only, no goods. Pure; any thread. */
#ifndef RK_AGENT_INTENT_H
#define RK_AGENT_INTENT_H

#include "agent/words.h"
#include "base/clock.h"

enum rk_mode { RK_MODE_TALK, RK_MODE_BROWSE, RK_MODE_BUY, RK_MODE_STATUS };
enum rk_wish { RK_WISH_NONE, RK_WISH_CHEAPEST, RK_WISH_RATING, RK_WISH_SOONEST, RK_WISH_WEIGHED /* several of them, by weights */ };
struct rk_weights { int32_t total, rating, date; };

enum { RK_INTENT_NOT = 4, RK_INTENT_WORD = 64 };

struct rk_intent {
  enum rk_mode mode;
  enum rk_wish wish;
  struct rk_weights weights;  /* what the order of offers goes by; never all 0 */
  bool chinese;               /* answer in Chinese */
  int32_t quantity;           /* 0: not said */
  bool quantity_vague;        /* "some", or a number that nobody sells ("0", "a million"): must be asked before buying */
  int64_t max_minor, min_minor;   /* 0: no limit; in currency */
  char currency[4];           /* of the limits; "" : none was named, the shop's own holds */
  bool around, per_unit;      /* "about 300": max is 10 % above; the limit is for one piece */
  int64_t about_minor;        /* the 300 of it, 0: none */
  char date[11];              /* delivery wanted, "" : none */
  bool date_exact;            /* on that day; else by that day */
  const char *instrument;     /* "card" | "wallet" | "on_delivery" | NULL */
  bool for_other;             /* for somebody else: the sizes on file are not theirs */
  bool elsewhere;             /* to the office, the parents ...: not the address on file */
  char not_words[RK_INTENT_NOT][RK_INTENT_WORD]; /* "not Apple" */
  int32_t n_not;
  char only_words[RK_INTENT_NOT][RK_INTENT_WORD]; /* "only Sony", "只要小米的": any of them */
  int32_t n_only;
  int32_t ordinal;            /* "the second one" of what was shown: 2; 0: none */
  bool of_shown;              /* "the best rated of those" */
  bool confirms;              /* "yes, order it": what was shown before */
  char size[8];               /* "42", "xl": a size of clothes or shoes, as written; "" : none */
  int64_t joint_minor;        /* "together at most 400": the limit of everything; max_minor too where no other is said; 0: none */
  int64_t night_minor;        /* "at most 600 a night"; 0: none */
  bool plans;                 /* "plan it", "规划": it is proposed, not booked yet */
  bool works;                 /* on text (translate, write ...): nothing is bought, whatever it says */
  bool if_not;                /* "did you order it? if not, do" */
};

/* One limit of the user's words. */
enum rk_limit_kind { RK_LIMIT_MAX = 1, RK_LIMIT_MIN, RK_LIMIT_AROUND };
struct rk_limit { size_t at, n; enum rk_limit_kind kind; int64_t minor; char currency[4]; bool each, night, joint; };
enum { RK_MAX_LIMITS = 8 };
/* All of them in s (normal form), in their order; a range is a min and a max. */
int32_t rk_intent_limits(rk_str s, struct rk_limit out[RK_MAX_LIMITS]);
void rk_intent_limit(struct rk_intent *out, const struct rk_limit *l); /* makes it hold */

/* said: the user's message, or several joined by '\n' when later ones answer a
 * question; the last word on a point holds. */
void rk_intent_read(rk_str said, int64_t now_ms, struct rk_intent *out);
/* Numbers with a unit that is no money ("500ml", "两人", "65w"), joined by '|': features the model may have dropped. */
rk_err rk_intent_measures(struct rk_buf *out, rk_str said) RK_MUST_USE;
/* Of those the ones that something must be, as they stand: not "at most 2 kg". Returns how many. said: normal form. */
int32_t rk_intent_demands(rk_str said, struct rk_measure *out, int32_t max);
/* One line for the result and the card: "<= 500.00 CNY, qty 2, by 2026-11-28". */
void rk_intent_text(const struct rk_intent *in, struct rk_buf *out);
/* The model's query without what code has read already: amounts, wishes, measures, dates. Appends to out. */
rk_err rk_intent_clean_query(struct rk_buf *out, rk_str query) RK_MUST_USE;

/* A date in s (normal form). at/n: where it stands. False: none. */
bool rk_dates_find(rk_str s, int64_t now_ms, char iso[11], size_t *at, size_t *n);
/* All dates in their order. A bare weekday or day of a month behind another date is not before it. The time of the day that stands with
 * it, in minutes: after_min, before_min, 0: no limit. */
enum { RK_MAX_DAYS = 8 };
struct rk_day { size_t at, n; char iso[11]; int days; /* from today */ bool past, timed; int32_t after_min, before_min; };
int32_t rk_dates_all(rk_str s, int64_t now_ms, struct rk_day out[], int32_t max);
/* "下午", "before 10 am": limits in minutes of the day. False: none is said. */
bool rk_times_find(rk_str s, int32_t *after_min, int32_t *before_min);
/* The day a trip begins and, where more than one day is meant (two dates, a weekend, nights or days said), the day it ends, else "". */
bool rk_dates_trip(rk_str s, int64_t now_ms, char first[11], char last[11]);

/* An address in free text: phone (a run of 7-15 digits), name (what is left and short), street. False: no street. */
struct rk_address_text { char name[64], phone[32], street[256], city[64]; };
bool rk_address_read(rk_str text, struct rk_address_text *out);

#endif
