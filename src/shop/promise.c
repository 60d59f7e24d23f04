/* promise.c - dates on the shop's clock: what is promised, and when it opens again. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "shop/private.h"

int32_t delivery_days(const struct rk_catalog *c, int64_t at_ms, const struct rk_delivery_rule *d) {
  struct rk_wall w = rk_wall_of(c->zone, at_ms);
  int64_t from_ms = c->cutoff_min && w.minute >= c->cutoff_min ? rk_zone_utc_s(c->zone, (w.day + 1) * 86400) * 1000 : at_ms;
  int64_t open_ms = rk_hours_next(&c->hours, c->zone, from_ms);
  return d->days + (int32_t)(rk_wall_of(c->zone, open_ms == INT64_MAX ? from_ms : open_ms).day - w.day);
}

void promised_date(const struct rk_catalog *c, int64_t at_ms, int32_t days, char out[11]) { rk_wall_date(rk_wall_of(c->zone, at_ms).day + days, out); }

static void local_time(const struct rk_zone *z, int64_t utc_s, char out[40]) {
  char text[32];
  int32_t offset = rk_zone_offset_s(z, utc_s), minutes = (offset < 0 ? -offset : offset) / 60;
  rk_time_rfc3339((utc_s + offset) * 1000, text);
  snprintf(out, 40, "%.19s%c%02d:%02d", text, offset < 0 ? '-' : '+', minutes / 60 % 100, minutes % 60);
}

void promised_time(const struct rk_catalog *c, const char date[11], int32_t hour, char out[40]) {
  char text[32];
  int64_t local_ms = 0;
  snprintf(text, sizeof text, "%.10sT%02d:00:00Z", date, (int)(hour % 24));
  (void)rk_time_parse(rk_str_c(text), &local_ms, NULL);
  local_time(c->zone, rk_zone_utc_s(c->zone, local_ms / 1000), out);
}

void shop_local_time(const struct rk_catalog *c, int64_t utc_ms, char out[40]) { local_time(c->zone, utc_ms / 1000, out); }

int64_t shop_opens_ms(const struct rk_catalog *c, int64_t now_ms) {
  if (!c->sells_when_open || rk_hours_open(&c->hours, c->zone, now_ms)) return 0;
  return rk_hours_next(&c->hours, c->zone, now_ms);
}

void shop_opens_text(const struct rk_catalog *c, int64_t opens_ms, bool en, char out[OPENS_TEXT_BYTES]) {
  static const char *const zh_days[] = {"日", "一", "二", "三", "四", "五", "六"}, *const en_days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  char date[11], at[40];
  if (opens_ms == INT64_MAX) {
    snprintf(out, OPENS_TEXT_BYTES, "%s", en ? "The shop is closed and takes no orders" : "本店已停止营业，暂不接单");
    return;
  }
  struct rk_wall w = rk_wall_of(c->zone, opens_ms);
  int32_t d = rk_wall_weekday(w.day);
  rk_wall_date(w.day, date);
  local_time(c->zone, opens_ms / 1000, at);
  snprintf(out, OPENS_TEXT_BYTES, en ? "The shop is closed now; it takes orders again from %s %s, %.5s (UTC%s)" : "本店现在休息，周%s %s %.5s（UTC%s）开门后可以下单",
           en ? en_days[d] : zh_days[d], date, at + 11, at + 19);
}
