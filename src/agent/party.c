#include "agent/party.h"

#include <string.h>

static rk_str from(rk_str s, size_t at) { return at < s.n ? (rk_str){s.p + at, s.n - at} : (rk_str){"", 0}; }

enum who { NOBODY, ADULTS, CHILDREN, PEOPLE };

/* What the number counts. */
static enum who counted(rk_str right) {
  static const struct { const char *words; enum who who; } table[] = {
      {"大人|个大人|位大人|名大人|成人|个成人|位成人|名成人|大|adults|adult|grown-ups|grownups", ADULTS},
      {"小孩|个小孩|孩子|个孩子|儿童|个儿童|名儿童|娃|个娃|小朋友|个小朋友|小|children|child|kids|kid", CHILDREN},
      {"人|个人|口人|口|位|people|persons|person|travellers|travelers|passengers|of us|guests", PEOPLE}};
  static const char others[] = "大衣|大号|小号|小时|人民|人间|人份|人用|小瓶|大瓶|小杯|大杯|小包|大包|大盒|小盒|位置|人的|人帐|大箱|小箱|大袋|小袋|大桶|小桶";
  rk_str word = right.n && right.p[0] == ' ' ? from(right, 1) : right;
  for (size_t i = 0; i < sizeof table / sizeof *table; i++)
    if (rk_words_starts(word, table[i].words) && !rk_words_starts(word, others)) return table[i].who;
  return NOBODY;
}

static void read_counts(rk_str s, struct rk_party_words *out) {
  for (size_t at = 0; at < s.n; at++) {
    if ((signed char)s.p[at] < -64) continue; /* inside a code point */
    double v;
    bool inside = at > 0 && ((s.p[at - 1] >= 'a' && s.p[at - 1] <= 'z') || (s.p[at - 1] >= '0' && s.p[at - 1] <= '9'));
    size_t n = inside ? 0 : rk_words_number(from(s, at), &v, NULL);
    size_t article = n || inside ? 0 : rk_words_starts(from(s, at), "a|an|my|our");
    if (article) n = article, v = 1;
    if (!n) continue;
    enum who who = v >= 1 && v <= 999 && v == (int)v ? counted(from(s, at + n)) : NOBODY;
    if (article && who != CHILDREN) who = NOBODY;
    if (who == ADULTS) out->adults = (int32_t)v;
    if (who == CHILDREN) out->children = (int32_t)v;
    if (who == PEOPLE) out->total = (int32_t)v;
    at += n - 1;
  }
}

void rk_party_read(rk_str s, struct rk_party_words *out) {
  *out = (struct rk_party_words){.total = -1, .adults = -1, .children = -1};
  if (rk_words_has(s, "就我一个|我一个人|我自己去|我自己|一个人去|只有我|单独一人|just me|only me|by myself|on my own|for one person|alone")) {
    *out = (struct rk_party_words){.total = 1, .adults = 1, .children = 0, .said = true};
    return;
  }
  read_counts(s, out);
  out->family = rk_words_has(s, "全家|一家人|一家|我们家|家庭|带上家人|和家人|family|all of us|the whole household");
  if (out->children < 0 && rk_words_has(s, "带孩子|老婆孩子|老公孩子|妻子孩子|老婆和孩子|老公和孩子|妻儿|wife and kid|wife and child|wife and our child|husband and kid|husband and child|带娃|带小孩|带着孩子|和孩子|带儿子|带女儿|亲子|with the kid|with my kid|with our kid|with the child|with my son|with my daughter|with our son|"
                                           "with our daughter|with our child"))
    out->children = 1;
  if (out->total < 0 && out->adults < 0 && rk_words_has(s, "和老婆|和老公|和妻子|和丈夫|和爱人|我们俩|我们两个|两口子|with my wife|with my husband|my wife and i|my husband and i|"
                                                           "the two of us|me and my wife|me and my husband"))
    out->adults = 2;
  out->said = out->total >= 0 || out->adults >= 0 || out->children >= 0 || out->family;
}

static bool is_child(const json_t *p) {
  return rk_str_eq_c(rk_json_str(p, "type"), "child") || (json_is_integer(json_object_get(p, "age")) && rk_json_i64(p, "age", 99) < 14);
}

static void on_file(const json_t *profile, int32_t *adults, int32_t *children) {
  size_t i;
  json_t *p;
  *adults = *children = 0;
  json_array_foreach(rk_json_arr(profile, "passengers"), i, p) (*(is_child(p) ? children : adults))++;
  if (*adults == 0) *adults = 1;
}

bool rk_party_count(const struct rk_party_words *w, int32_t tickets, const json_t *profile, int32_t *adults, int32_t *children) {
  int32_t file_adults, file_children, total = w->total >= 0 ? w->total : w->adults < 0 && !w->family && tickets > 0 ? tickets : -1;
  on_file(profile, &file_adults, &file_children);
  *adults = w->adults;
  *children = w->children;
  if (*adults < 0 && total >= 0) { /* so many in all: the adults on file first */
    if (*children < 0) *children = total > file_adults && total - file_adults <= file_children ? total - file_adults : 0;
    *adults = total - *children;
  }
  if (*adults < 0) *adults = w->family || *children > 0 ? file_adults : 1;
  if (*children < 0) *children = total > *adults ? total - *adults : w->family && w->adults < 0 ? file_children : 0;
  return *adults >= 0 && *children >= 0 && *adults + *children >= 1 && *adults + *children <= RK_MAX_PARTY;
}
