#include <stdio.h>
#include <string.h>

#include "agent/intent.h"

enum { DAY_MS = 86400000 };

static rk_str from(rk_str s, size_t at) { return at < s.n ? (rk_str){s.p + at, s.n - at} : (rk_str){"", 0}; }

/* How it may move to a later one, when an earlier date of the text bids it: by weeks, by months, not at all. */
enum moves { MOVES_NOT, MOVES_WEEKS, MOVES_MONTHS };
struct found { size_t at, n; int days; enum moves moves; bool set; };

static void take_moving(struct found *f, ptrdiff_t at, size_t n, int days, enum moves moves) {
  if (at < 0 || (f->set && ((size_t)at > f->at || ((size_t)at == f->at && n <= f->n)))) return;
  *f = (struct found){.at = (size_t)at, .n = n, .days = days, .moves = moves, .set = true};
}

static void take(struct found *f, ptrdiff_t at, size_t n, int days) { take_moving(f, at, n, days, MOVES_NOT); }

static void words(rk_str s, const char *phrases, int days, struct found *f) {
  size_t n = 0;
  ptrdiff_t at = rk_words_find(s, phrases, &n);
  take(f, at, n, days);
}

/* Weekday 1 = Monday .. 7 = Sunday of the week that is `weeks` ahead; a bare one is the next to come. */
static int to_weekday(int today, int weekday, int weeks) {
  if (weeks > 0) return weekday - today + 7 * weeks;
  return weekday >= today ? weekday - today : weekday - today + 7;
}

static void weekdays(rk_str s, int today, struct found *f) {
  static const char *const zh_lead[] = {"周|星期|礼拜|这周|本周|这个星期|这星期|这个周", "下周|下星期|下个星期|下礼拜|下个周", "下下周|下下星期|下下个星期"};
  static const char *const zh[] = {"一", "二", "三", "四", "五", "六", "日|天"};
  static const char *const en[] = {"monday|mon", "tuesday|tue|tues", "wednesday|wed", "thursday|thu|thurs", "friday|fri", "saturday", "sunday"};
  for (size_t at = 0; at < s.n; at++) {
    for (int weeks = 2; weeks >= 0; weeks--) {
      size_t lead = rk_words_starts(from(s, at), zh_lead[weeks]);
      if (!lead) continue;
      for (int d = 0; d < 7; d++) {
        size_t n = rk_words_starts(from(s, at + lead), zh[d]);
        if (n) take_moving(f, (ptrdiff_t)at, lead + n, to_weekday(today, d + 1, weeks), weeks ? MOVES_NOT : MOVES_WEEKS);
      }
      size_t end = rk_words_starts(from(s, at + lead), "末");
      if (end) take(f, (ptrdiff_t)at, lead + end, to_weekday(today, today == 7 ? 7 : 6, weeks));
      break;
    }
  }
  for (int d = 0; d < 7; d++) {
    size_t n = 0;
    ptrdiff_t at = rk_words_find(s, en[d], &n);
    if (at < 0) continue;
    bool next = rk_words_ends((rk_str){s.p, (size_t)at}, "next ") > 0;
    take_moving(f, next ? at - 5 : at, next ? n + 5 : n, to_weekday(today, d + 1, next ? 1 : 0), next ? MOVES_NOT : MOVES_WEEKS);
  }
}

/* "in 3 days", "within 3 days", "3天内", "三天后". */
static void spans(rk_str s, struct found *f) {
  for (size_t at = 0; at < s.n; at++) {
    double v;
    size_t n = at > 0 && s.p[at - 1] > ' ' && s.p[at - 1] < 127 ? 0 : rk_words_number(from(s, at), &v, NULL);
    if (!n || v < 1 || v > 60) continue;
    size_t zh = rk_words_starts(from(s, at + n), "天之内|天以内|天内|天后|天之后");
    if (zh) take(f, (ptrdiff_t)at, n + zh, (int)v);
    size_t en = rk_words_starts(from(s, at + n), " days| day");
    size_t lead = rk_words_ends((rk_str){s.p, at}, "in |within ");
    if (en && lead) take(f, (ptrdiff_t)(at - lead), lead + n + en, (int)v);
  }
}

