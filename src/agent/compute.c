#include "agent/compute.h"

#include <stdio.h>
#include <string.h>

#include "agent/words.h"

enum { PLACES = 10, MAX_POWER = 64, MAX_DEPTH = 32 };

static rk_str from(rk_str s, size_t at) { return at < s.n ? (rk_str){s.p + at, s.n - at} : (rk_str){"", 0}; }

/* ---- fractions ---- */

typedef __int128 wide;
struct frac { int64_t up, down; }; /* down > 0, lowest terms */

static wide gcd(wide a, wide b) {
  if (a < 0) a = -a;
  while (b) {
    wide r = a % b;
    a = b;
    b = r;
  }
  return a ? a : 1;
}

static bool make(wide up, wide down, struct frac *out) {
  if (down < 0) up = -up, down = -down;
  wide g = gcd(up, down), limit = 1000000000000000000;
  up /= g;
  down /= g;
  if (up > limit || up < -limit || down > limit) return false;
  *out = (struct frac){(int64_t)up, (int64_t)down};
  return true;
}

static bool add(struct frac a, struct frac b, struct frac *out) { return make((wide)a.up * b.down + (wide)b.up * a.down, (wide)a.down * b.down, out); }
static bool mul(struct frac a, struct frac b, struct frac *out) { return make((wide)a.up * b.up, (wide)a.down * b.down, out); }
static bool divide(struct frac a, struct frac b, struct frac *out) { return b.up && make((wide)a.up * b.down, (wide)a.down * b.up, out); }

/* "12.50" exactly. Its bytes, 0: none. */
static size_t decimal(rk_str s, struct frac *out) {
  wide up = 0, down = 1;
  size_t i = 0;
  int digits = 0;
  bool point = false;
  for (; i < s.n; i++) {
    if (s.p[i] == '.' && !point && i + 1 < s.n && s.p[i + 1] >= '0' && s.p[i + 1] <= '9') {
      point = true;
      continue;
    }
    if (s.p[i] < '0' || s.p[i] > '9') break;
    if (++digits > 17) return 0;
    up = up * 10 + (s.p[i] - '0');
    if (point) down *= 10;
  }
  return digits && make(up, down, out) ? i : 0;
}

static void print(struct frac v, struct rk_buf *out, bool *exact) {
  wide up = v.up < 0 ? -(wide)v.up : v.up, scale = 1;
  for (int i = 0; i < PLACES; i++) scale *= 10;
  wide scaled = up * scale, whole, part;
  *exact = scaled % v.down == 0;
  scaled = scaled / v.down + (scaled % v.down * 2 >= v.down && !*exact);
  whole = scaled / scale;
  part = scaled % scale;
  char digits[PLACES + 1];
  for (int i = PLACES; i-- > 0; part /= 10) digits[i] = (char)('0' + (int)(part % 10));
  int n = PLACES;
  while (n && digits[n - 1] == '0') n--;
  rk_buf_addf(out, "%s%lld%s%.*s", v.up < 0 ? "-" : "", (long long)whole, n ? "." : "", n, digits);
}

/* ---- expressions ---- */

struct reader { rk_str s; int depth; rk_err err; const char *why; };

static struct frac fail(struct reader *r, rk_err err, const char *why) {
  if (!r->err) r->err = err, r->why = why;
  return (struct frac){0, 1};
}

static void skip(struct reader *r) {
  while (r->s.n && r->s.p[0] == ' ') r->s = from(r->s, 1);
}

static bool eat(struct reader *r, const char *sign) {
  skip(r);
  if (!rk_str_starts(r->s, rk_str_c(sign))) return false;
  r->s = from(r->s, strlen(sign));
  return true;
}

static struct frac sum(struct reader *r);

static struct frac atom(struct reader *r) {
  struct frac v = {0, 1};
  if (++r->depth > MAX_DEPTH) return fail(r, RK_ETOOBIG, "the expression is nested too deep");
  if (eat(r, "-")) {
    v = atom(r);
    v.up = -v.up;
  } else if (eat(r, "(")) {
    v = sum(r);
    if (!eat(r, ")")) v = fail(r, RK_EFORMAT, "a ) is missing");
  } else {
    skip(r);
    size_t n = decimal(r->s, &v);
    if (!n) v = fail(r, RK_EFORMAT, "a number is missing");
    r->s = from(r->s, n);
  }
  if (!r->err && eat(r, "%") && !divide(v, (struct frac){100, 1}, &v)) v = fail(r, RK_ETOOBIG, "too many digits");
  r->depth--;
  return v;
}

