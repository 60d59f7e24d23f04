/* profile.c - `rukou profile`: who buys, where to, in which sizes; and our UCP profile as a file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/session.h"
#include "trade/ucp.h"
#include "cli/view.h"

static void show(const json_t *p) {
  static const char *const keys[] = {"name", "phone", "address", "home_city"};
  const char *kind;
  json_t *v;
  size_t i;
  if (rk_json_bool(p, "demo", false)) puts("demo profile: only sandbox shops take it");
  for (i = 0; i < sizeof keys / sizeof *keys; i++) {
    printf("%-12s ", keys[i]);
    rk_view_put(rk_json_str(p, keys[i]));
    putchar('\n');
  }
  json_object_foreach(rk_json_obj(p, "sizes"), kind, v) printf("size.%-7s %s\n", kind, json_string_value(v));
  json_array_foreach(rk_json_arr(p, "coupons"), i, v) printf("%-12s %s\n", "coupon", json_string_value(v));
  json_array_foreach(rk_json_arr(p, "passengers"), i, v) printf("%-12s %s (%s)\n", "passenger", rk_json_cstr(v, "name", ""), rk_json_cstr(v, "type", ""));
  json_array_foreach(rk_json_arr(p, "instruments"), i, v) {
    printf("%-12s %s%s", "instrument", rk_json_cstr(v, "label", rk_json_cstr(v, "kind", "")), rk_json_bool(v, "default", false) ? " (default)" : "");
    if (json_object_get(v, "balance_minor")) printf(", balance %lld.%02lld %s", (long long)(rk_json_i64(v, "balance_minor", 0) / 100),
                                                    (long long)(rk_json_i64(v, "balance_minor", 0) % 100), rk_json_cstr(v, "currency", ""));
    putchar('\n');
  }
}

/* "A B, C" as a list. */
static json_t *codes_of(rk_str text) {
  json_t *list = json_array();
  for (size_t i = 0, start = 0; i <= text.n; i++) {
    if (i < text.n && text.p[i] != ' ' && text.p[i] != ',') continue;
    if (i > start) json_array_append_new(list, json_stringn(text.p + start, i - start));
    start = i + 1;
  }
  return list;
}

/* KEY=VALUE of name, phone, address, home_city, size.shoes, size.clothes, coupons, default (an instrument's id). */
static bool set_one(json_t *p, const char *pair) {
  static const char *const keys[] = {"name", "phone", "address", "home_city"};
  rk_str key, value;
  if (!rk_str_cut(rk_str_c(pair), '=', &key, &value)) return false;
  json_t *text = json_stringn(value.p, value.n);
  if (!text) return false;
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
    if (rk_str_eq_c(key, keys[i])) return json_object_set_new(p, keys[i], text) == 0;
  if (rk_str_eq_c(key, "size.shoes")) return json_object_set_new(rk_json_obj(p, "sizes"), "shoes", text) == 0;
  if (rk_str_eq_c(key, "size.clothes")) return json_object_set_new(rk_json_obj(p, "sizes"), "clothes", text) == 0;
  bool found = false;
  size_t i;
  json_t *one;
  if (rk_str_eq_c(key, "coupons")) found = json_object_set_new(p, "coupons", codes_of(value)) == 0;
  if (rk_str_eq_c(key, "default"))
    json_array_foreach(rk_json_arr(p, "instruments"), i, one) found |= rk_str_eq(rk_json_str(one, "id"), value);
  if (found && rk_str_eq_c(key, "default"))
    json_array_foreach(rk_json_arr(p, "instruments"), i, one) json_object_set_new(one, "default", json_boolean(rk_str_eq(rk_json_str(one, "id"), value)));
  json_decref(text);
  return found;
}

static int set(struct rk_session *s, int argc, char **argv) {
  struct rk_error e = {0};
  json_t *p = rk_session_profile(s, &e);
  if (!p) return rk_die(&e);
  if (!rk_json_obj(p, "sizes")) json_object_set_new(p, "sizes", json_object());
  int bad = argc == 0 ? 0 : -1;
  for (int i = 0; i < argc && bad < 0; i++)
    if (!set_one(p, argv[i])) bad = i;
  if (bad >= 0)
    fprintf(stderr, "rukou: %s is no KEY=VALUE of name, phone, address, home_city, size.shoes, size.clothes, coupons, default\n", argc ? argv[bad] : "nothing");
  json_object_set_new(p, "demo", json_false());
  rk_err err = bad >= 0 ? RK_OK : rk_session_set_profile(s, p, &e);
  json_decref(p);
  return bad >= 0 ? RK_EXIT_USAGE : err ? rk_die(&e) : RK_EXIT_OK;
}

