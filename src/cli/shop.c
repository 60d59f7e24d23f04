#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/cli.h"
#include "cli/shop_own.h"
#include "cli/merchants.h"
#include "cli/view.h"
#include "shop/serve.h"
#include "site/news.h"

enum { PATH_BYTES = 4096 };

static int usage(const char *what) {
  fprintf(stderr, "rukou: %s; see `rukou shop --help`\n", what);
  return RK_EXIT_USAGE;
}

static void print_site(const struct rk_cli *c, const char *kind, const char *name, const char *origin) {
  if (c->json) {
    json_t *v = json_pack("{s:s, s:s}", kind, name, "origin", origin);
    char *text = rk_json_dump(v);
    puts(text);
    free(text);
    json_decref(v);
  } else printf("%-16s %s\n", name, origin);
}

/* SIGTERM or SIGINT. */
static void wait_for_end(void) {
  sigset_t set;
  int sig;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigwait(&set, &sig);
}

/* "https://agent.example/profile=FILE": cut at the last sign, which no file name needs. */
static bool read_known(const struct rk_opt_list *list, struct rk_known_agent *out) {
  static char urls[RK_OPT_LIST_MAX][512];
  for (int i = 0; i < list->n; i++) {
    const char *equals = strrchr(list->v[i], '=');
    if (!equals || equals == list->v[i] || !equals[1] || (size_t)(equals - list->v[i]) >= sizeof urls[i]) return false;
    snprintf(urls[i], sizeof urls[i], "%.*s", (int)(equals - list->v[i]), list->v[i]);
    out[i] = (struct rk_known_agent){urls[i], equals + 1};
  }
  return true;
}

static int serve(struct rk_cli *c) {
  struct rk_opt_list agents = {0};
  int64_t port = 0;
  bool sandbox = false, testing = false, order_auth = false;
  const char *cert = NULL, *key = NULL, *origin = NULL, *address = NULL, *news = NULL;
  struct rk_opt_list known = {0};
  const struct rk_opt opts[] = {{"port", 'i', &port}, {"sandbox", 'b', &sandbox}, {"agent", 'l', &agents}, {"known-agent", 'l', &known},
                                {"testing", 'b', &testing}, {"order-auth", 'b', &order_auth}, {"tls-cert", 's', &cert}, {"tls-key", 's', &key},
                                {"origin", 's', &origin}, {"address", 's', &address}, {"news", 's', &news}};
  struct rk_known_agent profiles[RK_OPT_LIST_MAX];
  if (!rk_opts(c, opts, sizeof opts / sizeof *opts)) return RK_EXIT_USAGE;
  if ((testing || known.n) && !sandbox) return usage("--testing and --known-agent are for the sandbox: add --sandbox");
  if (news && !sandbox) return usage("--news is for the sandbox: add --sandbox");
  if (!cert != !key) return usage("--tls-cert and --tls-key belong together");
  if (!read_known(&known, profiles)) return usage("--known-agent is URL=FILE");
  if (c->argc < 1) return usage("name the directories of the shops, for example `rukou shop serve shops/lanhai`");
  if (port < 0 || port > 65534 - RK_MAX_SHOPS_SERVED) return usage("--port is 0 (free ports) to 65518");

  pid_t parent = getppid();
  if (sandbox) prctl(PR_SET_PDEATHSIG, SIGTERM); /* sandbox shops go with the agent that started them; a real one outlives the shell it was typed in */
  if (sandbox && getppid() != parent) return RK_EXIT_FAILED; /* it ended meanwhile */
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  pthread_sigmask(SIG_BLOCK, &set, NULL); /* before any thread starts: all inherit it */

  struct rk_serve *v;
  struct rk_error e = {0};
  struct rk_serve_opts o = {.dirs = (const char *const *)c->argv, .n_dirs = c->argc, .data_dir = c->cfg.data_dir, .port = (int32_t)port,
                            .sandbox = sandbox, .agents = agents.v, .n_agents = agents.n, .known = profiles, .n_known = known.n, .testing = testing,
                            .order_auth = order_auth, .tls_cert = cert, .tls_key = key, .origin = origin, .address = address};
  struct rk_news *site = NULL;
  if (rk_serve_start(&o, &v, &e)) return rk_die(&e);
  for (int32_t i = 0; i < rk_serve_count(v); i++) print_site(c, "shop", rk_serve_name(v, i), rk_serve_origin(v, i));
  if (news && rk_news_start(news, "127.0.0.2", port ? (int32_t)port + rk_serve_count(v) : 0, &site, &e)) {
    rk_serve_stop(v);
    return rk_die(&e);
  }
  if (site) print_site(c, "site", "news", rk_news_origin(site));
  fflush(stdout);
  wait_for_end();
  rk_news_stop(site);
  rk_serve_stop(v);
  return RK_EXIT_OK;
}