static struct frac power(struct reader *r) {
  struct frac base = atom(r), out = {1, 1};
  if (r->err || !eat(r, "^")) return base;
  struct frac to = atom(r);
  if (r->err) return out;
  if (to.down != 1 || to.up < 0 || to.up > MAX_POWER) return fail(r, RK_EINVAL, "a power is a whole number from 0 to 64");
  for (int64_t i = 0; i < to.up; i++)
    if (!mul(out, base, &out)) return fail(r, RK_ETOOBIG, "too many digits");
  return out;
}

static struct frac product(struct reader *r) {
  struct frac v = power(r);
  while (!r->err) {
    bool times = eat(r, "*"), over = !times && eat(r, "/");
    if (!times && !over) break;
    struct frac w = power(r);
    if (r->err) break;
    if (over && w.up == 0) return fail(r, RK_EINVAL, "division by zero");
    if (!(times ? mul(v, w, &v) : divide(v, w, &v))) return fail(r, RK_ETOOBIG, "too many digits");
  }
  return v;
}

static struct frac sum(struct reader *r) {
  struct frac v = product(r);
  while (!r->err) {
    bool plus = eat(r, "+"), minus = !plus && eat(r, "-");
    if (!plus && !minus) break;
    struct frac w = product(r);
    if (minus) w.up = -w.up;
    if (!r->err && !add(v, w, &v)) return fail(r, RK_ETOOBIG, "too many digits");
  }
  return v;
}

rk_err rk_compute(rk_str expression, struct rk_buf *out, bool *exact, struct rk_error *e) {
  struct reader r = {.s = expression};
  struct frac v = sum(&r);
  skip(&r);
  if (!r.err && r.s.n) r.err = RK_EFORMAT, r.why = "something stands behind the expression";
  if (r.err) return rk_fail(e, r.err, "%s: %.*s", r.why, RK_STR_ARG(expression));
  print(v, out, exact);
  return out->err;
}

/* ---- from words ---- */

struct sign { const char *words, *sign; };
static const struct sign between[] = {
    {"加上|加|plus|+", "+"}, {"减去|减|minus|-", "-"}, {"乘以|乘|times|multiplied by|x|*|×", "*"}, {"除以|divided by|over|÷|/", "/"}, {"的|of", "of"}, {"^|to the power of", "^"}};

static size_t skip_space(rk_str s) { return s.n && s.p[0] == ' ' ? 1 : 0; }

/* A number, with % behind it or 百分之 before it. */
static size_t operand(rk_str s, struct rk_buf *out) {
  size_t lead = rk_words_starts(s, "百分之"), open = 0;
  while (!lead && open < s.n && s.p[open] == '(') open++;
  double v;
  size_t at = lead + open, n = rk_words_number(from(s, at), &v, NULL);
  if (!n || v > 1e15) return 0;
  for (size_t i = 0; i < open; i++) rk_buf_addc(out, '(');
  char text[40];
  snprintf(text, sizeof text, "%.10g", v);
  if (strchr(text, 'e')) snprintf(text, sizeof text, "%.0f", v);
  rk_buf_adds(out, text);
  at += n;
  size_t percent = rk_words_starts(from(s, at + skip_space(from(s, at))), "%|percent|per cent");
  if (percent) at += skip_space(from(s, at)) + percent;
  if (lead || percent) rk_buf_addc(out, '%');
  while (at < s.n && s.p[at] == ')') rk_buf_addc(out, s.p[at++]);
  return at;
}

static size_t operator(rk_str s, const char **sign) {
  size_t gap = skip_space(s);
  for (size_t i = 0; i < sizeof between / sizeof *between; i++) {
    size_t n = rk_words_starts(from(s, gap), between[i].words);
    if (!n && from(s, gap).n && strlen(between[i].sign) == 1 && from(s, gap).p[0] == between[i].sign[0]) n = 1;
    if (!n) continue;
    *sign = between[i].sign;
    return gap + n + skip_space(from(s, gap + n));
  }
  return 0;
}

/* The run of operands and signs that begins at s; its operands. */
static int run_of(rk_str s, struct rk_buf *out) {
  int operands = 0;
  const char *sign = NULL;
  for (;;) {
    size_t before = out->n, n = operand(s, out);
    if (!n) { /* the sign before led nowhere */
      out->n = before;
      return operands;
    }
    bool percent = out->n && out->p[out->n - 1] == '%';
    if (sign && strcmp(sign, "of") == 0 && !percent && operands == 1 && !memchr(out->p, '%', before)) return operands; /* "the 3 of 5" */
    operands++;
    s = from(s, n);
    n = operator(s, &sign);
    if (!n) return operands;
    rk_str rest = from(s, n);
    struct rk_buf probe;
    rk_buf_init(&probe, 256);
    bool goes_on = operand(rest, &probe) > 0;
    rk_buf_release(&probe);
    if (!goes_on) return operands;
    rk_buf_addf(out, " %s ", strcmp(sign, "of") == 0 ? "*" : sign);
    s = rest;
  }
}

