/* do.c - `rukou do TEXT`: one sentence, its approvals, its end. */
#include "cli/do.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "cli/interrupt.h"
#include "cli/view.h"

struct doing {
  struct rk_session *session;
  struct rk_do *d;
  struct rk_view view;
  struct rk_progress reading;
  bool is_reading;
  char turn_id[37];
  json_t *orders, *done, *asked_plans;
};

static bool says_yes(const char *line) {
  return strcmp(line, "yes") == 0 || strcmp(line, "YES") == 0 || strcmp(line, "同意") == 0;
}

/* "quantity 2", "pay wallet", "delivery fast", "coupon CODE CODE", "address CITY, STREET" as changes; NULL: something else. */
static json_t *edit_of(const char *line) {
  rk_str word, rest, city, street;
  int64_t n;
  if (!rk_str_cut(rk_str_c(line), ' ', &word, &rest) || rk_str_trim(rest).n == 0) return NULL;
  rest = rk_str_trim(rest);
  if (rk_str_eq_c(word, "quantity")) return rk_str_i64(rest, &n) ? json_pack("{s:I}", "quantity", (json_int_t)n) : NULL;
  if (rk_str_eq_c(word, "pay")) return json_pack("{s:s%}", "instrument_id", rest.p, rest.n);
  if (rk_str_eq_c(word, "delivery")) return json_pack("{s:s%}", "delivery_id", rest.p, rest.n);
  if (rk_str_eq_c(word, "address") && rk_str_cut(rest, ',', &city, &street)) {
    street = rk_str_trim(street);
    return json_pack("{s:{s:s%, s:s%}}", "address", "city", city.p, city.n, "street", street.p, street.n);
  }
  if (!rk_str_eq_c(word, "coupon")) return NULL;
  json_t *codes = json_array();
  while (rest.n) {
    rk_str code = rest, after = {0};
    if (rk_str_cut(rest, ' ', &code, &after)) rest = rk_str_trim(after);
    else rest.n = 0;
    json_array_append_new(codes, json_stringn(code.p, code.n));
  }
  return json_pack("{s:o}", "codes", codes);
}

/* The whole word has to be typed; anything else, and the end of input, refuses. An edit shows the next approval. */
static bool ask_user(struct doing *w, json_t **approval) {
  for (;;) {
    char line[600] = "";
    struct rk_error e;
    json_t *changed = NULL;
    if (!w->d->json) rk_view_approval(&w->view, *approval); /* with --json the event has just been printed */
    fflush(stdout);
    fprintf(stderr, "Type yes (同意) to buy exactly this, anything else to refuse\n"
                    "(to change it: quantity N, pay ID, delivery ID, coupon CODE, address CITY, STREET): ");
    fflush(stderr);
    if (!fgets(line, sizeof line, stdin)) {
      clearerr(stdin); /* Ctrl+C ends the reading, not the input */
      return false;
    }
    line[strcspn(line, "\r\n")] = 0;
    json_t *changes = edit_of(line);
    if (!changes) return says_yes(line);
    if (rk_session_edit(w->session, rk_json_cstr(*approval, "id", ""), changes, &changed, &e)) fprintf(stderr, "rukou: %s\n", e.msg);
    else {
      json_decref(*approval);
      *approval = changed;
    }
    json_decref(changes);
  }
}

static void decide(struct doing *w, const json_t *request) {
  json_t *approval = json_deep_copy(request);
  bool yes = w->d->approve == RK_APPROVE_YES;
  if (w->d->approve == RK_APPROVE_ASK) yes = ask_user(w, &approval);
  else if (!w->d->json) rk_view_approval(&w->view, approval);
  const char *id = rk_json_cstr(approval, "id", ""), *hash = rk_json_cstr(approval, "terms_hash", "");
  struct rk_error e;
  rk_err err = rk_session_decide(w->session, id, yes ? "approve" : "refuse", hash, &e);
  if (err) fprintf(stderr, "rukou: %s\n", e.msg);
  /* Not accepted (the balance, say): the approval would wait for ever. */
  if (err && yes && err != RK_EGONE && rk_session_decide(w->session, id, "refuse", hash, &e)) fprintf(stderr, "rukou: %s\n", e.msg);
  json_decref(approval);
}

