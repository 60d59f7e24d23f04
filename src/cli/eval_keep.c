#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/eval.h"
#include "shop/shop.h"

enum { PATH_BYTES = 4096, MAX_SERVICES = 256 };

static rk_err make_dir(const char *path, struct rk_error *e) {
  return mkdir(path, 0700) == 0 || errno == EEXIST ? RK_OK : rk_fail(e, RK_EIO, "%s: %s", path, strerror(errno));
}

static rk_err write_text(const char *dir, const char *name, rk_str text, struct rk_error *e) {
  char path[PATH_BYTES];
  snprintf(path, sizeof path, "%s/%s", dir, name);
  FILE *f = fopen(path, "w");
  bool ok = f && fwrite(text.p, 1, text.n, f) == text.n;
  if (f) ok = fclose(f) == 0 && ok;
  return ok ? RK_OK : rk_fail(e, RK_EIO, "%s: %s", path, strerror(errno));
}

static rk_err copy_file(const char *from, const char *to, struct rk_error *e) {
  FILE *in = fopen(from, "r"), *out = in ? fopen(to, "w") : NULL;
  char piece[65536];
  size_t n;
  bool ok = in && out;
  while (ok && (n = fread(piece, 1, sizeof piece, in)) > 0) ok = fwrite(piece, 1, n, out) == n;
  ok = ok && !ferror(in);
  if (in) fclose(in);
  if (out) ok = fclose(out) == 0 && ok;
  return ok ? RK_OK : rk_fail(e, RK_EIO, "%s to %s: %s", from, to, strerror(errno));
}

/* Every category that the task or anything that happened in it names. */
static void add_categories(const json_t *v, json_t *out) {
  const char *key;
  json_t *one;
  size_t i;
  json_object_foreach((json_t *)(uintptr_t)v, key, one) {
    if (strcmp(key, "category") == 0 && json_is_string(one)) json_array_append(out, one);
    else add_categories(one, out);
  }
  json_array_foreach((json_t *)(uintptr_t)v, i, one) add_categories(one, out);
}

/* Of the cards and approvals: their categories are the items'. */
static void add_items(const struct rk_evaluation *v, const json_t *events, json_t *out) {
  size_t i;
  json_t *one;
  const char *key;
  if (json_is_object(events)) {
    const char *id = rk_json_cstr(events, "item_id", NULL);
    for (int32_t s = 0; id && s < v->market.n; s++) {
      const struct rk_item *item = rk_catalog_item(&v->market.shops[s].catalog, rk_str_c(id));
      if (item) json_array_append_new(out, json_string(item->product->category->id));
    }
  }
  json_object_foreach((json_t *)(uintptr_t)events, key, one) add_items(v, one, out);
  json_array_foreach((json_t *)(uintptr_t)events, i, one) add_items(v, one, out);
}

/* The fares of the routes and days that the task's trips name. */
static rk_err describe_fares(struct rk_db *db, const struct rk_travel *seller, const json_t *task, int64_t now_ms, struct rk_error *e) {
  struct rk_service *found = calloc(MAX_SERVICES, sizeof *found);
  size_t i;
  json_t *trip;
  rk_err err = found ? RK_OK : rk_fail(e, RK_ENOMEM, "out of memory");
  json_array_foreach(rk_json_arr(rk_json_obj(task, "expect"), "trips"), i, trip) {
    int32_t n = 0;
    struct rk_error ignored;
    struct rk_travel_query q = {.from = rk_json_str(trip, "from"), .to = rk_json_str(trip, "to"), .date = rk_json_str(trip, "date")};
    if (err || rk_travel_search(seller, &q, now_ms, found, MAX_SERVICES, &n, &ignored)) continue;
    for (int32_t k = 0; k < n; k++)
      for (int32_t f = 0; !err && f < found[k].n_fares; f++) err = rk_shop_store_describe_fare(db, &found[k], &found[k].fares[f], e);
  }
  free(found);
  return err;
}