bool rk_compute_find(rk_str words, struct rk_buf *expression) {
  for (size_t at = 0; at < words.n; at++) {
    if ((signed char)words.p[at] < -64) continue;
    bool inside = at > 0 && ((words.p[at - 1] >= '0' && words.p[at - 1] <= '9') || (words.p[at - 1] >= 'a' && words.p[at - 1] <= 'z'));
    size_t before = expression->n;
    if (!inside && run_of(from(words, at), expression) > 1 && !expression->err) {
      struct rk_buf value;
      struct rk_error e;
      bool exact;
      rk_buf_init(&value, 256);
      bool ok = rk_compute((rk_str){expression->p + before, expression->n - before}, &value, &exact, &e) == RK_OK;
      rk_buf_release(&value);
      if (ok) return true;
    }
    expression->n = before;
    if (expression->p) expression->p[before] = 0;
  }
  return false;
}

/* ---- units ---- */

enum dimension { LENGTH, MASS, VOLUME, AREA, DURATION, DATA, SPEED, TEMPERATURE };
struct unit { const char *words, *shown; enum dimension of; int64_t up, down; }; /* in the dimension's base */
static const struct unit units[] = {
    {"公里|千米|kilometers|kilometres|kilometer|kilometre|km", "km", LENGTH, 1000, 1}, {"米|meters|metres|meter|metre|m", "m", LENGTH, 1, 1},
    {"分米|dm", "dm", LENGTH, 1, 10}, {"厘米|centimeters|centimetres|centimeter|centimetre|cm", "cm", LENGTH, 1, 100},
    {"毫米|millimeters|millimetres|millimeter|millimetre|mm", "mm", LENGTH, 1, 1000}, {"里", "里", LENGTH, 500, 1}, {"英里|miles|mile|mi", "mi", LENGTH, 1609344, 1000},
    {"英尺|feet|foot|ft", "ft", LENGTH, 3048, 10000}, {"英寸|inches|inch", "in", LENGTH, 254, 10000}, {"码|yards|yard|yd", "yd", LENGTH, 9144, 10000},
    {"海里|nautical miles|nautical mile", "nmi", LENGTH, 1852, 1}, {"尺", "尺", LENGTH, 1, 3}, {"寸", "寸", LENGTH, 1, 30},
    {"吨|tonnes|tonne|tons|ton", "t", MASS, 1000000, 1}, {"公斤|千克|kilograms|kilogram|kilos|kilo|kg", "kg", MASS, 1000, 1}, {"斤", "斤", MASS, 500, 1}, {"两", "两", MASS, 50, 1},
    {"克|grams|gram|g", "g", MASS, 1, 1}, {"毫克|milligrams|milligram|mg", "mg", MASS, 1, 1000}, {"磅|pounds|pound|lbs|lb", "lb", MASS, 45359237, 100000},
    {"盎司|ounces|ounce|oz", "oz", MASS, 28349523125, 1000000000},
    {"升|公升|liters|litres|liter|litre|l", "L", VOLUME, 1000, 1}, {"毫升|milliliters|millilitres|milliliter|millilitre|ml", "mL", VOLUME, 1, 1},
    {"立方米|cubic meters|cubic metres|m3|m³", "m³", VOLUME, 1000000, 1}, {"加仑|gallons|gallon|gal", "gal", VOLUME, 3785411784, 1000000},
    {"平方公里|平方千米|square kilometers|square kilometres|km2|km²", "km²", AREA, 1000000, 1}, {"平方米|平米|square meters|square metres|m2|m²", "m²", AREA, 1, 1},
    {"公顷|hectares|hectare|ha", "ha", AREA, 10000, 1}, {"亩|mu", "亩", AREA, 2000, 3}, {"英亩|acres|acre", "acre", AREA, 40468564224, 10000000},
    {"平方英尺|square feet|square foot|sq ft", "ft²", AREA, 9290304, 100000000},
    {"星期|周|weeks|week", "week", DURATION, 604800, 1}, {"天|日|days|day", "day", DURATION, 86400, 1}, {"小时|个小时|钟头|hours|hour|h", "h", DURATION, 3600, 1},
    {"分钟|分|minutes|minute|min", "min", DURATION, 60, 1}, {"秒|秒钟|seconds|second|s", "s", DURATION, 1, 1},
    {"tb|terabytes|terabyte", "TB", DATA, 1000000000000, 1}, {"gb|gigabytes|gigabyte", "GB", DATA, 1000000000, 1}, {"mb|megabytes|megabyte", "MB", DATA, 1000000, 1},
    {"kb|kilobytes|kilobyte", "kB", DATA, 1000, 1}, {"字节|bytes|byte", "B", DATA, 1, 1},
    {"公里每小时|千米每小时|km/h|kmh|kilometers per hour|kilometres per hour", "km/h", SPEED, 10, 36}, {"米每秒|m/s|meters per second|metres per second", "m/s", SPEED, 1, 1},
    {"英里每小时|mph|miles per hour", "mph", SPEED, 44704, 100000},
    {"摄氏度|度|℃|°c|degrees celsius|celsius|c", "°C", TEMPERATURE, 1, 1}, {"华氏度|华氏|℉|°f|degrees fahrenheit|fahrenheit|f", "°F", TEMPERATURE, 1, 1}};

