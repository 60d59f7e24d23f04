#include "chat/draft.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

enum { PLACES_MAX = 400, AGREE_MIN = 3, AGREE_MAX = 96, NEAR = 400, NEAR_BONUS = 6, HEADS = 65536, LENGTHS = RK_DRAFT_CERTAIN / 2 };

void rk_draft_odds(float odds[RK_DRAFT_KINDS]) {
  static const float first[RK_DRAFT_KINDS] = {0.2f, 0.1f, 0.4f, 0.2f, 0.5f, 0.3f, 0.65f, 0.4f, 0.8f, 0.5f, 0.9f, 0.65f, 0.95f, 0.8f, 0.97f, 0.5f};
  memcpy(odds, first, sizeof first);
}

void rk_draft_init(struct rk_draft *d, const struct rk_model *m, const int32_t *tokens, int32_t n, int32_t cap) {
  *d = (struct rk_draft){.model = m, .cap = cap, .copied = -1};
  rk_draft_odds(d->odds);
  d->heads = malloc(HEADS * sizeof *d->heads);
  d->start = malloc(((size_t)cap + 1) * sizeof *d->start);
  if (!d->heads || !d->start) {
    rk_draft_release(d);
    return;
  }
  memset(d->heads, 0xff, HEADS * sizeof *d->heads);
  d->start[0] = 0;
  for (int32_t i = 0; i < n; i++) rk_draft_add(d, tokens[i]);
}

void rk_draft_release(struct rk_draft *d) {
  free(d->heads);
  free(d->start);
  free(d->text);
  free(d->earlier);
  *d = (struct rk_draft){0};
}

static bool room(struct rk_draft *d, size_t n) {
  if (n <= d->cap_bytes) return true;
  size_t cap = 2 * n + 1024;
  char *text = realloc(d->text, cap);
  if (text) d->text = text;
  int32_t *earlier = text ? realloc(d->earlier, cap * sizeof *earlier) : NULL;
  if (!earlier) return false;
  d->earlier = earlier;
  d->cap_bytes = cap;
  return true;
}

static int32_t *head_of(struct rk_draft *d, int32_t end) {
  return &d->heads[(uint8_t)d->text[end - 2] << 8 | (uint8_t)d->text[end - 1]];
}

static void judge(struct rk_draft *d, int32_t token) {
  int32_t i = d->n - d->at;
  if (!d->at || i >= d->guess.n) return;
  bool right = d->guess.ids[i] == token;
  float *odds = &d->odds[d->guess.kinds[i]];
  *odds += ((right ? 1.0f : 0.0f) - *odds) / 12;
  if (!right) d->at = 0;
  else if (d->place >= 0) d->copied = d->place += (int32_t)rk_token_bytes(d->model, token).n;
}

void rk_draft_add(struct rk_draft *d, int32_t token) {
  if (!d->heads || d->n >= d->cap) return;
  judge(d, token);
  rk_str bytes = rk_token_is_special(d->model, token) ? RK_STR("\0") : rk_token_bytes(d->model, token);
  int32_t from = d->start[d->n];
  if (!room(d, (size_t)from + bytes.n)) {
    rk_draft_release(d);
    return;
  }
  memcpy(d->text + from, bytes.p, bytes.n);
  for (int32_t i = from; i < from + (int32_t)bytes.n; i++) {
    if (i == 0) continue;
    int32_t *head = head_of(d, i + 1);
    d->earlier[i] = *head;
    *head = i;
  }
  d->start[++d->n] = from + (int32_t)bytes.n;
}

void rk_draft_cut(struct rk_draft *d, int32_t n) {
  if (!d->heads || n >= d->n) return;
  for (int32_t i = d->start[d->n]; i-- > d->start[n] && i > 0;) *head_of(d, i + 1) = d->earlier[i];
  d->n = n;
  d->at = 0;
  d->copied = -1;
}

rk_str rk_draft_text(const struct rk_draft *d) { return (rk_str){d->text, d->heads ? (size_t)d->start[d->n] : 0}; }

/* How many bytes before and with i equal those before and with the last one. A word from its beginning counts as two more. */
static int32_t agree(const struct rk_draft *d, int32_t i, int32_t last) {
  int32_t n = 0;
  while (n <= i && n < AGREE_MAX && d->text[i - n] && d->text[i - n] == d->text[last - n]) n++;
  bool begins = n > 0 && rk_utf8_in_word(d->text[i - n + 1]) && (n > i || !rk_utf8_in_word(d->text[i - n])) && !rk_utf8_in_word(d->text[last - n]);
  return n + 2 * begins;
}

