#include "agent/words.h"

#include <math.h>
#include <string.h>

#include "base/utf8.h"

static bool is_word(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
static bool is_alpha(char c) { return c >= 'a' && c <= 'z'; }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }

rk_err rk_words_normal(struct rk_buf *out, rk_str text) {
  bool space = true;
  for (size_t i = 0; i < text.n;) {
    uint32_t cp;
    int n = rk_utf8_next((rk_str){text.p + i, text.n - i}, &cp);
    if (n == 0) return RK_EFORMAT;
    i += (size_t)n;
    if (cp >= 0xFF01 && cp <= 0xFF5E) cp -= 0xFEE0;
    if (cp == 0xFFE5) cp = 0xA5;
    if (cp == 0x3000 || cp == 0xA0 || cp <= ' ') cp = ' ';
    if (cp == 0x2019) cp = '\'';
    if (cp == 0x2013 || cp == 0x2014) cp = '-';
    if (cp >= 'A' && cp <= 'Z') cp += 32;
    if (cp == ' ' && space) continue;
    space = cp == ' ';
    char utf8[4];
    rk_buf_add(out, utf8, (size_t)rk_utf8_put(cp, utf8));
  }
  return out->err;
}

/* Does phrase stand at s.p[at], with a word's border where it needs one? */
static bool stands_at(rk_str s, size_t at, rk_str phrase) {
  if (phrase.n == 0 || at + phrase.n > s.n || memcmp(s.p + at, phrase.p, phrase.n) != 0) return false;
  size_t end = at + phrase.n;
  if (is_word(phrase.p[0]) && at > 0 && is_word(s.p[at - 1]) && !(is_alpha(phrase.p[0]) && is_digit(s.p[at - 1])))
    return false;
  return !(is_word(phrase.p[phrase.n - 1]) && end < s.n && is_word(s.p[end]));
}

ptrdiff_t rk_words_find(rk_str s, const char *phrases, size_t *n_matched) {
  ptrdiff_t best = -1;
  rk_str rest = rk_str_c(phrases), one;
  while (rest.n) {
    rk_str_cut(rest, '|', &one, &rest);
    for (size_t from = 0; from < s.n;) {
      ptrdiff_t at = rk_str_find((rk_str){s.p + from, s.n - from}, one);
      if (at < 0) break;
      size_t where = from + (size_t)at;
      if (best >= 0 && (ptrdiff_t)where > best) break;
      if (stands_at(s, where, one)) {
        if ((ptrdiff_t)where != best || !n_matched || one.n > *n_matched) {
          best = (ptrdiff_t)where;
          if (n_matched) *n_matched = one.n;
        }
        break;
      }
      from = where + 1;
    }
  }
  return best;
}

bool rk_words_has(rk_str s, const char *phrases) { return rk_words_find(s, phrases, NULL) >= 0; }

size_t rk_words_starts(rk_str s, const char *phrases) {
  size_t best = 0;
  rk_str rest = rk_str_c(phrases), one;
  while (rest.n) {
    rk_str_cut(rest, '|', &one, &rest);
    if (one.n > best && stands_at(s, 0, one)) best = one.n;
  }
  return best;
}

size_t rk_words_ends(rk_str s, const char *phrases) {
  size_t best = 0;
  rk_str rest = rk_str_c(phrases), one;
  while (rest.n) {
    rk_str_cut(rest, '|', &one, &rest);
    if (one.n > best && one.n <= s.n && stands_at(s, s.n - one.n, one)) best = one.n;
  }
  return best;
}

bool rk_words_has_han(rk_str s) {
  uint32_t cp;
  for (size_t i = 0; i < s.n;) {
    int n = rk_utf8_next((rk_str){s.p + i, s.n - i}, &cp);
    if (n == 0) return false;
    if (cp >= 0x4E00 && cp <= 0x9FFF) return true;
    i += (size_t)n;
  }
  return false;
}

/* ---- numbers ---- */

struct word_value { const char *word; double value; };