/* Addresses of this machine give way: the older version stands beside the file, and order events cannot come here. */
static void hosted_at(json_t *profile, const char *url) {
  json_t *ucp = json_object_get(profile, "ucp"), *older = json_object_get(ucp, "supported_versions"), *v;
  json_t *order = json_array_get(json_object_get(json_object_get(ucp, "capabilities"), RK_UCP_ORDER), 0);
  const char *version;
  void *tmp;
  char at[700];
  json_object_foreach_safe(older, tmp, version, v) {
    rk_ucp_profile_url(url, version, at, sizeof at);
    json_object_set_new(older, version, json_string(at));
  }
  if (rk_str_starts(rk_json_str(json_object_get(order, "config"), "webhook_url"), RK_STR("http://"))) json_object_del(order, "config");
}

/* The platform profile as one static file, for a user behind NAT: to be hosted at url. */
static int ucp(struct rk_session *s, const char *url, const char *version) {
  struct rk_error e = {0};
  char at[700];
  bool ours = false;
  for (int32_t i = 0; rk_ucp_version(i); i++) ours = ours || strcmp(rk_ucp_version(i), version) == 0;
  if (!ours) return fprintf(stderr, "rukou: --ucp-version is %s or %s\n", rk_ucp_version(0), RK_UCP_VERSION), RK_EXIT_USAGE;
  if (strncmp(url, "https://", 8) != 0) return fprintf(stderr, "rukou: profile ucp needs --url https://..., the address that the file will have\n"), RK_EXIT_USAGE;
  json_t *p = rk_session_ucp_profile(s, version, &e);
  if (!p) return rk_die(&e);
  hosted_at(p, url);
  rk_ucp_profile_url(url, version, at, sizeof at);
  char *text = json_dumps(p, JSON_INDENT(2));
  puts(text ? text : "{}");
  fprintf(stderr, "rukou: put this at %s, served with Cache-Control: public, max-age=3600, and set agent_profile_url = %s\n", at, url);
  if (strcmp(version, RK_UCP_VERSION) != 0) fprintf(stderr, "rukou: for merchants of UCP %s put the output of --ucp-version %s beside it\n", RK_UCP_VERSION, RK_UCP_VERSION);
  free(text);
  json_decref(p);
  return RK_EXIT_OK;
}

static int run(struct rk_cli *c) {
  const char *url = "", *version = rk_ucp_version(0);
  const struct rk_opt opts[] = {{"url", 's', &url}, {"ucp-version", 's', &version}};
  if (!rk_opts(c, opts, 2)) return RK_EXIT_USAGE;
  const char *what = c->argc ? c->argv[0] : "show";
  if (strcmp(what, "show") != 0 && strcmp(what, "set") != 0 && strcmp(what, "ucp") != 0)
    return fprintf(stderr, "rukou: profile takes show, set KEY=VALUE... or ucp --url URL; not %s\n", what), RK_EXIT_USAGE;
  struct rk_session *s;
  struct rk_error e = {0};
  if (rk_session_open(c, false, true, &s, &e)) return rk_die(&e);
  int code = RK_EXIT_OK;
  if (strcmp(what, "set") == 0) code = set(s, c->argc - 1, c->argv + 1);
  else if (strcmp(what, "ucp") == 0) code = ucp(s, url, version);
  else {
    json_t *p = rk_session_profile(s, &e);
    char *text = p && c->json ? rk_json_dump(p) : NULL;
    if (text) puts(text);
    else if (p) show(p);
    else code = rk_die(&e);
    free(text);
    json_decref(p);
  }
  rk_session_close(s);
  return code;
}

const struct rk_command rk_cmd_profile = {
  .name = "profile",
  .summary = "name, address, sizes and means of payment",
  .help = "usage: rukou profile [show] [--json]\n"
          "       rukou profile set KEY=VALUE...\n"
          "       rukou profile ucp --url https://... [--ucp-version V]\n\n"
          "set: name, phone, address, home_city, size.shoes, size.clothes, coupons (codes that you have), default (id of an instrument). It ends the demo profile.\n"
          "ucp: prints our UCP platform profile, to be hosted at URL when merchants cannot reach this machine.\n\n"
          "Examples:\n"
          "  rukou profile\n"
          "  rukou profile set \"name=Li Na\" \"address=8 Zhongshan Road, Hangzhou\" phone=13700000000 size.shoes=38\n"
          "  rukou profile ucp --url https://example.org/ucp.json > ucp.json\n\n"
          "Exit codes: 0 done, 1 failed, 2 usage, 4 the data directory is in use by another process.\n",
  .run = run,
};
