#include <stdio.h>
#include <string.h>

#include "agent/intent.h"

enum { DAY_MS = 86400000 };

static rk_str from(rk_str s, size_t at) { return at < s.n ? (rk_str){s.p + at, s.n - at} : (rk_str){"", 0}; }

struct found { size_t at, n; int days; bool set; };

static void take(struct found *f, ptrdiff_t at, size_t n, int days) {
  if (at < 0 || (f->set && ((size_t)at > f->at || ((size_t)at == f->at && n <= f->n)))) return;
  *f = (struct found){.at = (size_t)at, .n = n, .days = days, .set = true};
}

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
        if (n) take(f, (ptrdiff_t)at, lead + n, to_weekday(today, d + 1, weeks));
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
    take(f, next ? at - 5 : at, next ? n + 5 : n, to_weekday(today, d + 1, next ? 1 : 0));
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
    if (n && rk_words_starts(from(rest, n), "号|日") && !rk_words_ends((rk_str){s.p, at}, "路|街|弄|巷|道|里|村|苑") && !rk_words_starts(from(rest, n), "号的|号码")) {
      day = month;
      int to = days_to(now_ms, 0, today.month, day);
      if (day < today.day) to = days_to(now_ms, 0, today.month % 12 + 1, day);
      take(f, (ptrdiff_t)at, n + strlen("号"), to);
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

bool rk_dates_find(rk_str s, int64_t now_ms, char iso[11], size_t *at, size_t *n) {
  struct found f = {0};
  struct rk_date today = rk_local_date(now_ms);
  int weekday = today.weekday == 0 ? 7 : today.weekday;
  words(s, "今天|今日|今晚|today|tonight", 0, &f);
  words(s, "明天|明日|明晚|明早|tomorrow", 1, &f);
  words(s, "后天|the day after tomorrow|day after tomorrow", 2, &f);
  words(s, "大后天", 3, &f);
  words(s, "this weekend|weekend", to_weekday(weekday, weekday == 7 ? 7 : 6, 0), &f);
  words(s, "next weekend", to_weekday(weekday, 6, 1), &f);
  weekdays(s, weekday, &f);
  spans(s, &f);
  calendar(s, now_ms, &f);
  if (!f.set || f.days < 0) return false;
  struct rk_date d = rk_local_date(now_ms + (int64_t)f.days * DAY_MS);
  rk_date_iso(&d, iso);
  *at = f.at;
  *n = f.n;
  return true;
}
