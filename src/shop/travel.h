/* travel.h - sellers of dated places: trains, flights, hotel rooms, attraction
 * tickets, cinema seats.
 *
 * A seller's timetable, prices and places are a function of (seed, route or
 * venue, date) and are never stored; only bookings are (store.h). What can be
 * booked is a *service*: one departure, one stay, one day at an attraction,
 * one film session. Its id says everything, so that it is found again without
 * a search:
 *
 *   train    G1234.2026-11-28               fares second, first, business
 *   flight   YY1034.2026-11-28              fares economy, business
 *   stay     hangzhou-lite.2026-11-28.2026-11-29   fares ROOM-PLAN
 *   ticket   bj-gugong.2026-11-28           fare day
 *   film     xidan-2-3.2026-11-28           fare seat
 *
 * An *item* is a place in it, what a checkout's line names:
 * SERVICE.FARE.adult or SERVICE.FARE.child; a room has SERVICE.FARE.room.
 *
 * All services are on sale from now to RK_TRAVEL_DAYS after it and not once
 * they have begun. Times are China's (UTC+8). Amounts are minor units of CNY.
 * Everything borrowed lives in the arena given to rk_travel_load.
 * Thread rule: a loaded seller never changes; any thread. */
#ifndef RK_SHOP_TRAVEL_H
#define RK_SHOP_TRAVEL_H

#include "shop/table.h"

enum { RK_TRAVEL_DAYS = 30, RK_MAX_FARES = 6, RK_MAX_STAY_NIGHTS = 14, RK_MAX_TRAVEL_PARTY = 9, RK_TRAVEL_ID_BYTES = 80,
       RK_MAX_SEAT_ROWS = 12, RK_MAX_SEAT_COLS = 20, RK_MAX_CITIES = 24 };

enum rk_travel_kind { RK_TRAVEL_NONE, RK_TRAVEL_TRAIN, RK_TRAVEL_FLIGHT, RK_TRAVEL_STAY, RK_TRAVEL_TICKET, RK_TRAVEL_FILM };

struct rk_city { const char *id, *zh, *en, *station_zh, *station_en, *iata /* NULL none */, *airport_zh, *airport_en;
                 double lat, lon; int32_t hotel_percent; };

struct rk_fare {
  char id[24];
  const char *zh, *en;
  int64_t adult_minor, child_minor; /* of a room: for the whole stay, and child_minor -1 */
  int32_t places;                   /* before any booking; of a stay: the fewest of its nights */
  int32_t guests;                   /* of a room: how many sleep in it; else 1 */
  bool refundable;
};

struct rk_service {
  enum rk_travel_kind kind;
  char id[RK_TRAVEL_ID_BYTES];
  char zh[200], en[200];            /* title */
  const struct rk_city *from, *to;  /* to: NULL where there is one city */
  const char *name_zh, *name_en;    /* of the hotel's brand, attraction or film */
  const char *place_zh, *place_en;  /* district or address */
  const char *what;                 /* kind of attraction, genre of a film, or NULL */
  char date[11], end_date[11];
  char starts[6], ends[6];          /* HH:MM */
  int64_t starts_ms, ends_ms;
  int32_t rating_tenths, stars;     /* 0: none */
  struct rk_fare fares[RK_MAX_FARES]; int32_t n_fares;
  int32_t n_rows, n_cols;           /* a film's seats */
};

struct rk_travel_query {
  rk_str from, to, city;            /* id or name in either language, with or without 市 */
  rk_str name;                      /* words of the attraction or film; empty: any */
  rk_str date, end_date;            /* YYYY-MM-DD; end_date of a stay: the day of leaving */
  int32_t after_min, before_min;    /* of the day, of the start; before_min 0: no limit */
};

struct rk_travel;

/* The kind that shop.conf names (`kind = railway | airline | hotel | attraction | cinema`); NONE: a shop of goods. */
enum rk_travel_kind rk_travel_kind_of(const struct rk_table *conf);
/* dir: the seller's directory. RK_EFORMAT names the table's fault. */
rk_err rk_travel_load(const char *dir, const struct rk_table *conf, struct rk_arena *a, struct rk_travel **out,
                      struct rk_error *e) RK_MUST_USE;
enum rk_travel_kind rk_travel_kind(const struct rk_travel *t);

/* Services that fit, by start, at most max; *n how many. RK_EINVAL names the field of q that is missing, unknown or out of
 * range, and what would do. A query that nothing fits is RK_OK with 0. */
rk_err rk_travel_search(const struct rk_travel *t, const struct rk_travel_query *q, int64_t now_ms, struct rk_service *out, int32_t max,
                        int32_t *n, struct rk_error *e) RK_MUST_USE;
/* The service of an id, whenever it is; false: there is none. */
bool rk_travel_find(const struct rk_travel *t, rk_str service_id, struct rk_service *out);
/* Whether it can be bought at now_ms. */
bool rk_travel_on_sale(const struct rk_service *s, int64_t now_ms);

struct rk_travel_item { struct rk_service service; const struct rk_fare *fare /* of service */; bool child; int64_t price_minor; };
bool rk_travel_find_item(const struct rk_travel *t, rk_str item_id, struct rk_travel_item *out);
/* "SERVICE.FARE.adult". */
void rk_travel_item_id(const struct rk_service *s, const struct rk_fare *f, bool child, char out[RK_TRAVEL_ID_BYTES + 40]);

/* What a place is counted in: adults and children share one stock, a stay takes a room of each night. */
struct rk_stock { char key[RK_TRAVEL_ID_BYTES + 40]; int32_t places; };
int32_t rk_travel_stocks(const struct rk_travel *t, const struct rk_travel_item *i, struct rk_stock out[RK_MAX_STAY_NIGHTS]);

/* ---- seats of a film: row-major, 1 = taken ---- */
/* Those that were sold before any booking of ours. */
void rk_travel_seats(const struct rk_travel *t, const struct rk_service *s, unsigned char taken[RK_MAX_SEAT_ROWS * RK_MAX_SEAT_COLS]);
/* n free seats side by side as near to the middle as can be; where no row has so many, the nearest single ones. False: too few. */
bool rk_travel_pick_seats(const struct rk_service *s, const unsigned char *taken, int32_t n, int32_t seats[], bool *adjacent);
/* 17 -> "2排6座" / "row 2 seat 6". */
void rk_travel_seat_name(const struct rk_service *s, int32_t seat, bool en, char out[32]);

/* What a refund at now_ms costs of paid_minor; false: nothing comes back any more. The rule is in shop.conf's words. */
bool rk_travel_refund_fee(const struct rk_travel *t, const struct rk_travel_item *i, int64_t paid_minor, int64_t now_ms, int64_t *fee_minor);
/* The same of giving it in exchange for other places; false: no longer, or never. */
bool rk_travel_change_fee(const struct rk_travel *t, const struct rk_travel_item *i, int64_t paid_minor, int64_t now_ms, int64_t *fee_minor);

#endif
