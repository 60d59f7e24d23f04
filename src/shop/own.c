#include "shop/own.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/digest.h"
#include "shop/store.h"

enum { PATH_BYTES = 4096, ORIGIN_BYTES = 160, OWN_ARENA_BYTES = 256 << 20, LOCK_TRIES = 60, LOCK_WAIT_MS = 50 };

static rk_err path_of(const char *dir, const char *name, char out[PATH_BYTES], struct rk_error *e) {
  int n = snprintf(out, PATH_BYTES, "%s/%s", dir, name);
  return n > 0 && n < PATH_BYTES ? RK_OK : rk_fail(e, RK_EINVAL, "%.100s...: the path is too long", dir);
}

bool rk_own_is(const struct rk_table *conf) {
  const char *kind;
  return rk_conf_get(conf, "kind", &kind, NULL) == RK_OK && strcmp(kind, "own") == 0;
}

rk_err rk_own_lock(const char *data_dir, int *fd, struct rk_error *e) {
  char path[PATH_BYTES];
  rk_err err = path_of(data_dir, "shop.lock", path, e);
  *fd = err ? -1 : open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (!err && *fd < 0) err = rk_fail(e, RK_EIO, "%s: %s", path, strerror(errno));
  for (int i = 0; !err && flock(*fd, LOCK_EX | LOCK_NB) != 0; i++) { /* one that is ending lets go in a moment */
    if (i == LOCK_TRIES) err = rk_fail(e, RK_EBUSY, "%s: another process serves this shop", data_dir);
    else rk_sleep_ms(LOCK_WAIT_MS);
  }
  if (err && *fd >= 0) close(*fd), *fd = -1;
  return err;
}

/* ---- a new shop ---- */

static const char conf_text[] =
    "# A shop of your own. `rukou shop serve DIR` opens it; docs/shop.md says more.\n"
    "kind = own\n"
    "name_zh = %s\n"
    "name_en = %s\n"
    "# Two letters that begin the numbers of your orders.\n"
    "id_prefix = %c%c\n"
    "currency = %s\n"
    "utc_offset = +08:00\n"
    "# With summer time, in place of utc_offset:\n"
    "# zone = Europe/Berlin\n"
    "refund_rule_zh = 7天无理由退货，运费由买家承担。\n"
    "refund_rule_en = Returns within 7 days, return postage paid by the buyer.\n"
    "# Orders after this hour count as the next day's.\n"
    "cutoff = 18:00\n"
    "# When you are open; promised dates count from then. mon-fri 09:00-12:30 13:30-18:00, sat 10:00-02:00; without it always.\n"
    "# hours = mon-sat 09:00-18:00\n"
    "# closed = 2026-12-25 2027-01-01..2027-01-03\n"
    "# no: orders are taken while you are open only.\n"
    "# orders_when_closed = yes\n"
    "# Who your shop is to the world, whatever port it listens on. Needed before real agents come.\n"
    "# origin = https://shop.example\n"
    "# Where a buyer pays on a page of yours; {id} becomes the number of the checkout.\n"
    "# continue_url = https://shop.example/pay?checkout={id}\n"
    "# Paid on delivery up to this total.\n"
    "# pay_on_delivery_max = 500\n";

static const char delivery_text[] =
    "# Delivery class (parcel), id, fee for the first kilogram, days, title zh, title en,\n"
    "# regions (words of the address separated by spaces, or *), fee for each further kilogram, free from this subtotal on (- never).\n"
    "parcel\tstandard\t8\t3\t普通快递\tStandard parcel\t*\t2\t199\n"
    "parcel\texpress\t18\t1\t次日达\tNext day\t上海 江苏 浙江 Shanghai\t4\t-\n";

static const char coupons_text[] =
    "# Code, category (* all), amount off, percent off, least subtotal, title zh, title en. One of amount and percent is 0.\n"
    "WELCOME10\t*\t10\t0\t100\t满100减10\t10 off 100\n";

static const char goods_text[] =
    "sku,product,category,title,title_en,description,description_en,options,price,stock,weight_g\n"
    "tea-50,tea,tea,龙井茶,Longjing tea,明前采摘，罐装,Picked before Qingming. Tin,size=50g,48.00,20,120\n"
    "tea-100,tea,tea,龙井茶,Longjing tea,明前采摘，罐装,Picked before Qingming. Tin,size=100g,88.00,12,200\n"
    "cup-1,,cups,青瓷茶杯,Celadon tea cup,手工，200 毫升,\"Handmade, 200 ml\",,36.00,40,260\n";

