/* The user's data: directory, sign-in, chats as a tree, turns, events, profile. */
#include "fixture.h"

#include <signal.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/limits.h"

static struct fixture f;

static int setup(void **state) {
  fixture_new(&f);
  return 0;
}

static int teardown(void **state) {
  fixture_remove(&f);
  return 0;
}

static void one_directory_one_process(void **state) {
  struct stat st;
  assert_int_equal(stat(f.dir, &st), 0);
  assert_int_equal(st.st_mode & 0777, 0700);
  struct rk_store *second;
  struct rk_error e;
  assert_int_equal(rk_store_open(f.dir, &second, &e), RK_ECONFLICT);
  char pid[16];
  snprintf(pid, sizeof pid, "%d", (int)getpid());
  assert_non_null(strstr(e.msg, pid));
  assert_null(second);

  char user[37], data_id[16];
  strcpy(user, f.user);
  strcpy(data_id, rk_store_data_id(f.store));
  assert_int_equal(strlen(data_id), 8);
  rk_store_close(f.store);
  fixture_open(&f);
  assert_string_equal(user, f.user);
  assert_string_equal(data_id, rk_store_data_id(f.store));

  assert_int_equal(rk_store_open("/tmp", &second, &e), RK_EINVAL); /* everybody's directory */
  assert_int_equal(rk_store_open("/dev/null/x", &second, &e), RK_EIO);
}

static void only_live_sessions_are_found(void **state) {
  int64_t later = rk_now_ms() + 60000;
  assert_int_equal(rk_store_session_add(f.store, f.user, "page", "chat approve", "hash-a", "csrf-a", later, NULL), RK_OK);
  assert_int_equal(rk_store_session_add(f.store, f.user, "key", "chat", "hash-b", NULL, rk_now_ms() - 1, NULL), RK_OK);
  assert_int_equal(rk_store_session_add(f.store, f.user, "robot", "chat", "hash-c", NULL, later, NULL), RK_ECONFLICT);
  json_t *s = rk_store_session_get(f.store, "hash-a");
  assert_string_equal(rk_json_cstr(s, "kind", ""), "page");
  assert_string_equal(rk_json_cstr(s, "csrf", ""), "csrf-a");
  json_decref(s);
  assert_null(rk_store_session_get(f.store, "hash-b"));
  assert_int_equal(rk_store_session_end(f.store, "hash-a", NULL), RK_OK);
  assert_null(rk_store_session_get(f.store, "hash-a"));
}

static void new_turn(struct rk_turn_new in, char chat[37], char turn[37], bool *existed) {
  struct rk_error e = {0};
  in.user_id = f.user;
  if (rk_store_turn_new(f.store, &in, chat, turn, existed, &e)) fail_msg("%s", e.msg);
}

static void a_turn_makes_chat_message_and_event(void **state) {
  char chat[37], turn[37], chat2[37], turn2[37];
  bool existed;
  struct rk_turn_new in = {.text = RK_STR("  买一双跑步鞋\n500元以内"), .idempotency_key = "k1", .thinking = true};
  new_turn(in, chat, turn, &existed);
  assert_false(existed);
  new_turn(in, chat2, turn2, &existed);
  assert_true(existed);
  assert_string_equal(turn, turn2);
  assert_string_equal(chat, chat2);
  in.text = RK_STR("other");
  in.user_id = f.user;
  struct rk_error e;
  assert_int_equal(rk_store_turn_new(f.store, &in, chat2, turn2, &existed, &e), RK_ECONFLICT);

  json_t *chats = rk_store_chats(f.store, f.user);
  assert_int_equal(json_array_size(chats), 1);
  assert_string_equal(rk_json_cstr(json_array_get(chats, 0), "title", ""), "买一双跑步鞋");
  json_decref(chats);

  json_t *t = rk_store_turn(f.store, turn);
  assert_string_equal(rk_json_cstr(t, "state", ""), "queued");
  assert_true(rk_json_bool(t, "thinking", false));
  json_decref(t);
  json_t *journal = json_pack("{s:i}", "step", 3);
  assert_int_equal(rk_store_turn_journal(f.store, turn, journal, NULL), RK_OK);
  assert_int_equal(rk_store_turn_state(f.store, turn, "running", NULL), RK_OK);
  assert_int_equal(rk_store_turn_state(f.store, turn, "dreaming", &e), RK_ECONFLICT);
  assert_int_equal(rk_store_turn_state(f.store, "none", "done", &e), RK_ENOTFOUND);
  json_t *open = rk_store_turns_open(f.store);
  assert_int_equal(json_array_size(open), 1);
  assert_true(json_equal(rk_json_obj(json_array_get(open, 0), "journal"), journal));
  json_decref(journal);
  json_decref(open);

  json_t *events = rk_store_events(f.store, f.user, 0, 10);
  assert_int_equal(json_array_size(events), 1);
  json_t *ev = json_array_get(events, 0);
  assert_int_equal(rk_json_i64(ev, "n", 0), 1);
  assert_string_equal(rk_json_cstr(ev, "type", ""), "message");
  assert_string_equal(rk_json_cstr(rk_json_obj(ev, "data"), "role", ""), "user");
  json_decref(events);
}