/* Whom it goes to; dated places go to nobody. */
static void print_address(const json_t *address) {
  static const char *const keys[] = {"first_name", "last_name", "phone_number", "address_region", "address_locality", "street_address", "extended_address", "postal_code"};
  if (rk_json_str(address, "street_address").n == 0) return;
  printf("    to:");
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
    if (rk_json_str(address, keys[i]).n) {
      putchar(' ');
      rk_view_put(rk_json_str(address, keys[i])); /* the buyer's words */
    }
  putchar('\n');
}

static void print_order(const json_t *o) {
  char date[32];
  rk_time_rfc3339(rk_json_i64(o, "placed_ms", 0), date);
  int64_t total = rk_json_i64(o, "total_minor", 0);
  printf("%s  %.10s  %lld.%02lld %s  %s\n", rk_json_cstr(o, "id", ""), date, (long long)(total / 100), (long long)(total % 100),
         rk_json_cstr(o, "currency", ""), rk_json_cstr(o, "status", ""));
  size_t i;
  json_t *line;
  json_array_foreach(rk_json_arr(o, "lines"), i, line) {
    printf("  %2zu: %lld x ", i + 1, (long long)rk_json_i64(line, "quantity", 0));
    rk_view_put(rk_json_str(line, "title"));
    printf("  %s", rk_json_cstr(line, "item_id", ""));
    if (rk_json_i64(line, "refunded", 0)) printf("  (%lld came back)", (long long)rk_json_i64(line, "refunded", 0));
    putchar('\n');
  }
  print_address(rk_json_obj(o, "address"));
  int64_t back = rk_json_i64(o, "refunded_minor", 0);
  if (back) printf("    given back: %lld.%02lld %s\n", (long long)(back / 100), (long long)(back % 100), rk_json_cstr(o, "currency", ""));
}

static int orders(struct rk_cli *c) {
  char path[PATH_BYTES];
  struct rk_error e = {0};
  struct rk_db *db = NULL;
  json_t *list = NULL;
  if (!rk_opts(c, NULL, 0)) return RK_EXIT_USAGE;
  if (c->argc != 1) return usage("name one shop's directory, for example `rukou shop orders shops/lanhai`");
  if (rk_shop_db_path(c->argv[0], c->cfg.data_dir, path, sizeof path, &e)) return rk_die(&e);
  if (access(path, R_OK) != 0) list = json_array(); /* the shop has never run here */
  else if (rk_shop_store_open(path, &db, &e) || !(list = rk_shop_store_orders(db, &e))) {
    if (db) rk_db_close(db);
    return rk_die(&e);
  }
  if (c->json) {
    json_t *all = json_pack("{s:O}", "orders", list);
    char *text = rk_json_dump(all);
    puts(text);
    free(text);
    json_decref(all);
  } else {
    size_t i;
    json_t *o;
    json_array_foreach(list, i, o) print_order(o);
    if (json_array_size(list) == 0) puts("no orders");
  }
  json_decref(list);
  if (db) rk_db_close(db);
  return RK_EXIT_OK;
}

static int run(struct rk_cli *c) {
  if (c->argc < 1) return usage("shop serve, orders, add, remove, list, probe, link or unlink?");
  const char *what = c->argv[0];
  c->argc--;
  c->argv++;
  static const struct { const char *name; int (*run)(struct rk_cli *); } parts[] = {
      {"serve", serve}, {"orders", orders}, {"new", rk_shop_new}, {"import", rk_shop_import}, {"ship", rk_shop_ship}, {"refund", rk_shop_refund}, {"admin", rk_shop_admin}, {"backup", rk_shop_backup},
      {"restore", rk_shop_restore}, {"add", rk_merchants_add}, {"remove", rk_merchants_remove}, {"list", rk_merchants_show},
      {"probe", rk_merchants_probe}, {"link", rk_merchants_link}, {"unlink", rk_merchants_unlink}};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
    if (strcmp(what, parts[i].name) == 0) return parts[i].run(c);
  return usage("shop serve, orders, new, import, ship, refund, admin, backup, restore, add, remove, list, probe, link or unlink?");
}