static const struct unit *unit_at(rk_str s, size_t *n) {
  const struct unit *best = NULL;
  *n = 0;
  for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
    size_t m = rk_words_starts(s, units[i].words);
    if (m > *n) *n = m, best = &units[i];
  }
  return best;
}

static bool convert(struct frac v, const struct unit *a, const struct unit *b, struct frac *out) {
  if (a->of != TEMPERATURE) return mul(v, (struct frac){a->up, a->down}, &v) && divide(v, (struct frac){b->up, b->down}, out);
  if (a == b) return *out = v, true;
  bool to_c = strcmp(b->shown, "°C") == 0;
  if (to_c) return add(v, (struct frac){-32, 1}, &v) && mul(v, (struct frac){5, 9}, out);
  return mul(v, (struct frac){9, 5}, &v) && add(v, (struct frac){32, 1}, out);
}

/* A number with a unit: "5 km", "一公里"; where it ends. */
static size_t measure(rk_str s, struct frac *v, const struct unit **unit) {
  double d;
  size_t n = decimal(s, v);
  if (!n || rk_words_number(s, &d, NULL) > n) { /* 1.5k, 三百 */
    n = rk_words_number(s, &d, NULL);
    if (!n || d > 1e12 || !make((wide)(d * 10000 + (d < 0 ? -0.5 : 0.5)), 10000, v)) return 0;
  }
  size_t m, gap = skip_space(from(s, n));
  *unit = unit_at(from(s, n + gap), &m);
  return *unit ? n + gap + m : 0;
}

static const struct unit *wanted_unit(rk_str s, const struct unit *a) {
  static const char leads[] = "多少|几|等于|换算成|换成|转成|合|是|in|to|into|how many|equals|as";
  for (size_t at = 0; at < s.n; at++) {
    if ((signed char)s.p[at] < -64) continue;
    size_t n = rk_words_starts(from(s, at), leads), m;
    const struct unit *b = n ? unit_at(from(s, at + n + skip_space(from(s, at + n))), &m) : NULL;
    if (b && b->of == a->of && b != a) return b;
  }
  return NULL;
}

bool rk_compute_units(rk_str words, struct rk_buf *out) {
  for (size_t at = 0; at < words.n; at++) {
    if ((signed char)words.p[at] < -64) continue;
    bool inside = at > 0 && ((words.p[at - 1] >= '0' && words.p[at - 1] <= '9') || words.p[at - 1] == '.' || (words.p[at - 1] >= 'a' && words.p[at - 1] <= 'z'));
    struct frac v, w;
    const struct unit *a = NULL, *b;
    size_t n = inside ? 0 : measure(from(words, at), &v, &a);
    if (!n || !(b = wanted_unit(from(words, at + n), a)) ) b = n ? wanted_unit((rk_str){words.p, at}, a) : NULL;
    if (!b || !convert(v, a, b, &w)) continue;
    bool exact;
    print(v, out, &exact);
    rk_buf_addf(out, " %s ", a->shown);
    struct rk_buf value;
    rk_buf_init(&value, 64);
    print(w, &value, &exact);
    rk_buf_addf(out, "%s %s %s", exact ? "=" : "≈", value.p ? value.p : "", b->shown);
    rk_buf_release(&value);
    return !out->err;
  }
  return false;
}
