#include "agent/split.h"

#include "base/utf8.h"

static const char joints[] = "和|与|跟|以及|还有|外加|再加|加上|再来|再买|另外|并|、|,|，|;|；|。| and | plus | with | also | as well as |&|\n";
static const char clause_ends[] = ",|，|。|;|；|!|！|?|？|\n|. ";

static rk_str cut(rk_str s, size_t from, size_t to) { return from < to && to <= s.n ? (rk_str){s.p + from, to - from} : (rk_str){"", 0}; }
static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

/* Bytes that stand alike at a and b, whole code points. */
static size_t alike(rk_str a, rk_str b) {
  size_t n = 0;
  while (n < a.n && n < b.n && a.p[n] == b.p[n]) n++;
  while (n > 0 && n < a.n && (signed char)a.p[n] < -64) n--;
  return n;
}

bool rk_split_find(rk_str said, rk_str name, size_t *at, size_t *n) {
  *n = 0;
  for (size_t i = 0; i < name.n; i++) {
    bool word_start = !is_letter(name.p[i]) || i == 0 || !is_letter(name.p[i - 1]);
    if ((signed char)name.p[i] < -64 || name.p[i] == ' ' || !word_start) continue;
    for (size_t k = 0; k < said.n; k++) {
      if ((signed char)said.p[k] < -64 || (is_letter(said.p[k]) && k > 0 && is_letter(said.p[k - 1]))) continue;
      size_t m = alike(cut(name, i, name.n), cut(said, k, said.n));
      while (m && name.p[i + m - 1] == ' ') m--;
      size_t least = is_letter(name.p[i]) ? (name.n - i < 4 ? name.n - i : 4) : name.n < 6 ? name.n : 6;
      if (m >= least && m > *n) *n = m, *at = k;
    }
  }
  return *n > 0;
}

/* Where the part of the later name begins: at the last joint before it; without any, right behind the earlier one. */
static size_t border(rk_str said, size_t end, size_t next) {
  size_t n = 0, best = end;
  for (size_t at = end; at < next;) {
    ptrdiff_t hit = rk_words_find(cut(said, at, next), joints, &n);
    if (hit < 0) break;
    best = at + (size_t)hit;
    at = best + n;
  }
  return best;
}

void rk_split(rk_str said, const rk_str *names, int32_t n, struct rk_part out[]) {
  for (int32_t i = 0; i < n; i++) {
    out[i] = (struct rk_part){.n = said.n};
    out[i].named = names[i].n && rk_split_find(said, names[i], &out[i].name_at, &out[i].name_n);
  }
  for (int32_t i = 0; i < n; i++) {
    if (!out[i].named) continue;
    const struct rk_part *before = NULL, *after = NULL;
    for (int32_t k = 0; k < n; k++) {
      if (!out[k].named || k == i) continue;
      if (out[k].name_at < out[i].name_at && (!before || out[k].name_at > before->name_at)) before = &out[k];
      if (out[k].name_at > out[i].name_at && (!after || out[k].name_at < after->name_at)) after = &out[k];
    }
    size_t begin = before ? border(said, before->name_at + before->name_n, out[i].name_at) : 0;
    size_t end = after ? border(said, out[i].name_at + out[i].name_n, after->name_at) : said.n;
    out[i].at = begin;
    out[i].n = end - begin;
  }
}

static size_t clause_begin(rk_str said, size_t at) {
  size_t begin = 0, n;
  for (size_t p = 0; p < at;) {
    ptrdiff_t hit = rk_words_find(cut(said, p, at), clause_ends, &n);
    if (hit < 0) break;
    p += (size_t)hit + n;
    begin = p;
  }
  return begin;
}

int32_t rk_split_owner(rk_str said, const struct rk_limit *limit, int32_t n_limits, const struct rk_part *parts, int32_t n, bool alike_parts) {
  if (limit->joint) return -1;
  size_t begin = clause_begin(said, limit->at), stop_n;
  ptrdiff_t stop = rk_words_find(cut(said, limit->at, said.n), clause_ends, &stop_n);
  size_t end = stop < 0 ? said.n : limit->at + (size_t)stop;
  int32_t before = -1, behind = -1, earlier = -1;
  for (int32_t i = 0; i < n; i++) {
    if (!parts[i].named) continue;
    size_t at = parts[i].name_at;
    if (at < begin) earlier = earlier < 0 || at >= parts[earlier].name_at ? i : earlier;
    else if (at < limit->at) before = before < 0 || at >= parts[before].name_at ? i : before;
    else if (at < end) behind = behind < 0 || at < parts[behind].name_at ? i : behind;
  }
  if (before >= 0) { /* "a pot under 50 and a lid": but "a pot and a 50 yuan lid" has the joint between */
    if (behind >= 0 && rk_words_has(cut(said, parts[before].name_at + parts[before].name_n, limit->at), joints)) return behind;
    return before;
  }
  if (behind >= 0) return behind;
  if (alike_parts && n_limits == 1 && !limit->each) return -1;
  return earlier;
}