static int length_of(int32_t agreed) {
  static const int32_t least[LENGTHS] = {0, 4, 6, 9, 14, 21, 33};
  int k = LENGTHS - 1;
  while (agreed < least[k]) k--;
  return k;
}

/* Guesses after an agreement, by its length; a sign, where a copy often ends, apart from words. */
static uint8_t kind_of(int32_t agreed, rk_str bytes) {
  bool sign = bytes.n > 0 && !rk_utf8_in_word(bytes.p[bytes.n > 1 && bytes.p[0] == ' ']);
  return (uint8_t)(RK_DRAFT_AGREED + 2 * length_of(agreed) + sign);
}

static void follow(const struct rk_draft *d, int32_t token, int32_t agreed, struct rk_guess *g) {
  rk_str bytes = rk_token_bytes(d->model, token);
  g->ids[g->n] = token;
  g->kinds[g->n++] = kind_of(agreed, bytes);
}

/* The token that holds a place. */
static int32_t token_at(const struct rk_draft *d, int32_t place) {
  int32_t low = 0, high = d->n - 1;
  while (low < high) {
    int32_t mid = (low + high + 1) / 2;
    if (d->start[mid] <= place) low = mid;
    else high = mid - 1;
  }
  return low;
}

static void copy_from(const struct rk_draft *d, const int32_t *tokens, int32_t place, int32_t agreed, struct rk_guess *g) {
  int32_t t = token_at(d, place), from = place, ids[RK_DRAFT_MAX];
  g->n = 0;
  if (d->start[t] < place) { /* in the middle of a token: what is left of it */
    int32_t n = rk_tokenize(d->model, (rk_str){d->text + place, (size_t)(d->start[t + 1] - place)}, false, ids, RK_DRAFT_MAX);
    if (n < 0 || n > RK_DRAFT_MAX) return;
    for (int32_t i = 0; i < n; i++) follow(d, ids[i], agreed + d->start[t] - from, g);
    t++;
  }
  for (; t < d->n && g->n < RK_DRAFT_MAX; t++) follow(d, tokens[t], agreed + d->start[t] - from, g);
}

/* Agreement in bytes, and how near it is behind what was copied last. */
static int32_t score(const struct rk_draft *d, int32_t place, int32_t agreed) {
  int32_t behind = place - d->copied;
  bool near = d->copied >= 0 && behind >= 0 && behind < NEAR;
  return agreed * NEAR + (near ? NEAR_BONUS * NEAR - behind : 0);
}

/* Where the text goes on as it may go on now; -1: nowhere. */
static int32_t best_place(const struct rk_draft *d, int32_t *agreed) {
  const int32_t last = d->start[d->n] - 1;
  int32_t best = -1, most = 0, places = 0;
  for (int32_t i = last > 0 ? d->earlier[last] : -1; i >= 0 && places < PLACES_MAX; i = d->earlier[i], places++) {
    int32_t n = agree(d, i, last);
    if (n < AGREE_MIN || score(d, i + 1, n) <= most) continue;
    best = i + 1, most = score(d, best, n), *agreed = n;
    if (n >= AGREE_MAX) break;
  }
  return best;
}

void rk_draft_look_at(const struct rk_draft *d, const int32_t *tokens, int32_t place, struct rk_guess *g) {
  copy_from(d, tokens, place, 0, g);
  for (int32_t i = 0; i < g->n; i++) g->kinds[i] = RK_DRAFT_FITS;
}

int32_t rk_draft_look(const struct rk_draft *d, const int32_t *tokens, struct rk_guess *g) {
  int32_t agreed = 0, place = d->heads && d->n > 0 ? best_place(d, &agreed) : -1;
  g->n = 0;
  if (place >= 0) copy_from(d, tokens, place, agreed, g);
  return place;
}

void rk_draft_keep(struct rk_draft *d, const struct rk_guess *g, int32_t place, float odds[RK_DRAFT_MAX]) {
  d->guess = *g;
  d->place = place;
  d->at = g->n > 0 ? d->n : 0;
  for (int32_t i = 0; i < g->n; i++) odds[i] = d->odds[g->kinds[i]];
}
