/* clock.c - the day and the time: of now, or of the day that the words name. */
#include "agent/turn.h"

static json_t *day_text(const struct rk_day *day, int64_t now_ms, bool zh) {
  static const char *const zh_days[] = {"日", "一", "二", "三", "四", "五", "六"};
  static const char *const en_days[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
  static const char *const months[] = {"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"};
  struct rk_date d = rk_local_date(now_ms + (int64_t)day->days * 86400000);
  return zh ? json_sprintf("%d年%d月%d日（星期%s，%s）", d.year, d.month, d.day, zh_days[d.weekday], day->iso)
            : json_sprintf("%s, %d %s %d (%s)", en_days[d.weekday], d.day, months[d.month - 1], d.year, day->iso);
}

rk_err rk_tool_clock(struct rk_turn *t, const struct rk_call *c, struct rk_tool_out *out, struct rk_error *e) {
  struct rk_buf said;
  struct rk_day days[RK_MAX_DAYS];
  int64_t now_ms = rk_now_ms();
  bool zh = t->intent.chinese;
  (void)c;
  (void)e;
  rk_buf_init(&said, RK_MAX_MESSAGE_BYTES + 64);
  int32_t n = rk_words_normal(&said, rk_str_c(t->text)) == RK_OK ? rk_dates_all(rk_buf_str(&said), now_ms, days, RK_MAX_DAYS) : 0;
  struct rk_date now = rk_local_date(now_ms);
  struct rk_day today = {.days = 0};
  rk_date_iso(&now, today.iso);
  json_t *text = day_text(n ? &days[n - 1] : &today, now_ms, zh);
  size_t at = n ? days[n - 1].at : 0, len = n ? days[n - 1].n : 0;
  if (n) out->close = zh ? json_sprintf("%.*s是%s。", (int)len, said.p + at, json_string_value(text)) : json_sprintf("That is %s.", json_string_value(text));
  else out->close = zh ? json_sprintf("今天是%s，现在 %02d:%02d。", json_string_value(text), now.hour, now.minute)
                       : json_sprintf("Today is %s; it is %02d:%02d.", json_string_value(text), now.hour, now.minute);
  out->ok = true;
  out->result = json_pack("{s:O}", "answer", out->close);
  json_decref(text);
  rk_buf_release(&said);
  return RK_OK;
}