static rk_err write_file(const char *dir, const char *name, const char *text, struct rk_error *e) {
  char path[PATH_BYTES];
  rk_err err = path_of(dir, name, path, e);
  if (err) return err;
  int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return rk_fail(e, errno == EEXIST ? RK_ECONFLICT : RK_EIO, "%s: %s", path, strerror(errno));
  size_t n = strlen(text);
  if (write(fd, text, n) != (ssize_t)n || fsync(fd) != 0) err = rk_fail(e, errno == ENOSPC ? RK_ENOSPC : RK_EIO, "%s: %s", path, strerror(errno));
  close(fd);
  return err;
}

static char prefix_letter(const char *name, int at) {
  int n = 0;
  for (; *name; name++)
    if (((*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z')) && n++ == at) return (char)(*name | 0x20);
  return at ? 'p' : 's';
}

static rk_err name_ok(const char *name, struct rk_error *e) {
  for (const char *p = name; *p; p++)
    if ((unsigned char)*p < 0x20 || *p == '=' || *p == '#') return rk_fail(e, RK_EINVAL, "a shop's name is one line without = and #");
  return *name && strlen(name) <= 100 ? RK_OK : rk_fail(e, RK_EINVAL, "a shop's name has 1 to 100 bytes");
}

rk_err rk_own_create(const struct rk_own_new *n, struct rk_error *e) {
  char conf[4096], path[PATH_BYTES];
  struct rk_db *db = NULL;
  rk_err err = name_ok(n->name_zh, e);
  if (!err) err = name_ok(n->name_en, e);
  if (!err && (strlen(n->currency) != 3 || strspn(n->currency, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != 3))
    err = rk_fail(e, RK_EINVAL, "a currency is an ISO 4217 code such as CNY");
  if (!err && mkdir(n->dir, 0700) != 0 && errno != EEXIST) err = rk_fail(e, RK_EIO, "%s: %s", n->dir, strerror(errno));
  if (!err) err = path_of(n->dir, "shop.db", path, e);
  if (!err && access(path, F_OK) == 0) err = rk_fail(e, RK_ECONFLICT, "%s holds a shop already", n->dir);
  if (err) return err;
  snprintf(conf, sizeof conf, conf_text, n->name_zh, n->name_en, prefix_letter(n->name_en, 0), prefix_letter(n->name_en, 1), n->currency);
  err = write_file(n->dir, "shop.conf", conf, e);
  if (!err) err = write_file(n->dir, "delivery.tsv", delivery_text, e);
  if (!err) err = write_file(n->dir, "coupons.tsv", coupons_text, e);
  if (!err) err = write_file(n->dir, "goods.csv", goods_text, e);
  if (!err) err = rk_shop_store_open(path, &db, e);
  if (db) rk_db_close(db);
  return err;
}

/* ---- goods ---- */

static rk_err open_db(const char *dir, struct rk_db **db, struct rk_error *e) {
  char path[PATH_BYTES];
  rk_err err = path_of(dir, "shop.db", path, e);
  if (!err && access(path, F_OK) != 0) err = rk_fail(e, RK_ENOTFOUND, "%s is no shop of your own: it has no shop.db; make one with `rukou shop new %s`", dir, dir);
  return err ? err : rk_shop_store_open(path, db, e);
}

static rk_err store_rows(struct rk_db *db, const json_t *rows, bool replace, struct rk_import *out, struct rk_error *e) {
  int32_t before = rk_shop_store_n_goods(db);
  size_t i;
  json_t *row;
  rk_err err = rk_db_begin(db, e);
  if (err) return err;
  json_array_foreach((json_t *)(uintptr_t)rows, i, row)
    if (rk_shop_store_has_goods(db, rk_json_cstr(row, "sku", ""))) out->n_changed++;
    else out->n_new++;
  if (replace) err = rk_shop_store_drop_goods(db, e);
  json_array_foreach((json_t *)(uintptr_t)rows, i, row)
    if (!err) err = rk_shop_store_put_goods(db, row, (int64_t)i, e);
  if (!err && rk_shop_store_n_goods(db) > RK_MAX_CSV_ROWS) err = rk_fail(e, RK_ETOOBIG, "a shop has at most %d goods", RK_MAX_CSV_ROWS);
  if (err) {
    rk_db_rollback(db);
    return err;
  }
  out->n_gone = replace ? before - out->n_changed : 0;
  return rk_db_commit(db, e);
}

rk_err rk_own_import(const char *dir, const char *csv_file, bool replace, struct rk_import *out, struct rk_buf *report, struct rk_error *e) {
  struct rk_buf bytes;
  struct rk_csv csv;
  struct rk_db *db = NULL;
  json_t *rows = NULL;
  struct rk_arena *a = rk_arena_new(OWN_ARENA_BYTES);
  *out = (struct rk_import){0};
  rk_buf_init(&bytes, RK_MAX_CSV_BYTES);
  rk_err err = a ? rk_buf_read_file(&bytes, csv_file, e) : rk_fail(e, RK_ENOMEM, "out of memory");
  if (!err) err = rk_csv_parse(a, rk_buf_str(&bytes), &csv, e);
  if (!err) err = rk_goods_read(&csv, &rows, report, e);
  if (!err) err = open_db(dir, &db, e);
  if (!err) err = store_rows(db, rows, replace, out, e);
  if (!err) out->was_gbk = csv.was_gbk;
  if (db) rk_db_close(db);
  json_decref(rows);
  rk_buf_release(&bytes);
  if (a) rk_arena_free(a);
  return err;
}

rk_err rk_own_load(struct rk_db *db, struct rk_arena *a, struct rk_catalog *c, struct rk_error *e) {
  json_t *rows = rk_shop_store_goods(db, e);
  rk_err err = rows ? rk_goods_catalog(rows, a, c, e) : e->code;
  json_decref(rows);
  return err;
}

/* ---- the seller's page ---- */

void rk_own_note_origin(int lock_fd, const char *origin) {
  size_t n = strlen(origin);
  if (ftruncate(lock_fd, 0) != 0 || pwrite(lock_fd, origin, n, 0) != (ssize_t)n) rk_log(RK_LOG_WARN, "shop", "shop.lock: %s", strerror(errno));
}

/* Whoever serves a shop holds its lock, and has written there where. */
static rk_err origin_of_served(const char *dir, char out[ORIGIN_BYTES], struct rk_error *e) {
  char path[PATH_BYTES];
  rk_err err = path_of(dir, "shop.lock", path, e);
  if (err) return err;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  bool served = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) != 0;
  ssize_t n = served ? pread(fd, out, ORIGIN_BYTES - 1, 0) : 0;
  if (fd >= 0) close(fd);
  if (n <= 0) return rk_fail(e, RK_ENOTFOUND, "%s is not being served; start it with `rukou shop serve %s`", dir, dir);
  out[n] = 0;
  return RK_OK;
}

rk_err rk_own_admin_link(const char *dir, char *url, size_t size, struct rk_error *e) {
  char origin[ORIGIN_BYTES], token[65], hash[65];
  struct rk_db *db = NULL;
  rk_err err = open_db(dir, &db, e);
  if (!err) err = origin_of_served(dir, origin, e);
  rk_token_hex(token);
  rk_sha256_hex(rk_str_c(token), hash);
  if (!err) err = rk_shop_store_put_link(db, hash, rk_now_ms() + RK_ADMIN_LINK_TTL_MS, e);
  if (!err) {
    int n = snprintf(url, size, "%s/admin?token=%s", origin, token);
    if (n < 0 || (size_t)n >= size) err = rk_fail(e, RK_ETOOBIG, "the address is too long");
  }
  if (db) rk_db_close(db);
  return err;
}

/* ---- copies ---- */

rk_err rk_own_backup(const char *dir, const char *file, struct rk_error *e) {
  struct rk_db *db = NULL;
  rk_err err = access(file, F_OK) == 0 ? rk_fail(e, RK_ECONFLICT, "%s exists; name a new file", file) : open_db(dir, &db, e);
  if (!err) err = rk_shop_store_copy(db, file, e);
  if (db) rk_db_close(db);
  return err;
}

/* Its write-ahead log goes into the file, so that the file alone is the database. */
static rk_err settle(const char *dir, struct rk_error *e) {
  struct rk_db *db = NULL;
  rk_err err = open_db(dir, &db, e);
  if (db) rk_db_close(db);
  return err;
}

static rk_err copy_file(const char *from, const char *to, struct rk_error *e) {
  struct rk_db *db = NULL;
  rk_err err = rk_shop_store_open(from, &db, e); /* refuses what is no database of a shop, and brings an old one up to date */
  if (!err) err = rk_shop_store_copy(db, to, e);
  if (db) rk_db_close(db);
  return err;
}

rk_err rk_own_restore(const char *dir, const char *file, struct rk_error *e) {
  char path[PATH_BYTES] = "", fresh[PATH_BYTES] = "", old[PATH_BYTES] = "";
  int fd = -1;
  rk_err err = rk_own_lock(dir, &fd, e);
  if (!err && access(file, R_OK) != 0) err = rk_fail(e, RK_ENOTFOUND, "%s: %s", file, strerror(errno));
  if (!err) err = path_of(dir, "shop.db", path, e);
  if (!err) err = path_of(dir, "shop.db.restoring", fresh, e);
  if (!err) err = path_of(dir, "shop.db.before-restore", old, e);
  if (!err) {
    unlink(fresh);
    err = copy_file(file, fresh, e);
  }
  if (!err) err = settle(dir, e);
  if (!err && rename(path, old) != 0) err = rk_fail(e, RK_EIO, "%s: %s", path, strerror(errno));
  if (!err && rename(fresh, path) != 0) err = rk_fail(e, RK_EIO, "%s: %s", path, strerror(errno));
  if (fd >= 0) close(fd);
  return err;
}