/* "part 2 quantity 3" edits a part, "keep" and "undo" choose what happens when one fails. True: something was tried. */
static bool edit_plan(struct doing *w, const json_t *plan, const char *line) {
  struct rk_error e = {RK_OK, ""};
  rk_str word, rest, number;
  int64_t n = 0;
  rk_err err;
  if (strcmp(line, "keep") == 0 || strcmp(line, "undo") == 0) err = rk_session_edit_plan(w->session, rk_json_cstr(plan, "id", ""), line, &e);
  else {
    if (!rk_str_cut(rk_str_c(line), ' ', &word, &rest) || !rk_str_eq_c(word, "part") || !rk_str_cut(rk_str_trim(rest), ' ', &number, &rest) || !rk_str_i64(number, &n)) return false;
    const json_t *approval = json_array_get(rk_json_arr(plan, "approvals"), (size_t)(n - 1));
    json_t *changes = approval ? edit_of(rest.p) : NULL, *changed = NULL;
    if (!changes) return false;
    err = rk_session_edit(w->session, rk_json_cstr(approval, "id", ""), changes, &changed, &e);
    json_decref(changed);
    json_decref(changes);
  }
  if (err) fprintf(stderr, "rukou: %s\n", e.msg);
  return true;
}

static bool ask_user_of_plan(struct doing *w, json_t **plan) {
  for (;;) {
    char line[600] = "";
    struct rk_error e = {RK_OK, ""};
    if (!w->d->json) rk_view_plan(&w->view, *plan);
    fflush(stdout);
    fprintf(stderr, "Type yes (同意) to buy all parts exactly so, anything else to refuse all of them\n"
                    "(to change it: keep, undo, or part N and quantity N, pay ID, delivery ID, coupon CODE, address CITY, STREET): ");
    fflush(stderr);
    if (!fgets(line, sizeof line, stdin)) {
      clearerr(stdin);
      return false;
    }
    line[strcspn(line, "\r\n")] = 0;
    if (!edit_plan(w, *plan, line)) return says_yes(line);
    json_t *now = rk_session_plan(w->session, rk_json_cstr(*plan, "id", ""), &e);
    if (!now) return fprintf(stderr, "rukou: %s\n", e.msg), false;
    json_decref(*plan);
    *plan = now;
  }
}

static void decide_plan(struct doing *w, const json_t *shown) {
  json_t *plan = json_deep_copy(shown);
  bool yes = w->d->approve == RK_APPROVE_YES;
  if (w->d->approve == RK_APPROVE_ASK) yes = ask_user_of_plan(w, &plan);
  else if (!w->d->json) rk_view_plan(&w->view, plan);
  const char *id = rk_json_cstr(plan, "id", ""), *hash = rk_json_cstr(plan, "sheet_hash", "");
  struct rk_error e;
  rk_err err = rk_session_decide_plan(w->session, id, yes ? "approve" : "refuse", hash, &e);
  if (err) fprintf(stderr, "rukou: %s\n", e.msg);
  if (err && yes && err != RK_EGONE && rk_session_decide_plan(w->session, id, "refuse", hash, &e)) fprintf(stderr, "rukou: %s\n", e.msg);
  json_decref(plan);
}

/* Once for each plan: what its edits make is shown where they are made. */
static void on_plan(struct doing *w, const json_t *plan) {
  const char *id = rk_json_cstr(plan, "id", "");
  if (json_object_get(w->asked_plans, id) || !rk_str_eq_c(rk_json_str(plan, "state"), "pending")) return;
  json_object_set_new(w->asked_plans, id, json_true());
  decide_plan(w, plan);
}

/* The model reads the prompt; in a fresh process that takes a while. */
static void show_reading(struct doing *w, const json_t *data) {
  if (!w->is_reading) rk_progress_start(&w->reading, "reading", rk_json_i64(data, "n_total", 0), false);
  w->is_reading = true;
  rk_progress_update(&w->reading, rk_json_i64(data, "n_done", 0));
}

static bool on_event(void *ud, const char *type, const json_t *event) {
  struct doing *w = ud;
  const json_t *data = rk_json_obj(event, "data");
  if (strcmp(type, "progress") == 0) return show_reading(w, data), true;
  if (w->is_reading) rk_progress_end(&w->reading);
  w->is_reading = false;
  if (!w->d->json) rk_view_event(&w->view, type, event);
  else if (strcmp(type, "delta") != 0) {
    char *text = rk_json_dump(event);
    puts(text);
    fflush(stdout);
    free(text);
  }
  if (strcmp(type, "order") == 0) json_array_append(w->orders, json_object_get(data, "order"));
  if (strcmp(type, "plan") == 0) on_plan(w, rk_json_obj(data, "plan"));
  /* not again what an edit has made, nor what a permission or plan approves, nor a part of a plan */
  const json_t *approval = strcmp(type, "approval_request") == 0 ? rk_json_obj(data, "approval") : NULL;
  bool asks = approval && !json_is_string(json_object_get(approval, "supersedes")) && !json_is_string(json_object_get(approval, "by"));
  if (asks && !rk_json_bool(approval, "in_plan", false)) decide(w, approval);
  if (strcmp(type, "turn_done") != 0) return true;
  w->done = json_deep_copy(data);
  return false;
}

