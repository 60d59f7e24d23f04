#include "agent/answer.h"

#include <string.h>

#include "agent/words.h"
#include "base/utf8.h"

enum { KNOWN_BYTES = 1 << 20, TEXT_BYTES = 1 << 20, LONG_SENTENCE = 600, MAX_AMOUNTS = 512, LONG_NUMBER = 6 };

void rk_answer_init(struct rk_answer *a, void (*emit)(void *, rk_str), void *ud) {
  memset(a, 0, sizeof *a);
  rk_buf_init(&a->known, KNOWN_BYTES);
  rk_buf_init(&a->pending, TEXT_BYTES);
  rk_buf_init(&a->text, TEXT_BYTES);
  a->emit = emit;
  a->ud = ud;
}

void rk_answer_release(struct rk_answer *a) {
  rk_buf_release(&a->known);
  rk_buf_release(&a->pending);
  rk_buf_release(&a->text);
}

static void know_amount(struct rk_answer *a, int64_t minor) {
  if (a->n_amounts < MAX_AMOUNTS) a->amounts[a->n_amounts++] = minor < 0 ? -minor : minor;
}

static bool knows(const struct rk_answer *a, int64_t minor) {
  for (int32_t i = 0; i < a->n_amounts; i++)
    if (a->amounts[i] == minor) return true;
  return false;
}

void rk_answer_know_text(struct rk_answer *a, rk_str text) {
  size_t begin = a->known.n;
  if (rk_words_normal(&a->known, text) || rk_buf_addc(&a->known, '\n')) return;
  rk_str s = {a->known.p + begin, a->known.n - begin};
  struct rk_amount m;
  for (size_t at = 0; rk_words_amount(s, at, &m); at = m.at + m.n) know_amount(a, m.minor);
}

void rk_answer_know_result(struct rk_answer *a, const json_t *v) {
  const char *key;
  json_t *item;
  size_t i;
  void *it;
  if (json_is_string(v)) rk_answer_know_text(a, (rk_str){json_string_value(v), json_string_length(v)});
  else if (json_is_array(v)) for (i = 0; i < json_array_size(v); i++) rk_answer_know_result(a, json_array_get(v, i));
  else if (json_is_object(v))
    for (it = json_object_iter((json_t *)(uintptr_t)v); it; it = json_object_iter_next((json_t *)(uintptr_t)v, it)) {
      key = json_object_iter_key(it);
      item = json_object_iter_value(it);
      if (json_is_integer(item) && rk_str_ends(rk_str_c(key), RK_STR("_minor"))) know_amount(a, json_integer_value(item));
      else rk_answer_know_result(a, item);
    }
}

static bool long_numbers_known(const struct rk_answer *a, rk_str s) {
  for (size_t i = 0; i < s.n;) {
    size_t n = 0;
    while (i + n < s.n && s.p[i + n] >= '0' && s.p[i + n] <= '9') n++;
    if (n >= LONG_NUMBER && rk_str_find(rk_buf_str(&a->known), (rk_str){s.p + i, n}) < 0) return false;
    i += n ? n : 1;
  }
  return true;
}

static bool may_pass(const struct rk_answer *a, rk_str sentence) {
  struct rk_buf normal;
  rk_buf_init(&normal, TEXT_BYTES);
  bool ok = rk_words_normal(&normal, sentence) == RK_OK;
  rk_str s = rk_buf_str(&normal);
  struct rk_amount m;
  for (size_t at = 0; ok && rk_words_amount(s, at, &m); at = m.at + m.n)
    if (m.currency[0]) ok = knows(a, m.minor);
  if (ok && a->strict) ok = long_numbers_known(a, s);
  rk_buf_release(&normal);
  return ok;
}

static void pass(struct rk_answer *a, size_t n) {
  rk_str sentence = {a->pending.p, n};
  if (a->code || may_pass(a, sentence)) {
    rk_buf_addstr(&a->text, sentence);
    a->emit(a->ud, sentence);
  } else {
    a->n_dropped++;
  }
  if (rk_str_find(sentence, RK_STR("```")) >= 0) a->code = !a->code;
  memmove(a->pending.p, a->pending.p + n, a->pending.n - n);
  a->pending.n -= n;
  if (a->pending.p) a->pending.p[a->pending.n] = 0;
}

/* Bytes of the first whole sentence, 0: not there yet. */
static size_t sentence_end(rk_str s) {
  static const char *const marks[] = {"。", "！", "？", "；", "\n"};
  size_t best = 0;
  for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
    ptrdiff_t at = rk_str_find(s, rk_str_c(marks[i]));
    size_t end = (size_t)at + strlen(marks[i]);
    if (at >= 0 && (best == 0 || end < best)) best = end;
  }
  for (size_t i = 0; i + 1 < s.n && (best == 0 || i + 1 < best); i++)
    if ((s.p[i] == '.' || s.p[i] == '!' || s.p[i] == '?') && s.p[i + 1] == ' ') best = i + 2;
  if (best == 0 && s.n > LONG_SENTENCE) best = rk_utf8_complete(s);
  return best;
}

void rk_answer_feed(struct rk_answer *a, rk_str delta) {
  rk_buf_addstr(&a->pending, delta);
  for (size_t n; (n = sentence_end(rk_buf_str(&a->pending)));) pass(a, n);
}

void rk_answer_end(struct rk_answer *a) {
  if (a->pending.n) pass(a, a->pending.n);
}

bool rk_answer_names(const struct rk_answer *a, int64_t minor) {
  struct rk_buf normal;
  rk_buf_init(&normal, TEXT_BYTES);
  bool found = false;
  struct rk_amount m;
  if (rk_words_normal(&normal, rk_buf_str(&a->text)) == RK_OK)
    for (size_t at = 0; !found && rk_words_amount(rk_buf_str(&normal), at, &m); at = m.at + m.n) found = m.minor == minor;
  rk_buf_release(&normal);
  return found;
}