static int days_to(int64_t now_ms, int year, int month, int day) {
  struct rk_date today = rk_local_date(now_ms), d = today;
  d.month = month;
  d.day = day;
  if (year) d.year = year;
  else if (month < today.month || (month == today.month && day < today.day)) d.year++;
  int64_t delta = rk_date_ms(&d) - rk_date_ms(&today);
  return (int)((delta + (delta >= 0 ? DAY_MS / 2 : -DAY_MS / 2)) / DAY_MS);
}

static int month_name(rk_str s, size_t *n) {
  static const char *const names[] = {"january|jan", "february|feb", "march", "april|apr", "may", "june|jun", "july|jul",
                                      "august|aug", "september|sep|sept", "october|oct", "november|nov", "december|dec"};
  for (int m = 0; m < 12; m++)
    if ((*n = rk_words_starts(s, names[m]))) return m + 1;
  return 0;
}

static size_t small_int(rk_str s, int *v) {
  double d;
  size_t n = rk_words_number(s, &d, NULL);
  if (!n || d < 1 || d > 31 || d != (int)d) return 0;
  *v = (int)d;
  return n;
}

/* 11月28日, 28号, nov 28th, 28 november, 2026-11-28. */
static void calendar(rk_str s, int64_t now_ms, struct found *f) {
  struct rk_date today = rk_local_date(now_ms);
  for (size_t at = 0; at < s.n; at++) {
    if (at > 0 && s.p[at - 1] >= '0' && s.p[at - 1] <= '9') continue;
    int year, month, day, used = 0;
    rk_str rest = from(s, at);
    char head[16] = "";
    snprintf(head, sizeof head, "%.*s", (int)(rest.n < 12 ? rest.n : 12), rest.p);
    if (sscanf(head, "%4d-%2d-%2d%n", &year, &month, &day, &used) == 3 && year > 2000 && month >= 1 && month <= 12 && day >= 1 && day <= 31) {
      take(f, (ptrdiff_t)at, (size_t)used, days_to(now_ms, year, month, day));
      continue;
    }
    size_t m = 0, n = small_int(rest, &month);
    size_t mark = n ? rk_words_starts(from(rest, n), "月") : 0;
    if (mark && month <= 12) {
      size_t d = small_int(from(rest, n + mark), &day);
      size_t end = rk_words_starts(from(rest, n + mark + d), "日|号");
      if (d) take(f, (ptrdiff_t)at, n + mark + d + end, days_to(now_ms, 0, month, day));
      continue;
    }
    if (n && rk_words_starts(from(rest, n), "号|日") && !rk_words_ends((rk_str){s.p, at}, "路|街|弄|巷|道|里|村|苑") && !rk_words_starts(from(rest, n), "号的|号码|日游|日行|日之旅|日的|日内")) {
      day = month;
      int to = days_to(now_ms, 0, today.month, day);
      if (day < today.day) to = days_to(now_ms, 0, today.month % 12 + 1, day);
      take_moving(f, (ptrdiff_t)at, n + strlen("号"), to, MOVES_MONTHS);
      continue;
    }
    if (n) {
      size_t suffix = rk_words_starts(from(rest, n), "st|nd|rd|th");
      size_t gap = n + suffix;
      gap += gap < rest.n && rest.p[gap] == ' ';
      gap += rk_words_starts(from(rest, gap), "of ");
      day = month;
      if ((month = month_name(from(rest, gap), &m))) take(f, (ptrdiff_t)at, gap + m, days_to(now_ms, 0, month, day));
    } else if ((at == 0 || s.p[at - 1] == ' ') && (month = month_name(rest, &m)) && m < rest.n && rest.p[m] == ' ') {
      size_t d = small_int(from(rest, m + 1), &day);
      if (d) take(f, (ptrdiff_t)at, m + 1 + d, days_to(now_ms, 0, month, day));
    }
  }
}