static const struct word_value han_digits[] = {{"零", 0}, {"〇", 0}, {"一", 1}, {"二", 2}, {"两", 2}, {"三", 3}, {"四", 4},
                                               {"五", 5}, {"六", 6}, {"七", 7}, {"八", 8}, {"九", 9}, {"俩", 2}, {"仨", 3}};
static const struct word_value han_scales[] = {{"十", 10}, {"百", 100}, {"千", 1000}, {"万", 10000}};
static const struct word_value en_small[] = {
    {"one", 1}, {"two", 2}, {"three", 3}, {"four", 4}, {"five", 5}, {"six", 6}, {"seven", 7}, {"eight", 8}, {"nine", 9},
    {"ten", 10}, {"eleven", 11}, {"twelve", 12}, {"thirteen", 13}, {"fourteen", 14}, {"fifteen", 15}, {"sixteen", 16},
    {"seventeen", 17}, {"eighteen", 18}, {"nineteen", 19}, {"twenty", 20}, {"thirty", 30}, {"forty", 40}, {"fifty", 50},
    {"sixty", 60}, {"seventy", 70}, {"eighty", 80}, {"ninety", 90}};
static const struct word_value en_scales[] = {{"hundred", 100}, {"thousand", 1000}, {"grand", 1000}, {"million", 1000000}};

#define COUNT(a) (sizeof(a) / sizeof *(a))

static rk_str from(rk_str s, size_t at) { return at < s.n ? (rk_str){s.p + at, s.n - at} : (rk_str){"", 0}; }

static size_t look_up(rk_str s, const struct word_value *table, size_t n, double *value) {
  for (size_t i = 0; i < n; i++) {
    if (!stands_at(s, 0, rk_str_c(table[i].word))) continue;
    *value = table[i].value;
    return strlen(table[i].word);
  }
  return 0;
}

/* 三百五 is 350: a last digit without a scale takes the one below the last scale. */
static size_t han_number(rk_str s, double *value) {
  double total = 0, section = 0, digit = -1, last_scale = 0, v;
  size_t i = 0, n;
  while (i < s.n) {
    if ((n = look_up(from(s, i), han_digits, COUNT(han_digits), &v))) {
      if (digit >= 0 && last_scale == 0 && digit != 0) digit = digit * 10 + v;
      else digit = v;
      if (v == 0) last_scale = 0;
    } else if ((n = look_up(from(s, i), han_scales, COUNT(han_scales), &v))) {
      double d = digit >= 0 ? digit : (i == 0 || section == 0 ? 1 : 0);
      if (i == 0 && v > 10) return 0;
      if (v == 10000) {
        total = (section + (digit >= 0 ? digit : 0)) * v;
        section = 0;
      } else {
        section += d * v;
      }
      last_scale = v;
      digit = -1;
    } else {
      break;
    }
    i += n;
  }
  if (i == 0) return 0;
  if (digit > 0 && last_scale >= 100) digit *= last_scale / 10;
  *value = total + section + (digit >= 0 ? digit : 0);
  return i;
}

static size_t en_number(rk_str s, double *value) {
  double total = 0, v;
  size_t i = 0, n, end = 0;
  for (;;) {
    n = look_up(from(s, i), en_small, COUNT(en_small), &v);
    if (n) {
      total += v;
    } else if ((n = look_up(from(s, i), en_scales, COUNT(en_scales), &v))) {
      total = v == 100 ? (total == 0 ? 100 : total - fmod(total, 100) + fmod(total, 100) * 100) : (total == 0 ? 1 : total) * v;
    } else if (i == 0 && s.n > 2 && s.p[0] == 'a' && s.p[1] == ' ' && look_up(from(s, 2), en_scales, COUNT(en_scales), &v)) {
      n = 1;
    } else {
      break;
    }
    end = i += n;
    if (i < s.n && (s.p[i] == ' ' || (s.p[i] == '-' && look_up(from(s, i + 1), en_small, 9, &v)))) i++;
    else break;
    if (rk_words_starts(from(s, i), "and") && (look_up(from(s, i + 4), en_small, COUNT(en_small), &v))) i += 4;
  }
  *value = total;
  return end;
}

