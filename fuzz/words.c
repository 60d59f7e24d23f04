/* The reader of the user's words: whatever is said, numbers, dates, limits and addresses are read within the text and
 * stay in their ranges. First byte: the time of day; the rest: the sentence. */
#include <stdint.h>
#include <string.h>

#include "agent/intent.h"
#include "agent/words.h"
#include "base/limits.h"
#include "base/utf8.h"

enum { MAX_TEXT = 4096 };

static void check_intent(rk_str said, int64_t now_ms) {
  struct rk_intent in;
  rk_intent_read(said, now_ms, &in);
  RK_ASSERT(in.quantity >= 0 && in.quantity <= RK_MAX_QUANTITY);
  RK_ASSERT(in.max_minor >= 0 && in.min_minor >= 0 && in.about_minor >= 0);
  struct rk_buf out;
  rk_buf_init(&out, 1 << 20);
  rk_intent_text(&in, &out);
  rk_buf_clear(&out);
  if (rk_intent_measures(&out, said) == RK_OK) RK_ASSERT(rk_utf8_valid(rk_buf_str(&out)));
  rk_buf_clear(&out);
  if (rk_intent_clean_query(&out, said) == RK_OK) RK_ASSERT(rk_utf8_valid(rk_buf_str(&out)));
  rk_buf_release(&out);
}

/* Every hit lies inside the text and moves on. */
static void check_words(rk_str said, int64_t now_ms) {
  for (size_t from = 0; from < said.n; from++) {
    struct rk_amount amount;
    size_t at, n;
    if (rk_words_amount(said, from, &amount)) RK_ASSERT(amount.n > 0 && amount.at + amount.n > from && amount.at + amount.n <= said.n);
    if (rk_words_measure(said, from, &at, &n)) RK_ASSERT(at >= from && at + n <= said.n);
    if (from % 64 == 63) break; /* quadratic otherwise */
  }
  struct rk_measure demands[4];
  int32_t n_demands = rk_intent_demands(said, demands, 4);
  for (int32_t i = 0; i < n_demands; i++) RK_ASSERT(demands[i].n > 0 && demands[i].at + demands[i].n <= said.n);
  char day[11];
  size_t at, n;
  if (rk_dates_find(said, now_ms, day, &at, &n)) RK_ASSERT(strlen(day) == 10 && at + n <= said.n);
}

static void check_address(rk_str said) {
  struct rk_address_text a;
  if (!rk_address_read(said, &a)) return;
  RK_ASSERT(a.street[0]);
  RK_ASSERT(memchr(a.street, 0, sizeof a.street) && memchr(a.name, 0, sizeof a.name) && memchr(a.phone, 0, sizeof a.phone) && memchr(a.city, 0, sizeof a.city));
  RK_ASSERT(rk_utf8_valid(rk_str_c(a.street)) && rk_utf8_valid(rk_str_c(a.name)) && rk_utf8_valid(rk_str_c(a.city)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 1) return 0;
  rk_str said = {(const char *)data + 1, size - 1 < MAX_TEXT ? size - 1 : MAX_TEXT};
  if (!rk_utf8_valid(said)) return 0; /* agent.c takes nothing else */
  int64_t now_ms = 1763860000000 + (int64_t)data[0] * 3600000 * 37;
  struct rk_buf normal;
  rk_buf_init(&normal, 8 * MAX_TEXT);
  if (rk_words_normal(&normal, said) == RK_OK) check_words(rk_buf_str(&normal), now_ms);
  rk_buf_release(&normal);
  check_intent(said, now_ms);
  check_address(said);
  return 0;
}