static void print_done(struct doing *w) {
  json_t *v = json_pack("{s:s, s:s, s:s, s:O, s:s, s:s}", "type", "done", "state", rk_json_cstr(w->done, "state", "failed"), "answer",
                        rk_json_cstr(w->done, "answer", ""), "orders", w->orders, "chat_id", w->d->chat_id, "turn_id", w->turn_id);
  char *text = rk_json_dump(v);
  puts(text);
  free(text);
  json_decref(v);
}

int rk_do_run(struct rk_session *s, struct rk_do *d, const char *text) {
  struct doing w = {.session = s, .d = d, .orders = json_array(), .asked_plans = json_object()};
  struct rk_error e = {0};
  rk_interrupt_hold();
  rk_err err = rk_session_submit(s, text, d->chat_id, w.turn_id, &e);
  rk_interrupt_watch(s, err ? NULL : w.turn_id);
  if (!err) err = rk_session_follow(s, d->chat_id, w.turn_id, on_event, &w, &e);
  bool stopped = rk_interrupt_watch(s, NULL);
  if (!err && d->json) print_done(&w);
  if (!err && stopped) fprintf(stderr, "rukou: stopped: %s\n", json_array_size(w.orders) ? "what was ordered before stands" : "nothing was bought");
  bool done = strcmp(rk_json_cstr(w.done, "state", ""), "done") == 0;
  json_decref(w.done);
  json_decref(w.orders);
  json_decref(w.asked_plans);
  return err ? rk_die(&e) : stopped ? RK_EXIT_STOPPED : done ? RK_EXIT_OK : RK_EXIT_FAILED;
}

static bool read_approve(const char *word, enum rk_answer_mode *out) {
  static const char *const words[] = {"ask", "yes", "no"};
  for (size_t i = 0; i < 3; i++)
    if (strcmp(word, words[i]) == 0) return *out = (enum rk_answer_mode)i, true;
  fprintf(stderr, "rukou: --approve takes yes, no or ask, not %s\n", word);
  return false;
}

static int run(struct rk_cli *c) {
  const char *approve = "ask", *chat = "";
  bool no_pull = false;
  struct rk_do d = {.json = c->json};
  struct rk_opt opts[] = {{"approve", 's', &approve}, {"chat", 's', &chat}, {"no-pull", 'b', &no_pull}};
  if (!rk_opts(c, opts, 3) || !read_approve(approve, &d.approve)) return RK_EXIT_USAGE;
  if (c->argc != 1) return fprintf(stderr, "rukou: one sentence, in quotes: rukou do \"...\"\n"), RK_EXIT_USAGE;
  if (strlen(c->argv[0]) > RK_MAX_MESSAGE_BYTES || strlen(chat) > 36)
    return fprintf(stderr, "rukou: the message has at most %d bytes, a chat id 36\n", (int)RK_MAX_MESSAGE_BYTES), RK_EXIT_USAGE;
  snprintf(d.chat_id, sizeof d.chat_id, "%s", chat);
  struct rk_session *s;
  struct rk_error e = {0};
  rk_interrupt_start();
  if (rk_session_open(c, true, no_pull, &s, &e)) return rk_die(&e);
  int code = rk_do_run(s, &d, c->argv[0]);
  rk_session_close(s);
  return code;
}

const struct rk_command rk_cmd_do = {
  .name = "do",
  .summary = "says one sentence and sees it through",
  .help = "usage: rukou do TEXT [--approve ask|yes|no] [--chat ID] [--model M] [--no-pull] [--json]\n\n"
          "Searches, compares and buys what the sentence asks for. Nothing is bought without an approval.\n"
          "With a server on the data directory it is that server's client; without one it runs everything itself\n"
          "and starts and stops the sandbox shops.\n\n"
          "  --approve ask  (default) shows the exact terms and takes the word yes; the end of input refuses\n"
          "  --approve yes  approves every purchase of this turn;  --approve no  refuses\n"
          "  --chat ID      goes on with a chat\n"
          "  --json         one event a line; the last line is {\"type\":\"done\",\"answer\",\"orders\",\"chat_id\",\"turn_id\",\"state\"}\n"
          "  --no-pull      exit code 3 when the model is missing\n\n"
          "Ctrl+C cancels the turn: what waits for an approval is refused, and it is said whether something was bought.\n\n"
          "Examples:\n"
          "  rukou do \"Show me some thermos flasks under 100 yuan\"\n"
          "  rukou do \"买一双跑步鞋，500元以内，哪个平台便宜就在哪买\"\n"
          "  rukou do \"Where is my order?\" --json\n\n"
          "Exit codes: 0 the turn is done (also when the purchase was refused), 1 it failed, 2 usage, 3 the model is missing, 4 in use,\n"
          "130 stopped by Ctrl+C.\n",
  .run = run,
};