static size_t digit_number(rk_str s, double *value) {
  size_t i = 0;
  double v = 0, unit = 1;
  for (; i < s.n; i++) {
    if (is_digit(s.p[i])) v = v * 10 + (s.p[i] - '0');
    else if (!(s.p[i] == ',' && i > 0 && i + 3 < s.n && is_digit(s.p[i + 1]) && is_digit(s.p[i + 2]) && is_digit(s.p[i + 3]))) break;
  }
  if (i == 0 || v > 1e12) return 0;
  if (i + 1 < s.n && s.p[i] == '.' && is_digit(s.p[i + 1]))
    for (i++; i < s.n && is_digit(s.p[i]); i++) v += (s.p[i] - '0') * (unit /= 10);
  double scale = 1;
  size_t n = look_up(from(s, i), han_scales, COUNT(han_scales), &scale);
  if (!n && i < s.n && s.p[i] == 'k' && !(i + 1 < s.n && is_word(s.p[i + 1]))) {
    n = 1;
    scale = 1000;
  }
  *value = v * scale;
  return i + n;
}

size_t rk_words_number(rk_str s, double *value, bool *word) {
  size_t n = digit_number(s, value);
  if (word) *word = n == 0;
  if (!n) n = han_number(s, value);
  if (!n) n = en_number(s, value);
  return n;
}

/* ---- amounts ---- */

struct currency { const char *words, *code; };
static const struct currency before_words[] = {{"¥|rmb|cny|cn¥", "CNY"}, {"us$|usd|$", "USD"}, {"eur|€", "EUR"}, {"gbp|£", "GBP"}};
static const struct currency after_words[] = {{"元钱|元|块钱|块|圆|rmb|cny|yuan|yuans|人民币|kuai|renminbi", "CNY"},
                                              {"美元|美金|刀|usd|dollars|dollar|bucks|$", "USD"},
                                              {"欧元|eur|euros|euro|€", "EUR"},
                                              {"英镑|gbp|pounds|£", "GBP"}};
/* A number with one of these is no money. */
static const char other_units[] =
    "ml|毫升|升|l|liter|liters|litre|litres|w|瓦|瓦特|watt|watts|g|克|千克|kg|公斤|斤|两重|gb|g内存|tb|mah|毫安|寸|英寸|inch|inches|"
    "cm|厘米|mm|毫米|米|码|号|人|人用|人份|person|persons|people|man|adults|小时|hour|hours|天|day|days|日|周|星期|week|weeks|分钟|minute|minutes|"
    "%|percent|折|岁|year|years|点|am|pm|星|star|stars|月|年|度|代|世纪|hz|mp|oz|lb|lbs|页|pages|km|公里|v|伏";

static size_t skip_space(rk_str s, size_t at) { return at < s.n && s.p[at] == ' ' ? at + 1 : at; }

static const char *currency_of(const struct currency *table, size_t n, rk_str s, bool at_end, size_t *matched) {
  for (size_t i = 0; i < n; i++)
    if ((*matched = at_end ? rk_words_ends(s, table[i].words) : rk_words_starts(s, table[i].words))) return table[i].code;
  return NULL;
}

static bool other_unit(rk_str s, size_t at) {
  size_t p = skip_space(s, at);
  if (p < s.n && s.p[p] == '-') p++;
  return rk_words_starts(from(s, p), other_units) > 0;
}