/* Days of the year with a name; the moon's are listed, year by year. */
static void holidays(rk_str s, int64_t now_ms, struct found *f) {
  static const struct { const char *words; int year, month, day; } named[] = {
      {"元旦|新年第一天|new year's day|new years day", 0, 1, 1}, {"情人节|valentine's day", 0, 2, 14}, {"妇女节|women's day", 0, 3, 8},
      {"五一|劳动节|labour day|may day", 0, 5, 1}, {"儿童节|六一|children's day", 0, 6, 1}, {"教师节", 0, 9, 10}, {"国庆节|国庆|十一假期|national day", 0, 10, 1},
      {"万圣节|halloween", 0, 10, 31}, {"平安夜|christmas eve", 0, 12, 24}, {"圣诞节|圣诞|christmas day|christmas", 0, 12, 25},
      {"跨年夜|跨年|new year's eve|new years eve", 0, 12, 31},
      {"除夕|年三十", 2027, 2, 5}, {"春节|大年初一|chinese new year|spring festival|lunar new year", 2027, 2, 6}, {"元宵节|元宵", 2027, 2, 20},
      {"清明节|清明", 2027, 4, 5}, {"端午节|端午|dragon boat festival", 2027, 6, 9}, {"七夕", 2027, 8, 8}, {"中秋节|中秋|mid-autumn festival", 2027, 9, 15},
      {"除夕|年三十", 2028, 1, 25}, {"春节|大年初一|chinese new year|spring festival|lunar new year", 2028, 1, 26}, {"元宵节|元宵", 2028, 2, 9},
      {"清明节|清明", 2028, 4, 4}, {"端午节|端午|dragon boat festival", 2028, 5, 28}, {"七夕", 2028, 8, 26}, {"中秋节|中秋|mid-autumn festival", 2028, 10, 3}};
  for (size_t i = sizeof named / sizeof *named; i-- > 0;) { /* the nearest year last, as the first at a place stays */
    size_t n = 0;
    ptrdiff_t at = rk_words_find(s, named[i].words, &n);
    int days = at >= 0 ? days_to(now_ms, named[i].year, named[i].month, named[i].day) : -1;
    if (days < 0) continue;
    if (f->set && f->at == (size_t)at && f->n == n && days < f->days) f->set = false;
    take(f, at, n, days);
  }
}

static bool find(rk_str s, int64_t now_ms, struct found *f) {
  struct rk_date today = rk_local_date(now_ms);
  int weekday = today.weekday == 0 ? 7 : today.weekday;
  *f = (struct found){0};
  words(s, "昨天|昨日|yesterday", -1, f);
  words(s, "前天|前日", -2, f);
  words(s, "今天|今日|今晚|今早|today|tonight|this morning|this afternoon|this evening", 0, f);
  words(s, "明天|明日|明晚|明早|tomorrow", 1, f);
  words(s, "后天|后晚|the day after tomorrow|day after tomorrow", 2, f);
  words(s, "大后天", 3, f);
  words(s, "this weekend|weekend", to_weekday(weekday, weekday == 7 ? 7 : 6, 0), f);
  words(s, "next weekend", to_weekday(weekday, 6, 1), f);
  weekdays(s, weekday, f);
  spans(s, f);
  calendar(s, now_ms, f);
  holidays(s, now_ms, f);
  return f->set;
}

static void iso_of(int64_t now_ms, int days, char iso[11]) {
  struct rk_date d = rk_local_date(now_ms + (int64_t)days * DAY_MS);
  rk_date_iso(&d, iso);
}

bool rk_dates_find(rk_str s, int64_t now_ms, char iso[11], size_t *at, size_t *n) {
  struct found f;
  for (*at = 0; find(from(s, *at), now_ms, &f); *at += f.at + f.n) {
    if (f.days < 0) continue; /* what is past is no wish */
    iso_of(now_ms, f.days, iso);
    *at += f.at;
    *n = f.n;
    return true;
  }
  return false;
}

