/* travel.h - dated places for the agent: trains, flights, stays, attraction
 * tickets, films; from typed slots to options and to a pending purchase.
 * No model here: a tool, a plan and a test go the same way.
 *
 *   rk_trip_read      slots (of a tool call, of a plan) -> struct rk_trip, checked
 *   rk_trip_search    all sellers of the kind side by side -> options, best first
 *   rk_trip_party     who goes, from the user's profile alone
 *   rk_trip_prepare   holds an option at its seller, makes the approval
 *
 * An option is what the whole party books of one service in one fare: adults
 * and children as two lines of one checkout, or the rooms of a stay. Options
 * are ranked by pick.h over their whole total. Cities are known by the sellers:
 * a name that none of them knows comes back as their own list.
 * Thread rule: one thread at a time for an arena and what lies in it. */
#ifndef RK_AGENT_TRAVEL_H
#define RK_AGENT_TRAVEL_H

#include "agent/pick.h"
#include "trade/trade.h"

enum rk_trip_kind { RK_TRIP_TRAIN, RK_TRIP_FLIGHT, RK_TRIP_STAY, RK_TRIP_TICKET, RK_TRIP_FILM, RK_N_TRIP_KINDS };
#define RK_TRIP_BIT(kind) (1u << (kind))

/* One booking that is wanted. */
struct rk_trip {
  unsigned kinds;                   /* RK_TRIP_BIT(); TRAIN and FLIGHT may stand together: whichever is better */
  char from[64], to[64];            /* TRAIN, FLIGHT */
  char city[64];                    /* the others */
  char name[128];                   /* words of the attraction or film; "" any */
  char date[11], end_date[11];      /* YYYY-MM-DD; end_date: the day a stay ends */
  int32_t after_min, before_min;    /* of the day, of the start; before_min 0: no limit */
  int32_t adults, children;         /* of a film: seats are their sum */
  char fare[64];                    /* class or room by its id or in words ("second", "一等座"); "" any */
  bool adjacent;                    /* FILM: seats side by side */
  enum rk_wish wish;                /* NONE, CHEAPEST: lowest total; SOONEST: earliest start; RATING */
  int64_t max_total_minor;          /* of all of it; 0: none */
  int64_t max_each_minor;           /* of an adult's place; of a night, all rooms of the party; 0: none */
  char currency[4];                 /* of the limits; "": none was named */
};

/* kinds: one bit, or TRAIN | FLIGHT. slots: {from, to, city, name, date, end_date (or nights), after, before, adults,
 * children, seats, fare, adjacent, wish: "cheapest"|"earliest"|"rating"}; only those of the kind, others are left alone.
 * Dates are ISO or in words ("周六", "tomorrow") from the user's day, after and before "HH:MM". Amounts are not read: limits
 * come from the user's words, see intent.h. RK_EINVAL names the slot and what would do. */
rk_err rk_trip_read(unsigned kinds, const json_t *slots, int64_t now_ms, struct rk_trip *out, struct rk_error *e) RK_MUST_USE;
/* The slots that rk_trip_read() takes for it again, dates as ISO. New reference. */
json_t *rk_trip_slots(const struct rk_trip *t);
/* Kinds that the user's own words name; 0: none. s: normal form. */
unsigned rk_trip_said(rk_str s);
rk_str rk_trip_word(enum rk_trip_kind kind, rk_str s); /* the word of it; empty: none */
int32_t rk_trip_nights(const char *date, const char *end_date); /* both YYYY-MM-DD */
const char *rk_trip_category(enum rk_trip_kind kind); /* "train" | "flight" | "hotel" | "ticket" | "film": of permissions */

struct rk_trip_option {
  enum rk_trip_kind kind;
  struct rk_offer whole;            /* as one thing: title, facts and the total of all lines; quantity 1 */
  struct rk_offer lines[2]; int32_t n_lines; /* priced: adults (or rooms), children */
  int64_t each_minor;               /* what max_each_minor is about */
  int32_t nights, rooms;            /* of a stay, else 0 */
  const char *starts, *ends;        /* HH:MM, "" not said */
  const char *end_date;
};
struct rk_trip_found {
  struct rk_trip_option *shown[RK_MAX_CARDS]; int32_t n_shown; /* best first */
  struct rk_trip_option *nearest;   /* the cheapest that only the limit forbids; NULL: none */
  int32_t n_services;               /* that fit date, hours and name, whatever is left of them */
  int32_t n_full, n_over, n_other_currency; /* fares left out: too few places, over the limit, in another currency than most */
  struct rk_shop_report *reports; int32_t n_reports;
};
/* lang: "zh" | "en". RK_EINVAL: every seller refuses a slot, in the
 * seller's words (unknown city, a day outside its timetable); RK_EUNAVAIL: none answers or none is configured. */
rk_err rk_trip_search(struct rk_merchants *m, const struct rk_trip *t, const char *lang, struct rk_arena *a, struct rk_trip_found *out,
                      struct rk_error *e) RK_MUST_USE;
const char *rk_trip_fare(const struct rk_trip_option *o); /* class or room in the seller's words, "" */
/* Why the first is first, or why there is none. */
rk_err rk_trip_reason(const struct rk_trip *t, const struct rk_trip_found *f, bool zh, struct rk_buf *out) RK_MUST_USE;
/* The card of docs/api.md with the object `travel`. New reference. */
json_t *rk_trip_card(const struct rk_trip *t, const struct rk_trip_option *o, int32_t number);

/* Who goes, by the profile: its passengers in order, those of each kind first to last, and the user himself as the first
 * adult where no passenger bears his name. Only kinds that are booked in names need them; for others *n is 0.
 * RK_EINVAL: the profile has fewer than are wanted (says whose names are missing). */
rk_err rk_trip_party(const struct rk_trip *t, const json_t *profile, struct rk_arena *a, struct rk_traveler out[RK_MAX_TRAVELERS], int32_t *n,
                     struct rk_error *e) RK_MUST_USE;

/* What rk_trade_prepare() has to know beside the option; p has user, chat, turn, instrument, lang, in_plan, and travellers where
 * the caller chose them. The rest is filled here: lines, else the travellers of rk_trip_party(), limit, seats, and the
 * category when the user's words named the kind (said: rk_trip_said()). */
rk_err rk_trip_prepare(struct rk_trade *trade, const struct rk_prepare *p, const struct rk_trip *t, const struct rk_trip_option *o, const json_t *profile,
                       unsigned said, json_t **approval, struct rk_error *e) RK_MUST_USE;

#endif