static void bad_messages_are_refused_and_store_nothing(void **state) {
  char chat[37], turn[37];
  bool existed;
  struct rk_error e;
  char *big = malloc(RK_MAX_MESSAGE_BYTES + 1);
  memset(big, 'a', RK_MAX_MESSAGE_BYTES + 1);
  struct rk_turn_new in = {.user_id = f.user, .text = RK_STR("")};
  assert_int_equal(rk_store_turn_new(f.store, &in, chat, turn, &existed, &e), RK_EINVAL);
  in.text = (rk_str){big, RK_MAX_MESSAGE_BYTES + 1};
  assert_int_equal(rk_store_turn_new(f.store, &in, chat, turn, &existed, &e), RK_ETOOBIG);
  in.text = RK_STR("a\xff");
  assert_int_equal(rk_store_turn_new(f.store, &in, chat, turn, &existed, &e), RK_EFORMAT);
  in.text = RK_STR("hello");
  in.chat_id = "00000000-0000-7000-8000-000000000000";
  assert_int_equal(rk_store_turn_new(f.store, &in, chat, turn, &existed, &e), RK_ENOTFOUND);
  assert_int_equal(rk_store_event_last(f.store, f.user), 0);
  in.chat_id = NULL;
  in.text.p = big;
  in.text.n = RK_MAX_MESSAGE_BYTES;
  assert_int_equal(rk_store_turn_new(f.store, &in, chat, turn, &existed, &e), RK_OK);
  free(big);
}

static void messages_are_a_tree(void **state) {
  char chat[37], turn[37], a[37], b[37];
  bool existed;
  new_turn((struct rk_turn_new){.text = RK_STR("root")}, chat, turn, &existed);
  json_t *c = rk_store_chat(f.store, f.user, chat), *data = json_pack("{s:s}", "text", "an answer");
  const char *root = rk_json_cstr(json_array_get(rk_json_arr(c, "messages"), 0), "id", "");
  assert_int_equal(rk_store_message_add(f.store, f.user, chat, root, turn, "assistant", data, a, NULL), RK_OK);
  assert_int_equal(rk_store_message_add(f.store, f.user, chat, root, turn, "assistant", data, b, NULL), RK_OK);
  new_turn((struct rk_turn_new){.chat_id = chat, .parent_id = a, .text = RK_STR("on a")}, chat, turn, &existed);
  json_t *t = rk_store_turn(f.store, turn);
  json_t *thread = rk_store_thread(f.store, f.user, rk_json_cstr(t, "message_id", ""));
  assert_int_equal(json_array_size(thread), 3);
  assert_string_equal(rk_json_cstr(json_array_get(thread, 0), "id", ""), root);
  assert_string_equal(rk_json_cstr(json_array_get(thread, 1), "id", ""), a);
  json_decref(thread);
  json_decref(t);
  /* without a parent: the newest message */
  new_turn((struct rk_turn_new){.chat_id = chat, .text = RK_STR("again")}, chat, turn, &existed);
  t = rk_store_turn(f.store, turn);
  thread = rk_store_thread(f.store, f.user, rk_json_cstr(t, "message_id", ""));
  assert_int_equal(json_array_size(thread), 4);
  json_decref(thread);
  json_decref(t);
  /* a parent of another chat is refused */
  char other[37];
  new_turn((struct rk_turn_new){.text = RK_STR("elsewhere")}, other, turn, &existed);
  struct rk_error e;
  assert_int_equal(rk_store_message_add(f.store, f.user, other, a, turn, "assistant", data, b, &e), RK_ENOTFOUND);
  json_decref(data);
  json_decref(c);
}