static rk_err keep_shop(struct rk_evaluation *v, int32_t at, const char *dir, const json_t *task, const json_t *evidence, const json_t *categories, const char *data_dir,
                        struct rk_error *e) {
  char from[PATH_BYTES], to[PATH_BYTES];
  struct rk_db *db = NULL;
  const struct rk_market_shop *m = &v->market.shops[at];
  const char *origin = rk_json_cstr(json_array_get(rk_json_arr(evidence, "shops"), (size_t)at), "origin", "");
  int64_t now_ms = 0;
  rk_time_parse(rk_json_str(task, "clock"), &now_ms, NULL);
  rk_err err = rk_shop_db_path(v->dirs.path[at], data_dir, from, sizeof from, e);
  snprintf(to, sizeof to, "%s/shops/%s.db", dir, m->name);
  if (!err) err = copy_file(from, to, e);
  if (!err) err = rk_shop_store_open(to, &db, e);
  if (!err) err = rk_shop_store_describe(db, &m->catalog, origin, categories, e);
  enum rk_travel_kind kind = m->catalog.travel ? rk_travel_kind(m->catalog.travel) : RK_TRAVEL_NONE;
  if (!err && (kind == RK_TRAVEL_TRAIN || kind == RK_TRAVEL_FLIGHT)) err = describe_fares(db, m->catalog.travel, task, now_ms, e);
  if (db) rk_db_close(db);
  return err;
}

static rk_err keep_made(const char *data_dir, const char *dir, struct rk_error *e) {
  char from[PATH_BYTES], to[PATH_BYTES], source[PATH_BYTES + 256], target[PATH_BYTES + 256];
  snprintf(from, sizeof from, "%s/made", data_dir);
  snprintf(to, sizeof to, "%s/made", dir);
  rk_err err = make_dir(to, e);
  DIR *d = opendir(from);
  for (struct dirent *ent; d && !err && (ent = readdir(d));) {
    if (ent->d_name[0] == '.') continue;
    snprintf(source, sizeof source, "%s/%s", from, ent->d_name);
    snprintf(target, sizeof target, "%s/%s", to, ent->d_name);
    err = copy_file(source, target, e);
  }
  if (d) closedir(d);
  return err;
}

static rk_err keep_texts(const char *dir, const json_t *task, const json_t *profile, const json_t *evidence, const json_t *result, struct rk_error *e) {
  struct rk_buf events;
  size_t i;
  json_t *ev, *whole = json_deep_copy(task);
  json_object_set(whole, "profile_row", (json_t *)(uintptr_t)profile);
  json_object_set(whole, "result", (json_t *)(uintptr_t)result);
  char *text = rk_json_dump(whole);
  rk_buf_init(&events, 64 << 20);
  json_array_foreach(rk_json_arr(evidence, "events"), i, ev) {
    char *line = rk_json_dump(ev);
    rk_buf_adds(&events, line ? line : "");
    rk_buf_addc(&events, '\n');
    free(line);
  }
  rk_err err = write_text(dir, "task.json", rk_str_c(text), e);
  if (!err) err = write_text(dir, "events.jsonl", rk_buf_str(&events), e);
  rk_buf_release(&events);
  free(text);
  json_decref(whole);
  return err;
}

rk_err rk_eval_keep(struct rk_evaluation *v, const json_t *task, int64_t run, const json_t *evidence, const json_t *result, const char *data_dir, struct rk_error *e) {
  char dir[PATH_BYTES - 300], path[PATH_BYTES], from[PATH_BYTES];
  const char *id = rk_json_cstr(task, "id", "");
  if (run > 1) snprintf(dir, sizeof dir, "%s/%s.%lld", v->keep, id, (long long)run);
  else snprintf(dir, sizeof dir, "%s/%s", v->keep, id);
  rk_err err = make_dir(v->keep, e);
  if (!err) err = make_dir(dir, e);
  snprintf(path, sizeof path, "%s/shops", dir);
  if (!err) err = make_dir(path, e);
  if (!err) err = keep_texts(dir, task, rk_task_profile(&v->tasks, task), evidence, result, e);
  snprintf(path, sizeof path, "%s/rukou.db", dir);
  snprintf(from, sizeof from, "%s/rukou.db", data_dir);
  if (!err) err = copy_file(from, path, e);
  if (!err) err = keep_made(data_dir, dir, e);
  json_t *categories = json_array();
  add_categories(rk_json_obj(task, "expect"), categories);
  add_categories(rk_json_arr(evidence, "shops"), categories);
  add_items(v, rk_json_arr(evidence, "events"), categories);
  for (int32_t i = 0; !err && i < v->dirs.n; i++) err = keep_shop(v, i, dir, task, evidence, categories, data_dir, e);
  json_decref(categories);
  return err;
}
