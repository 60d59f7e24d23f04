/* travel_private.h - inside of travel.c and the file of each kind of seller. */
#ifndef RK_SHOP_TRAVEL_PRIVATE_H
#define RK_SHOP_TRAVEL_PRIVATE_H

#include "shop/travel.h"

enum { ZONE_MINUTES = 480, DAY_MINUTES = 1440, MINUTE_MS = 60000, DAY_MS = DAY_MINUTES * MINUTE_MS };

struct kind_ops;
struct rk_travel {
  const struct kind_ops *ops;
  int64_t seed;
  struct rk_city cities[RK_MAX_CITIES]; int32_t n_cities;
  struct rk_table districts, brands, attractions, words, films, cinemas; /* those that its kind has */
};

/* A day is its number since 1970-01-01 in China. */
struct search {
  const struct rk_travel *t;
  const struct rk_travel_query *q;
  const struct rk_city *from, *to, *city;
  int32_t day, end_day;
  int64_t now_ms;
  struct rk_service *out;
  int32_t max, n;
};

/* One row per kind of seller, in travel.c. */
struct kind_ops {
  const char *conf;
  enum rk_travel_kind kind;
  rk_err (*load)(struct rk_travel *t, const char *dir, const char *common, struct rk_arena *a, struct rk_error *e);
  void (*search)(struct search *s);
  /* id: without the date, which is day (and end_day of a stay). */
  bool (*find)(const struct rk_travel *t, rk_str id, int32_t day, int32_t end_day, struct rk_service *out);
};

uint64_t travel_hash(const struct rk_travel *t, const char *what, int64_t a, int64_t b);
bool day_parse(rk_str iso, int32_t *day);
void day_iso(int32_t day, char out[11]);
int32_t day_weekday(int32_t day); /* 0 = Sunday */
/* Fills date and time from a start in minutes of the day (may pass midnight). */
void service_times(struct rk_service *s, int32_t day, int32_t start_min, int32_t minutes);
/* Keeps it when it fits the query's hours and is on sale. */
void search_add(struct search *s, const struct rk_service *v);
double city_km(const struct rk_city *a, const struct rk_city *b);
bool words_named(rk_str text, const char *phrases); /* one of a/b/c stands in text, any case */
struct rk_fare *add_fare(struct rk_service *s, const char *id, const char *zh, const char *en, int64_t adult_minor, int64_t child_minor, int32_t places);

void routes_search_trains(struct search *s);
void routes_search_flights(struct search *s);
bool routes_find_train(const struct rk_travel *t, rk_str id, int32_t day, int32_t end_day, struct rk_service *out);
bool routes_find_flight(const struct rk_travel *t, rk_str id, int32_t day, int32_t end_day, struct rk_service *out);
rk_err hotels_load(struct rk_travel *t, const char *dir, const char *common, struct rk_arena *a, struct rk_error *e);
void hotels_search(struct search *s);
bool hotels_find(const struct rk_travel *t, rk_str id, int32_t day, int32_t end_day, struct rk_service *out);
int32_t hotels_rooms(const struct rk_travel *t, const char *hotel, const char *room, int32_t day);
rk_err venues_load_attractions(struct rk_travel *t, const char *dir, const char *common, struct rk_arena *a, struct rk_error *e);
void venues_search_tickets(struct search *s);
bool venues_find_ticket(const struct rk_travel *t, rk_str id, int32_t day, int32_t end_day, struct rk_service *out);
rk_err venues_load_cinemas(struct rk_travel *t, const char *dir, const char *common, struct rk_arena *a, struct rk_error *e);
void venues_search_films(struct search *s);
bool venues_find_film(const struct rk_travel *t, rk_str id, int32_t day, int32_t end_day, struct rk_service *out);

#endif