/* "Next Friday there, back on Saturday": a bare weekday behind a date is the next one after it; so is a bare day of a month. */
static int not_before(int64_t now_ms, const struct found *f, int earliest) {
  int days = f->days;
  while (f->moves == MOVES_WEEKS && days < earliest) days += 7;
  for (int months = 1; f->moves == MOVES_MONTHS && days < earliest && months < 12; months++) {
    struct rk_date d = rk_local_date(now_ms + (int64_t)f->days * DAY_MS), today = rk_local_date(now_ms);
    d.month += months;
    days = (int)((rk_date_ms(&d) - rk_date_ms(&today)) / DAY_MS);
  }
  return days;
}

int32_t rk_dates_all(rk_str s, int64_t now_ms, struct rk_day out[], int32_t max) {
  int32_t n = 0;
  int earliest = 0;
  struct found f;
  for (size_t at = 0; n < max && find(from(s, at), now_ms, &f); at += f.at + f.n) {
    int days = not_before(now_ms, &f, earliest);
    if (days < 0) {
      out[n] = (struct rk_day){.at = at + f.at, .n = f.n, .past = true};
    } else {
      out[n] = (struct rk_day){.at = at + f.at, .n = f.n, .days = days};
      earliest = days;
    }
    iso_of(now_ms, days, out[n++].iso);
  }
  for (int32_t i = 0; i < n; i++) {
    size_t stop = i + 1 < n ? out[i + 1].at : s.n;
    out[i].timed = rk_times_find((rk_str){s.p + out[i].at, stop - out[i].at}, &out[i].after_min, &out[i].before_min);
  }
  return n;
}

/* ---- times of the day ---- */

/* "5pm", "17点半", "9:30", "下午3点" at s: minutes of the day; its bytes, 0: none. */
static size_t clock_time(rk_str s, int *minutes) {
  size_t lead = rk_words_starts(s, "早上|上午|凌晨|中午|下午|傍晚|晚上|晚|早");
  bool late = lead && rk_words_starts(s, "下午|傍晚|晚上|晚") > 0;
  rk_str rest = from(s, lead);
  double hour, part = 0;
  size_t n = rk_words_number(rest, &hour, NULL), used = n;
  if (!n || hour < 0 || hour > 24 || hour != (int)hour) return 0;
  rest = from(rest, n);
  size_t mark = rk_words_starts(rest, "点钟|点半|点整|点|时|:");
  if (mark) {
    bool half = rk_words_starts(rest, "点半") > 0, colon = rest.p[0] == ':';
    used += mark;
    rest = from(rest, mark);
    n = half ? 0 : rk_words_number(rest, &part, NULL);
    if (n && part >= 0 && part < 60) {
      used += n;
      rest = from(rest, n);
      used += rk_words_starts(rest, "分");
    } else {
      part = half ? 30 : 0;
      if (colon && !n) return 0;
    }
  }
  size_t space = rest.n && rest.p[0] == ' ' ? 1 : 0, ampm = rk_words_starts(from(rest, space), "am|pm|a.m.|p.m.|a.m|p.m|o'clock");
  if (!mark && !ampm) return 0;
  if (ampm) {
    late = rk_words_starts(from(rest, space), "pm|p.m.|p.m") > 0;
    used += space + ampm;
  }
  if (late && hour < 12) hour += 12;
  *minutes = (int)hour * 60 + (int)part;
  return lead + used;
}

