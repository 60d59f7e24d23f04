/* translate.c - a text of the user in another language: the text and the language are read by code, the translation is the model's. */
#include <string.h>

#include "agent/prompt.h"
#include "agent/turn.h"
#include "base/limits.h"

enum { TRANSLATION_TOKENS = 600 };

struct language { const char *words, *name; bool han; };
static const struct language languages[] = {{"英文|英语|english", "English", false}, {"中文|汉语|chinese|mandarin", "Chinese", true}, {"日文|日语|japanese", "Japanese", true},
                                            {"法文|法语|french", "French", false}, {"德文|德语|german", "German", false}, {"西班牙文|西班牙语|spanish", "Spanish", false},
                                            {"俄文|俄语|russian", "Russian", false}, {"韩文|韩语|korean", "Korean", false}, {"意大利语|意大利文|italian", "Italian", false}};

/* What stands behind the first colon, else in quotes, else what the planner took for it. Borrowed from the turn. */
static rk_str text_of(const struct rk_turn *t, const json_t *args) {
  static const char *const opens[] = {"：", ":", "“", "\"", "「"};
  static const char *const closes[] = {"", "", "”", "\"", "」"};
  rk_str all = rk_str_c(t->text);
  for (size_t i = 0; i < sizeof opens / sizeof *opens; i++) {
    ptrdiff_t at = rk_str_find(all, rk_str_c(opens[i]));
    if (at < 0) continue;
    size_t begin = (size_t)at + strlen(opens[i]);
    rk_str rest = {all.p + begin, all.n - begin};
    ptrdiff_t end = closes[i][0] ? rk_str_find(rest, rk_str_c(closes[i])) : -1;
    rest = rk_str_trim((rk_str){rest.p, end < 0 ? rest.n : (size_t)end});
    if (rest.n) return rest;
  }
  return rk_json_str(args, "text");
}

static const struct language *language_of(const struct rk_turn *t, const json_t *args, rk_str text) {
  struct rk_buf said;
  const struct language *found = NULL;
  rk_buf_init(&said, RK_MAX_MESSAGE_BYTES + 256);
  rk_str outside = {t->text, text.p >= t->text && text.p <= t->text + strlen(t->text) ? (size_t)(text.p - t->text) : strlen(t->text)};
  if (rk_words_normal(&said, outside) == RK_OK && rk_buf_addf(&said, " %s", rk_json_cstr(args, "language", "")) == RK_OK)
    for (size_t i = 0; i < sizeof languages / sizeof *languages && !found; i++)
      if (rk_words_has(rk_buf_str(&said), languages[i].words)) found = &languages[i];
  rk_buf_release(&said);
  return found ? found : &languages[rk_words_has_han(text) ? 0 : 1];
}

static json_t *messages_of(const struct language *to, rk_str text) {
  json_t *all = json_array(), *system = json_sprintf("Translate the user's text into %s, names of places too. Write the translation alone.", to->name);
  json_array_append_new(all, json_pack("{s:s, s:o}", "role", "system", "content", system));
  if (strcmp(to->name, "English") == 0) {
    json_array_append_new(all, rk_prompt_text("user", RK_STR("明天我们去长城看日出吧")));
    json_array_append_new(all, rk_prompt_text("assistant", RK_STR("{\"translation\":\"Let's go to the Great Wall tomorrow to watch the sunrise.\"}")));
    json_array_append_new(all, rk_prompt_text("user", RK_STR("太湖的秋天很安静")));
    json_array_append_new(all, rk_prompt_text("assistant", RK_STR("{\"translation\":\"Autumn at Lake Tai is very quiet.\"}")));
  }
  json_array_append_new(all, rk_prompt_text("user", text));
  return all;
}

rk_err rk_tool_translate(struct rk_turn *t, const struct rk_call *c, struct rk_tool_out *out, struct rk_error *e) {
  rk_str text = text_of(t, c->args);
  if (text.n == 0) return rk_tool_refuse(out, json_string("there is no text to translate: ask for it"));
  const struct language *to = language_of(t, c->args, text);
  json_t *messages = messages_of(to, text), *translation = json_pack("{s:s, s:i}", "type", "string", "minLength", 1);
  if (!to->han) json_object_set_new(translation, "pattern", json_string("^[^\xe4\xb8\x80-\xe9\xbf\xbf]+$")); /* no character is left as it was */
  json_t *schema = json_pack("{s:s, s:{s:o}, s:[s], s:b}", "type", "object", "properties", "translation", translation, "required", "translation", "additionalProperties", 0);
  struct rk_buf reply;
  struct rk_error bad;
  rk_buf_init(&reply, 1 << 20);
  rk_err err = rk_turn_ask_model(t, &(struct rk_ask){.messages = messages, .n_prefix = 1, .schema = schema, .max_tokens = TRANSLATION_TOKENS}, &reply, e);
  json_t *parsed = err ? NULL : rk_json_parse_last(rk_buf_str(&reply), 1 << 20, &bad);
  const char *result = rk_json_cstr(parsed, "translation", "");
  if (!err && result[0]) {
    out->ok = true;
    out->close = json_string(result);
    out->result = json_pack("{s:s}", "translation", result);
  } else if (!err) {
    rk_tool_refuse(out, json_string("the translation did not come to an end: take a shorter text"));
  }
  json_decref(parsed);
  json_decref(schema);
  json_decref(messages);
  rk_buf_release(&reply);
  return err;
}