static void deleting_a_chat_takes_its_rows_and_spares_numbers(void **state) {
  char chat[37], turn[37];
  bool existed;
  struct rk_error e;
  new_turn((struct rk_turn_new){.text = RK_STR("one")}, chat, turn, &existed);
  assert_int_equal(rk_store_chat_delete(f.store, f.user, chat, &e), RK_ECONFLICT);
  assert_int_equal(rk_store_turn_state(f.store, turn, "done", NULL), RK_OK);
  assert_int_equal(rk_store_chat_delete(f.store, "somebody", chat, &e), RK_ENOTFOUND);
  assert_int_equal(rk_store_chat_delete(f.store, f.user, chat, NULL), RK_OK);
  assert_null(rk_store_chat(f.store, f.user, chat));
  assert_null(rk_store_turn(f.store, turn));
  json_t *data = json_object();
  int64_t n;
  assert_int_equal(rk_store_event_add(f.store, f.user, chat, turn, "order", data, &n, NULL), RK_OK);
  assert_int_equal(n, 2); /* numbers go on, and the event of a deleted chat is kept */
  json_decref(data);
}

static void events_join_the_callers_transaction(void **state) {
  json_t *data = json_object();
  int64_t n;
  assert_int_equal(rk_db_begin(rk_store_db(f.store), NULL), RK_OK);
  assert_int_equal(rk_store_event_add(f.store, f.user, NULL, NULL, "notice", data, &n, NULL), RK_OK);
  rk_db_rollback(rk_store_db(f.store));
  assert_int_equal(rk_store_event_last(f.store, f.user), 0);
  for (int i = 1; i <= 5; i++) {
    assert_int_equal(rk_store_event_add(f.store, f.user, NULL, NULL, "notice", data, &n, NULL), RK_OK);
    assert_int_equal(n, i);
  }
  json_t *events = rk_store_events(f.store, f.user, 2, 2);
  assert_int_equal(json_array_size(events), 2);
  assert_int_equal(rk_json_i64(json_array_get(events, 0), "n", 0), 3);
  json_decref(events);
  json_decref(data);
}

static void set_profile(const char *text, rk_err want) {
  json_t *p = rk_json_parse(rk_str_c(text), 65536, NULL);
  assert_non_null(p);
  struct rk_error e = {0};
  rk_err err = rk_store_profile_set(f.store, f.user, p, &e);
  if (err != want) fail_msg("%s: %d %s", text, err, e.msg);
  json_decref(p);
}

static int64_t wallet_balance(void) {
  json_t *p = rk_store_profile(f.store, f.user), *one;
  int64_t balance = -1;
  size_t i;
  json_array_foreach(rk_json_arr(p, "instruments"), i, one)
    if (rk_str_eq_c(rk_json_str(one, "id"), "wallet")) balance = rk_json_i64(one, "balance_minor", -2);
  json_decref(p);
  return balance;
}

static void a_fresh_install_has_the_demo_profile(void **state) {
  json_t *p = rk_store_profile(f.store, f.user);
  assert_true(rk_json_bool(p, "demo", false));
  assert_string_equal(rk_json_cstr(p, "name", ""), "张伟");
  assert_string_equal(rk_json_cstr(p, "address", ""), "上海市徐汇区漕溪北路18号");
  assert_string_equal(rk_json_cstr(rk_json_obj(p, "sizes"), "shoes", ""), "42");
  assert_int_equal(json_array_size(rk_json_arr(p, "passengers")), 3);
  json_t *card = json_array_get(rk_json_arr(p, "instruments"), 0);
  assert_true(rk_json_bool(card, "default", false));
  assert_null(json_object_get(card, "balance_minor"));
  assert_int_equal(wallet_balance(), 20000);
  json_object_set_new(p, "address", json_string("北京市海淀区1号"));
  assert_int_equal(rk_store_profile_set(f.store, f.user, p, NULL), RK_OK);
  json_decref(p);
  p = rk_store_profile(f.store, f.user);
  assert_string_equal(rk_json_cstr(p, "address", ""), "北京市海淀区1号");
  json_decref(p);
}

