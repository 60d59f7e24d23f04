/* ask.c - what must be known before something is bought, asked once and together. */
#include <string.h>

#include "agent/turn.h"
#include "base/limits.h"

enum { MAX_SIZES = 24 };

struct asking { struct rk_turn *t; const struct rk_goal *g; };

static bool profile_has_size(void *ud, const char *kind) {
  const struct asking *a = ud;
  return !a->g->intent.for_other && rk_json_cstr(rk_json_obj(a->t->profile, "sizes"), kind, "")[0] != 0;
}

static bool has_slot(const json_t *slots, const char *name) {
  size_t i;
  json_t *s;
  json_array_foreach(slots, i, s)
    if (strcmp(rk_json_cstr(s, "name", ""), name) == 0) return true;
  return false;
}

/* Takes values. */
static void add_slot(json_t *slots, struct rk_buf *text, const char *name, const char *type, json_t *values, bool zh, const char *in_zh, const char *in_en) {
  json_t *slot = json_pack("{s:s, s:s}", "name", name, "type", type);
  if (values) json_object_set_new(slot, "enum", values);
  json_array_append_new(slots, slot);
  rk_buf_addf(text, "%s%s", text->n ? (zh ? "、" : ", ") : "", zh ? in_zh : in_en);
}

static void ask_size(struct rk_turn *t, const struct rk_goal *g, json_t *slots, struct rk_buf *text) {
  const char *values[MAX_SIZES];
  int32_t n = has_slot(slots, "size") ? 0 : rk_pick_sizes(&g->intent, &g->picked, g->offers, g->n_offers, profile_has_size, &(struct asking){t, g}, values, MAX_SIZES);
  if (n == 0) return;
  json_t *list = json_array();
  for (int32_t i = 0; i < n; i++) json_array_append_new(list, json_string(values[i]));
  add_slot(slots, text, "size", "string", list, t->intent.chinese, "尺码（", "the size (");
  for (int32_t i = 0; i < n; i++) rk_buf_addf(text, "%s%s", i ? "/" : "", values[i]);
  rk_buf_adds(text, t->intent.chinese ? "）" : ")");
}

static void ask_of_goods(struct rk_turn *t, const struct rk_goal *g, json_t *slots, struct rk_buf *text) {
  struct rk_address address;
  bool zh = t->intent.chinese;
  if (g->intent.quantity_vague && !has_slot(slots, "qty")) {
    add_slot(slots, text, "qty", "integer", NULL, zh, "数量", "how many");
    rk_buf_addf(text, zh ? "（1 到 %d）" : " (1 to %d)", RK_MAX_QUANTITY);
  }
  ask_size(t, g, slots, text);
  if (!rk_turn_address(t, &address) && !has_slot(slots, "address"))
    add_slot(slots, text, "address", "string", NULL, zh, "收货地址（地址、收件人、电话）", "the delivery address (street, name, phone)");
}

/* What a dated place lacks: slots that its search named, and names of those who go. */
static void ask_of_trip(struct rk_turn *t, const struct rk_goal *g, json_t *slots, struct rk_buf *text) {
  static const struct { const char *name, *zh, *en; } known[] = {
      {"date", "哪一天", "which day"}, {"city", "哪个城市", "which city"}, {"passengers", "几位大人、几个孩子", "how many adults and children"}};
  const json_t *kept = rk_turn_result(t, g->step), *one;
  size_t i;
  json_array_foreach(rk_json_arr(kept, "ask"), i, one)
    for (size_t k = 0; k < sizeof known / sizeof *known; k++)
      if (rk_str_eq_c(rk_str_c(json_string_value(one)), known[k].name) && !has_slot(slots, known[k].name))
        add_slot(slots, text, known[k].name, "string", NULL, t->intent.chinese, known[k].zh, known[k].en);
  if (rk_turn_buys(t) && json_array_size(rk_json_arr(kept, "cards")) && !has_slot(slots, "passengers") && !rk_goal_has_people(t, g))
    add_slot(slots, text, "passengers", "string", NULL, t->intent.chinese, "出行人的姓名（孩子请注明）", "the names of those who go (say who is a child)");
}

json_t *rk_turn_question(struct rk_turn *t) {
  bool zh = t->intent.chinese;
  json_t *slots = json_array(), *question = NULL;
  struct rk_buf what;
  rk_buf_init(&what, 4096);
  for (int32_t i = 0; i < t->n_goals; i++)
    if (rk_trip_is(t->goals[i].tool->name)) ask_of_trip(t, &t->goals[i], slots, &what);
    else if (json_array_size(rk_json_arr(rk_turn_result(t, t->goals[i].step), "cards"))) ask_of_goods(t, &t->goals[i], slots, &what);
  if (json_array_size(slots)) {
    char id[37];
    rk_uuid7(id);
    json_t *text = json_sprintf(zh ? "下单前还需要知道：%s。" : "Before ordering I need to know: %s.", what.p);
    question = json_pack("{s:s, s:O, s:o}", "question_id", id, "slots", slots, "text", text);
  }
  json_decref(slots);
  rk_buf_release(&what);
  return question;
}