/* "after 5 pm", "9点以后", "before noon", "10点前". */
static bool bound(rk_str s, int32_t *after_min, int32_t *before_min) {
  bool found = false;
  for (size_t at = 0; at < s.n; at++) {
    if ((signed char)s.p[at] < -64) continue; /* inside a code point */
    int minutes;
    size_t n = at > 0 && s.p[at - 1] >= '0' && s.p[at - 1] <= '9' ? 0 : clock_time(from(s, at), &minutes);
    if (!n && rk_words_starts(from(s, at), "noon")) n = 4, minutes = 720;
    if (!n) continue;
    rk_str left = {s.p, at}, right = from(s, at + n);
    if (rk_words_starts(right, "以后|之后|后|过后") || rk_words_ends(left, "after |from |later than |not before |晚于")) *after_min = minutes, found = true;
    else if (rk_words_starts(right, "以前|之前|前") || rk_words_ends(left, "before |by |until |no later than |earlier than |早于")) *before_min = minutes, found = true;
    else if (rk_words_starts(right, "左右") || rk_words_ends(left, "around |about |at ")) *after_min = minutes - 60, *before_min = minutes + 60, found = true;
    at += n - 1;
  }
  return found;
}

bool rk_times_find(rk_str s, int32_t *after_min, int32_t *before_min) {
  static const struct { const char *words; int32_t after, before; } parts[] = {
      {"凌晨", 1, 360}, {"早上|早晨|清晨|明早|今早|一早|上午|morning", 300, 720}, {"中午|noon|midday|lunchtime", 660, 840},
      {"下午|afternoon", 720, 1080}, {"傍晚|dusk", 1020, 1200}, {"晚上|晚间|今晚|明晚|后晚|夜里|夜晚|evening|tonight|night", 1080, 1439}};
  *after_min = *before_min = 0;
  if (bound(s, after_min, before_min)) return true;
  size_t first = s.n;
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    ptrdiff_t at = rk_words_find(s, parts[i].words, NULL);
    if (at < 0 || (size_t)at >= first || rk_words_ends((rk_str){s.p, (size_t)at}, "a |per |one |two |three |each |every ")) continue;
    first = (size_t)at;
    *after_min = parts[i].after;
    *before_min = parts[i].before;
  }
  return first < s.n;
}

/* ---- from a day to a day ---- */

/* Nights of "住两晚", "two nights"; days of "三日游", "3-day": -1: not said. */
static int stay_nights(rk_str s) {
  for (size_t at = 0; at < s.n; at++) {
    double v;
    size_t n = at > 0 && s.p[at - 1] > ' ' && s.p[at - 1] < 127 ? 0 : rk_words_number(from(s, at), &v, NULL);
    if (!n || v < 1 || v > 30 || v != (int)v) continue;
    rk_str right = from(s, at + n);
    size_t gap = right.n && (right.p[0] == ' ' || right.p[0] == '-') ? 1 : 0;
    bool limit = rk_words_starts(right, "晚不|晚别|晚最|晚低|晚以|晚大|晚左|晚预|天之内|天内|天后|天之后|天以内|日元") > 0 || rk_words_ends((rk_str){s.p, at}, "in |within |第|周|星期|礼拜") > 0;
    if (!limit && (rk_words_starts(right, "晚|夜") || rk_words_starts(from(right, gap), "nights|night"))) return (int)v;
    if (!limit && (rk_words_starts(right, "日游|天游|天|日行|日之旅|日的") || rk_words_starts(from(right, gap), "days|day")) && v > 1) return (int)v - 1;
    at += n - 1;
  }
  return -1;
}

bool rk_dates_trip(rk_str s, int64_t now_ms, char first[11], char last[11]) {
  struct rk_day days[RK_MAX_DAYS];
  int32_t n = rk_dates_all(s, now_ms, days, RK_MAX_DAYS), at = 0;
  first[0] = last[0] = 0;
  while (at < n && days[at].past) at++;
  if (at == n) return false;
  const struct rk_day *begin = &days[at];
  rk_str name = {s.p + begin->at, begin->n};
  int nights = stay_nights(s);
  memcpy(first, begin->iso, 11);
  for (int32_t i = at + 1; i < n; i++)
    if (days[i].days > begin->days) memcpy(last, days[i].iso, 11);
  if (last[0]) return true;
  if (nights > 0) iso_of(now_ms, begin->days + nights, last);
  else if (rk_words_has(name, "weekend") || rk_str_find(name, RK_STR("末")) >= 0) iso_of(now_ms, begin->days + 1, last);
  return true;
}
