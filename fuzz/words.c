/* The reader of the user's words: whatever is said, numbers, dates, limits and addresses are read within the text and
 * stay in their ranges. First byte: the time of day; the rest: the sentence. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "agent/intent.h"
#include "agent/pick.h"
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

/* The words against an offer that says the first half of them, and one that says the second: what is left out is named in UTF-8. */
static void check_fit(rk_str said, rk_str normal) {
  static char first[MAX_TEXT + 1], second[MAX_TEXT + 1], words[MAX_TEXT + 1];
  size_t half = rk_utf8_complete((rk_str){said.p, said.n / 2});
  struct rk_arena *a = rk_arena_new(1 << 20);
  struct rk_intent in;
  struct rk_picked p;
  if (!a) return;
  snprintf(first, sizeof first, "%.*s", (int)half, said.p);
  snprintf(second, sizeof second, "%.*s", (int)(said.n - half), said.p + half);
  snprintf(words, sizeof words, "%.*s", (int)said.n, said.p);
  struct rk_option size = {"size", "42"};
  const char *label = "42码";
  struct rk_offer offers[2] = {{.title = first, .description = second}, {.title = second, .description = "", .options = &size, .option_labels = &label, .n_options = 1}};
  for (int i = 0; i < 2; i++) {
    struct rk_offer *o = &offers[i];
    o->shop_id = o->shop_name = o->origin = "s";
    o->product_id = o->item_id = i ? "1" : "2";
    o->unit_price = (struct rk_money){100, "CNY"};
    o->stock = -1;
    o->relevance = -1;
    o->plain = true;
  }
  rk_intent_read(said, 1763860000000, &in);
  rk_pick_relevance(offers, 2, normal);
  rk_pick_demands(&in, &(struct rk_demands){words, normal, normal, &size, 1}, offers, 2, a);
  for (int i = 0; i < 2; i++) RK_ASSERT(!offers[i].unsaid || (offers[i].unsaid[0] && rk_utf8_valid(rk_str_c(offers[i].unsaid))));
  rk_pick(&in, offers, 2, NULL, &p);
  RK_ASSERT(p.n_shown >= 0 && p.n_shown <= 2);
  rk_arena_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 1) return 0;
  rk_str said = {(const char *)data + 1, size - 1 < MAX_TEXT ? size - 1 : MAX_TEXT};
  if (!rk_utf8_valid(said)) return 0; /* agent.c takes nothing else */
  int64_t now_ms = 1763860000000 + (int64_t)data[0] * 3600000 * 37;
  struct rk_buf normal;
  rk_buf_init(&normal, 8 * MAX_TEXT);
  if (rk_words_normal(&normal, said) == RK_OK) {
    check_words(rk_buf_str(&normal), now_ms);
    check_fit(said, rk_buf_str(&normal));
  }
  rk_buf_release(&normal);
  check_intent(said, now_ms);
  check_address(said);
  return 0;
}
