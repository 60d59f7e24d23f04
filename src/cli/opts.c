#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/config.h"

static const struct rk_opt *current;
static int n_current;

static const char *candidate(int i) { return i < n_current ? current[i].name : rk_setting_name(i - n_current); }

static bool wrong(const char *what, const char *name, const char *fix) {
  fprintf(stderr, "rukou: %s --%s%s\n", what, name, fix);
  return false;
}

static bool unknown(const char *name) {
  const char *near = rk_nearest(name, candidate, n_current + rk_setting_count());
  if (!near) return wrong("unknown option", name, "; --help lists what there is");
  char fix[160];
  snprintf(fix, sizeof fix, "; did you mean --%s?", near);
  return wrong("unknown option", name, fix);
}

static bool store(const struct rk_opt *o, const char *value) {
  rk_str v = rk_str_c(value);
  switch (o->kind) {
    case 'i': return rk_str_i64(v, o->dst) || wrong("a whole number is needed after", o->name, "");
    case 'f': return rk_str_f64(v, o->dst) || wrong("a number is needed after", o->name, "");
    case 'l': {
      struct rk_opt_list *list = o->dst;
      if (list->n == RK_OPT_LIST_MAX) return wrong("too many of", o->name, "");
      list->v[list->n++] = value;
      return true;
    }
    default: *(const char **)o->dst = value; return true;
  }
}

/* One option at argv[*at]; steps over its value. */
static bool take(struct rk_cli *c, int *at) {
  char name[128];
  const char *arg = c->argv[*at] + 1, *equals = strchr(arg, '='), *value = equals ? equals + 1 : NULL;
  if (*arg == '-') arg++;
  snprintf(name, sizeof name, "%.*s", equals ? (int)(equals - arg) : (int)strlen(arg), arg);
  const struct rk_opt *o = NULL;
  for (int i = 0; i < n_current && !o; i++)
    if (strcmp(current[i].name, name) == 0) o = &current[i];
  if (o && o->kind == 'b') {
    if (value) return wrong("no value may follow", name, "");
    *(bool *)o->dst = true;
    return true;
  }
  bool known = o != NULL;
  for (int i = 0; i < rk_setting_count() && !known; i++) {
    char dashed[128];
    snprintf(dashed, sizeof dashed, "%s", name);
    for (char *p = dashed; *p; p++)
      if (*p == '-') *p = '_';
    known = strcmp(dashed, rk_setting_name(i)) == 0;
  }
  if (!known) return unknown(name);
  if (!value && ++*at >= c->argc) return wrong("a value is needed after", name, "");
  if (!value) value = c->argv[*at];
  if (o) return store(o, value);
  struct rk_error e;
  if (!rk_config_flag(&c->cfg, name, value, &e)) return true;
  fprintf(stderr, "rukou: %s\n", e.msg);
  return false;
}

bool rk_opts(struct rk_cli *c, const struct rk_opt *opts, int n_opts) {
  current = opts;
  n_current = n_opts;
  int kept = 0;
  for (int i = 0; i < c->argc; i++) {
    char *arg = c->argv[i];
    if (strcmp(arg, "--") == 0) {
      while (++i < c->argc) c->argv[kept++] = c->argv[i];
    } else if (arg[0] != '-' || !arg[1]) {
      c->argv[kept++] = arg;
    } else if (!take(c, &i)) {
      return false;
    }
  }
  c->argc = kept;
  return true;
}