static void a_wallets_balance_is_the_ledgers(void **state) {
  set_profile("{\"name\":\"A\",\"instruments\":[{\"id\":\"wallet\",\"kind\":\"wallet\",\"balance_minor\":999999,\"currency\":\"CNY\"}]}", RK_OK);
  assert_int_equal(wallet_balance(), 20000); /* it was there: the form does not make money */
  set_profile("{\"name\":\"A\"}", RK_OK);
  assert_int_equal(wallet_balance(), 20000);
  set_profile("{\"instruments\":[{\"id\":\"card\",\"kind\":\"card\"}]}", RK_OK);
  assert_int_equal(wallet_balance(), -1);
  set_profile("{\"instruments\":[{\"id\":\"wallet\",\"kind\":\"wallet\",\"balance_minor\":500}]}", RK_OK);
  assert_int_equal(wallet_balance(), 500);
  set_profile("{\"instruments\":[{\"id\":\"wallet\",\"kind\":\"card\"}]}", RK_ECONFLICT);
  assert_int_equal(wallet_balance(), 500);
  json_t *p = rk_store_profile(f.store, f.user);
  assert_false(rk_json_bool(p, "demo", true));
  assert_true(rk_json_bool(json_array_get(rk_json_arr(p, "instruments"), 0), "default", false));
  json_decref(p);
}

static void bad_profiles_are_refused_by_field(void **state) {
  static const char *const bad[] = {
      "[]", "{\"name\":5}", "{\"phone\":\"1\\n2\"}", "{\"instruments\":[{\"id\":\"\",\"kind\":\"card\"}]}",
      "{\"instruments\":[{\"id\":\"a b\",\"kind\":\"card\"}]}", "{\"instruments\":[{\"id\":\"a\",\"kind\":\"gold\"}]}",
      "{\"instruments\":[{\"id\":\"a\",\"kind\":\"card\"},{\"id\":\"a\",\"kind\":\"card\"}]}",
      "{\"instruments\":[{\"id\":\"w\",\"kind\":\"wallet\",\"balance_minor\":-1}]}",
      "{\"instruments\":[{\"id\":\"w\",\"kind\":\"wallet\",\"currency\":\"yuan\"}]}", "{\"passengers\":[{\"type\":\"adult\"}]}",
      "{\"sizes\":{\"shoes\":42}}"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) set_profile(bad[i], RK_EINVAL);
  json_t *p = rk_store_profile(f.store, f.user);
  assert_true(rk_json_bool(p, "demo", false)); /* untouched */
  json_decref(p);
}

static void a_picture_has_one_name_for_its_user(void **state) {
  char id[37], again[37], other[37];
  assert_int_equal(rk_store_picture_add(f.store, f.user, "http://a", "http://a/1.svg", id, NULL), RK_OK);
  assert_int_equal(rk_store_picture_add(f.store, f.user, "http://a", "http://a/1.svg", again, NULL), RK_OK);
  assert_int_equal(rk_store_picture_add(f.store, f.user, "http://b", "http://a/1.svg", other, NULL), RK_OK);
  assert_string_equal(id, again);
  assert_string_not_equal(id, other);
  json_t *row = rk_store_picture(f.store, f.user, other);
  assert_string_equal(rk_json_cstr(row, "url", ""), "http://a/1.svg");
  assert_string_equal(rk_json_cstr(row, "merchant_origin", ""), "http://b");
  json_decref(row);
  assert_null(rk_store_picture(f.store, "somebody", id));
  assert_null(rk_store_picture(f.store, f.user, "nothing"));
}

/* kill -9 in the middle of a transaction: the next process sees all of what was committed and none of the rest. */
static void a_killed_process_leaves_no_half_transaction(void **state) {
  rk_store_close(f.store);
  pid_t pid = fork();
  if (pid == 0) {
    json_t *data = json_object();
    if (rk_store_open(f.dir, &f.store, NULL)) _exit(1);
    f.user = rk_store_local_user(f.store);
    if (rk_store_event_add(f.store, f.user, NULL, NULL, "notice", data, NULL, NULL)) _exit(1);
    if (rk_db_begin(rk_store_db(f.store), NULL)) _exit(1);
    if (rk_store_event_add(f.store, f.user, NULL, NULL, "notice", data, NULL, NULL)) _exit(1);
    kill(getpid(), SIGKILL);
  }
  int status;
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_true(WIFSIGNALED(status));
  fixture_open(&f); /* the lock went with the process */
  assert_int_equal(rk_store_event_last(f.store, f.user), 1);
}

int main(void) {
#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
  const struct CMUnitTest tests[] = {
      T(one_directory_one_process), T(only_live_sessions_are_found), T(a_turn_makes_chat_message_and_event),
      T(bad_messages_are_refused_and_store_nothing), T(messages_are_a_tree), T(deleting_a_chat_takes_its_rows_and_spares_numbers),
      T(events_join_the_callers_transaction), T(a_fresh_install_has_the_demo_profile), T(a_wallets_balance_is_the_ledgers),
      T(bad_profiles_are_refused_by_field), T(a_picture_has_one_name_for_its_user), T(a_killed_process_leaves_no_half_transaction)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