const struct rk_command rk_cmd_shop = {
  "shop", "run merchants (serve, orders) and buy at others (add, list, probe, link)",
  "usage: rukou shop serve DIR... [--address A] [--port N] [--tls-cert FILE --tls-key FILE] [--sandbox] [--news FILE] [--agent ORIGIN]...\n"
  "       rukou shop orders DIR [--json]\n"
  "       rukou shop new DIR [--name N] [--name-en N] [--currency CNY] | import DIR FILE.csv [--replace]\n"
  "       rukou shop ship DIR ORDER [--carrier C] [--tracking N] | admin DIR | backup DIR FILE | restore DIR FILE\n"
  "       rukou shop refund DIR ORDER [--amount A] [--line N:QUANTITY]... [--reason TEXT] [--key WORD] | refund DIR ORDER --paid REFUND\n"
  "       rukou shop add URL | remove URL | list [--json]\n"
  "       rukou shop probe URL [--query Q] [--pay TYPE:TOKEN] [--authorize] [--needs-account \"GET /orders\"]... [--trace FILE] [--json]\n"
  "       rukou shop link URL [--scope S] | unlink URL\n\n"
  "serve  each directory's shop on its own port of 127.0.0.2, until Ctrl+C; prints name and origin of each\n"
  "  --address A     listen there instead, 0.0.0.0: on every address of this machine\n"
  "  --port N        port of the first shop, the others follow; 0: free ones (default)\n"
  "  --sandbox       take agents over plain http too, from these origins only:\n"
  "  --origin URL    what agents know this shop by (one shop only), when a proxy stands in front of it\n"
  "  --agent ORIGIN  an agent's origin, for example http://127.0.0.1:7100; may be repeated;\n"
  "                  http://127.0.0.1:* is every port\n"
  "  --known-agent URL=FILE  read this agent's profile from a file in place of its address\n"
  "  --order-auth    show orders to signed requests and linked accounts only; without --sandbox always\n"
  "  --testing       fixtures of test suites: payments with a fixed outcome, hooks under /testing/ (docs/conformance-ucp.md)\n"
  "  --tls-cert, --tls-key  PEM files: serve over TLS 1.3\n"
  "  --news FILE       the sandbox news site beside the shops, with the articles of the file (sites/news/articles.txt)\n"
  "new     makes a directory with shop.conf, delivery and coupon tables, an example of goods.csv and an empty database\n"
  "import  takes all goods of a table or none; every wrong cell is named; --replace takes the others off (docs/shop.md)\n"
  "ship    marks an order as sent; backup and restore copy goods, stock and orders\n"
  "refund  gives money back: of lines, an amount, or all that is left; the same words twice pay once, another --key pays again;\n"
  "        --paid REFUND: what had to be paid by hand is paid\n"
  "admin   prints a link that signs in once, within 15 minutes, to the page of a shop that is being served\n"
  "orders what was bought there, from the shop's own database\n"
  "add    a merchant of UCP is asked too from now on, by its address; remove: no more\n"
  "list   the merchants, their versions and what they offer\n"
  "probe  does what the agent does at a merchant, buys nothing, and says what is wrong there; exit 1 when anything is\n"
  "  --pay TYPE:TOKEN  completes the checkout with this credential: for a shop under test\n"
  "  --authorize       asks the authorization server itself, without a page, and tries what --needs-account names\n"
  "  --trace FILE      every request and answer, as JSON\n"
  "link   your account at a merchant, for what needs one; unlink ends it there and here\n\n"
  "Examples:\n"
  "  rukou shop serve shops/lanhai shops/xinghe --sandbox --agent http://127.0.0.1:7100 --port 7110\n"
  "  rukou shop orders shops/lanhai --json\n"
  "  rukou shop probe https://shop.example --query teapot\n\n"
  "Exit codes: 0 done, 1 failed, 2 wrong usage, 4 a port is taken.\n",
  run};