bool rk_words_amount(rk_str s, size_t at, struct rk_amount *out) {
  while (at < s.n) {
    double v;
    bool inside = at > 0 && is_word(s.p[at - 1]) && is_word(s.p[at]) && !(rk_words_ends((rk_str){s.p, at}, "rmb|cny|usd|eur|gbp"));
    size_t n = inside ? 0 : rk_words_number(from(s, at), &v, NULL);
    if (!n) {
      at++;
      continue;
    }
    size_t end = at + n, m, begin = at;
    size_t unit = skip_space(s, end);
    const char *code = currency_of(after_words, COUNT(after_words), from(s, unit), false, &m);
    /* "三块五" */
    if (code) {
      end = unit + m;
      double tail;
      size_t t = strcmp(code, "CNY") == 0 && v < 1000 ? han_number(from(s, end), &tail) : 0;
      if (t == strlen("五") && tail < 10 && !rk_words_starts(from(s, end + t), "个|双|台|部|本|杯|盒|束|只|条|件|瓶|袋|包|把|顶|份|套|张")) {
        v += tail / 10;
        end += t;
      }
    } else if (other_unit(s, end)) {
      at = end;
      continue;
    }
    size_t lead = begin > 0 && s.p[begin - 1] == ' ' ? begin - 1 : begin;
    const char *sign = currency_of(before_words, COUNT(before_words), (rk_str){s.p, lead}, true, &m);
    if (sign) {
      begin = lead - m;
      if (!code) code = sign;
    }
    if (v > 1e10) return false;
    *out = (struct rk_amount){.at = begin, .n = end - begin, .minor = (int64_t)llround(v * 100)};
    if (code) memcpy(out->currency, code, 4);
    return true;
  }
  return false;
}

/* "双人" is "2人". */
static const struct { const char *words; double value; } whole_measures[] = {{"单人", 1}, {"双人", 2}};

/* Longer words first: "kg" is not "k" and "g", "毫升" not "升". */
static const struct { const char *words; enum rk_dimension dimension; double factor; } units[] = {
    {"ml|毫升", RK_DIM_VOLUME_ML, 1}, {"升|l|liter|liters|litre|litres", RK_DIM_VOLUME_ML, 1000}, {"w|瓦|watt|watts", RK_DIM_POWER_W, 1},
    {"kg|公斤|千克", RK_DIM_WEIGHT_G, 1000}, {"g|克", RK_DIM_WEIGHT_G, 1}, {"斤", RK_DIM_WEIGHT_G, 500}, {"gb", RK_DIM_STORAGE_GB, 1},
    {"tb", RK_DIM_STORAGE_GB, 1024}, {"mah|毫安", RK_DIM_CHARGE_MAH, 1}, {"cm|厘米", RK_DIM_LENGTH_CM, 1}, {"寸|英寸|inch|inches", RK_DIM_LENGTH_CM, 2.54},
    {"人|person|people|man", RK_DIM_PEOPLE, 1}, {"只装|片装|个装|枝|朵", RK_DIM_PIECES, 1}};
enum { N_UNITS = sizeof units / sizeof *units };

bool rk_words_quantity(rk_str s, size_t start, struct rk_measure *out) {
  for (size_t i = start; i < s.n;) {
    double v;
    for (size_t k = 0; k < COUNT(whole_measures); k++)
      if (rk_words_starts(from(s, i), whole_measures[k].words)) {
        *out = (struct rk_measure){RK_DIM_PEOPLE, whole_measures[k].value, i, strlen(whole_measures[k].words)};
        return true;
      }
    bool inside = i > 0 && is_word(s.p[i - 1]) && is_word(s.p[i]);
    size_t len = inside ? 0 : rk_words_number(from(s, i), &v, NULL);
    if (!len) {
      i++;
      continue;
    }
    size_t unit = skip_space(s, i + len);
    if (unit < s.n && s.p[unit] == '-') unit++;
    for (int u = 0; u < N_UNITS; u++) {
      size_t m = rk_words_starts(from(s, unit), units[u].words);
      if (!m) continue;
      *out = (struct rk_measure){units[u].dimension, v * units[u].factor, i, unit + m - i};
      return true;
    }
    i += len;
  }
  return false;
}

bool rk_words_measure(rk_str s, size_t start, size_t *at, size_t *n) {
  struct rk_measure m;
  if (!rk_words_quantity(s, start, &m)) return false;
  *at = m.at;
  *n = m.n;
  return true;
}
