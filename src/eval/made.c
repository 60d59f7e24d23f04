/* made.c - artefacts: events {kind, id, path}, the file itself below the data directory. */
#include <stdio.h>
#include <string.h>

#include "eval/try.h"
#include "eval/words.h"

enum { MAX_MADE_BYTES = 4 << 20, PATH_BYTES = 4096, TITLE_MIN = 4, TITLE_MAX = 30, COPY_MIN = 20 };

static size_t n_chars(rk_str s) {
  size_t n = 0;
  for (size_t i = 0; i < s.n; i++) n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
  return n;
}

/* The file of the newest artefact of the kind. */
static bool read_made(const struct rk_case *c, const char *kind, struct rk_buf *out, struct rk_buf *why) {
  const char *path = NULL;
  char full[PATH_BYTES];
  size_t i;
  json_t *ev;
  json_array_foreach(case_list(c, "events"), i, ev)
    if (rk_str_eq_c(rk_json_str(ev, "type"), "artefact") && rk_str_eq_c(rk_json_str(rk_json_obj(ev, "data"), "kind"), kind)) path = rk_json_cstr(rk_json_obj(ev, "data"), "path", "");
  if (!path) return word_missed(why, "made: no artefact of kind %s", kind);
  if (path[0] == '/' || strstr(path, "..")) return word_missed(why, "made: the path %s leaves the data directory", path);
  snprintf(full, sizeof full, "%s/%s", c->dir, path);
  return rk_buf_read_file(out, full, NULL) == RK_OK || word_missed(why, "made: %s cannot be read", path);
}

/* {"shots": [{"picture", "words", "seconds"}]}, the seconds within a tenth of what was asked. */
static bool is_script(const struct rk_case *c, const json_t *v, struct rk_buf *why) {
  double asked = json_number_value(json_object_get(case_expect(c), "seconds")), sum = 0;
  const json_t *shots = rk_json_arr(v, "shots");
  size_t i;
  json_t *shot;
  if (json_array_size(shots) == 0) return word_missed(why, "made: the script has no shots");
  json_array_foreach((json_t *)(uintptr_t)shots, i, shot) {
    const json_t *seconds = json_object_get(shot, "seconds");
    if (!rk_json_str(shot, "picture").n || !rk_json_str(shot, "words").n || !json_is_number(seconds) || json_number_value(seconds) <= 0)
      return word_missed(why, "made: shot %zu lacks picture, words or seconds", i + 1);
    sum += json_number_value(seconds);
  }
  return asked <= 0 || (sum >= asked * 0.9 - 1e-9 && sum <= asked * 1.1 + 1e-9) || word_missed(why, "made: seconds: asked %g, got %g", asked, sum);
}

/* {"titles": [text]}: all different, 4 to 30 characters. */
static bool are_titles(const struct rk_case *c, const json_t *v, struct rk_buf *why) {
  const json_t *titles = rk_json_arr(v, "titles");
  int64_t asked = rk_json_i64(case_expect(c), "count", -1);
  size_t i, k;
  json_t *one;
  if (asked >= 0 && (int64_t)json_array_size(titles) != asked) return word_missed(why, "made: titles: asked %lld, got %zu", (long long)asked, json_array_size(titles));
  json_array_foreach((json_t *)(uintptr_t)titles, i, one) {
    size_t n = n_chars((rk_str){json_string_value(one), json_string_length(one)});
    if (n < TITLE_MIN || n > TITLE_MAX) return word_missed(why, "made: title %zu has %zu characters", i + 1, n);
    for (k = 0; k < i; k++)
      if (json_equal(one, json_array_get(titles, k))) return word_missed(why, "made: titles %zu and %zu are the same", k + 1, i + 1);
  }
  return json_array_size(titles) > 0 || word_missed(why, "made: no titles");
}

static bool app_works(const struct rk_case *c, rk_str html, struct rk_buf *why) {
  const json_t *asked = rk_json_obj(case_expect(c), "app"), *input = json_object_get(asked, "changes_after_input");
  static const char *const keys[] = {"changes_after_click", "changes_after_input", NULL};
  char said[300] = "";
  if (asked && !word_keys_known("app", asked, keys, why)) return false;
  const char *click = rk_json_cstr(asked, "changes_after_click", NULL);
  if (click && !rk_try_app(html, click, false, c->dir, said, sizeof said)) return word_missed(why, "made: app: changes_after_click %s: %s", click, said);
  if (input && !json_is_false(input) && !rk_try_app(html, NULL, true, c->dir, said, sizeof said)) return word_missed(why, "made: app: changes_after_input: %s", said);
  return click || input || rk_try_app(html, NULL, false, c->dir, said, sizeof said) || word_missed(why, "made: app: %s", said);
}

bool word_made(const struct rk_case *c, const json_t *arg, struct rk_buf *why) {
  const char *kind = json_is_string(arg) ? json_string_value(arg) : "";
  bool script = strcmp(kind, "video_script") == 0, titles = strcmp(kind, "titles") == 0, app = strcmp(kind, "app") == 0;
  struct rk_buf text;
  struct rk_error e;
  if (!script && !titles && !app && strcmp(kind, "copy") != 0) return word_missed(why, "made: %s is not known", kind);
  rk_buf_init(&text, MAX_MADE_BYTES);
  bool ok = read_made(c, kind, &text, why);
  json_t *v = ok && (script || titles) ? rk_json_parse(rk_buf_str(&text), MAX_MADE_BYTES, &e) : NULL;
  if (ok && (script || titles) && !v) ok = word_missed(why, "made: %s", e.msg);
  if (ok && script) ok = is_script(c, v, why);
  if (ok && titles) ok = are_titles(c, v, why);
  if (ok && app) ok = app_works(c, rk_buf_str(&text), why);
  if (ok && strcmp(kind, "copy") == 0 && n_chars(rk_str_trim(rk_buf_str(&text))) < COPY_MIN) ok = word_missed(why, "made: the copy has under %d characters", COPY_MIN);
  json_decref(v);
  rk_buf_release(&text);
  return ok;
}
