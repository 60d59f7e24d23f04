/* automaton_number.c - numbers between bounds, digit by digit: a digit is taken
 * when some number that goes on from there lies between the bounds. */
#include "chat/automaton_nodes.h"

enum { START, MINUS, INT, POINT, FRACTION };
enum { INT_DIGITS = 18, DECIMALS = 17 };
typedef __int128 wide;
static const int64_t unit = 1000000000000000000; /* 10^18: units of a number that is no integer */

static wide value_of(const struct rk_fsm_frame *f) { return (wide)((unsigned __int128)f->high << 64 | f->low); }
static void set_value(struct rk_fsm_frame *f, wide v) {
  f->high = (uint64_t)((unsigned __int128)v >> 64);
  f->low = (uint64_t)v;
}

/* Whether a magnitude in from..to, with this sign, is allowed. Zero has no sign. */
static bool overlaps(const struct rk_number *n, bool negative, wide from, wide to) {
  wide low = negative ? -n->high : n->low, high = negative ? -n->low : n->high;
  if (low < (negative ? 1 : 0)) low = negative ? 1 : 0;
  if (from > low) low = from;
  if (to < high) high = to;
  if (n->multiple > 1) {
    low = (low + n->multiple - 1) / n->multiple * n->multiple;
    if (negative && low == 0) low = n->multiple;
  }
  return low <= high;
}

static bool int_leads_on(const struct rk_number *n, bool negative, wide v, int32_t digits) {
  const wide scale = n->integer ? 1 : unit;
  const int32_t most = v == 0 ? digits : INT_DIGITS;
  wide ten = 1;
  for (; digits <= most; digits++, ten *= 10)
    if (overlaps(n, negative, v * ten * scale, (v * ten + ten) * scale - 1)) return true;
  return false;
}

bool rk_fsm_number_ends(const struct rk_number *n, const struct rk_fsm_frame *f) {
  wide v = value_of(f);
  if (f->phase == INT) v *= n->integer ? 1 : unit;
  else if (f->phase != FRACTION || f->pad) return false; /* shortest: no zero at the end */
  return overlaps(n, f->negative, v, v);
}

static bool take_int_digit(const struct rk_number *n, struct rk_fsm_frame *f, int digit) {
  wide v = value_of(f);
  if (f->phase == INT && (v == 0 || f->digits >= INT_DIGITS)) return false;
  v = v * 10 + digit;
  if (!int_leads_on(n, f->negative, v, f->digits + 1)) return false;
  if (n->integer && f->negative && v == 0) return false;
  f->phase = INT;
  f->digits++;
  set_value(f, v);
  return true;
}

static bool take_decimal(const struct rk_number *n, struct rk_fsm_frame *f, int digit) {
  if (f->digits >= DECIMALS) return false;
  wide step = unit / 10;
  for (int i = 0; i < f->digits; i++) step /= 10;
  wide v = value_of(f) + digit * step;
  if (!digit && f->digits + 1 >= DECIMALS) return false;
  wide from = digit ? v : v + 10, to = digit ? v + step - 1 : v + step - 10; /* a zero is never the last digit */
  if (from > to || !overlaps(n, f->negative, from, to)) return false;
  f->phase = FRACTION;
  f->digits++;
  f->pad = digit == 0;
  set_value(f, v);
  return true;
}

static bool take_point(const struct rk_number *n, struct rk_fsm_frame *f) {
  if (n->integer || f->phase != INT) return false;
  wide v = value_of(f) * unit;
  if (!overlaps(n, f->negative, v + 10, v + unit - 10)) return false;
  set_value(f, v);
  f->phase = POINT;
  f->digits = 0;
  return true;
}

bool rk_fsm_number_step(const struct rk_number *n, struct rk_fsm_frame *f, uint8_t byte) {
  if (byte == '-') {
    if (f->phase != START || !overlaps(n, true, 1, ((wide)1 << 126))) return false;
    f->phase = MINUS;
    f->negative = 1;
    return true;
  }
  if (byte == '.') return take_point(n, f);
  if (byte < '0' || byte > '9') return false;
  return f->phase <= INT ? take_int_digit(n, f, byte - '0') : take_decimal(n, f, byte - '0');
}

bool rk_number_exists(const struct rk_number *n) {
  struct rk_fsm_frame f = {.phase = START};
  for (int x = '0'; x <= '9'; x++) {
    struct rk_fsm_frame t = f;
    if (rk_fsm_number_step(n, &t, (uint8_t)x)) return true;
  }
  return rk_fsm_number_step(n, &f, '-');
}
