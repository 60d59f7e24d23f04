/* The files of tasks in the tree: well formed, every task can end well in the sandbox, and what cannot is found. */
#include "world.h"

#include "eval/solve.h"
#include "eval/task.h"

static void check_file(const char *path, size_t n_tasks, size_t n_english) {
  struct rk_tasks t;
  struct rk_error e;
  size_t i, english = 0, bad = 0;
  json_t *one;
  if (rk_tasks_load(path, &t, &e)) fail_msg("%s: %s", path, e.msg);
  json_array_foreach(t.list, i, one) {
    struct rk_case c = {.task = one, .profile = rk_task_profile(&t, one), .market = &market};
    english += strcmp(rk_json_cstr(one, "lang", ""), "en") == 0;
    if (!rk_solvable(&c, why)) bad++, print_error("%s: %s: %s\n", path, rk_json_cstr(one, "id", ""), why);
  }
  assert_int_equal(bad, 0);
  assert_int_equal(json_array_size(t.list), n_tasks);
  assert_int_equal(english, n_english);
  rk_tasks_release(&t);
}

static void tasks_can_end_well(void **state) {
  check_file("tests/tasks/dev.jsonl", 50, 16);
  check_file("tests/tasks/own100.jsonl", 100, 40);
}

static void solves(const char *expect, const char *reason) {
  begin(1, "");
  json_object_set_new(task, "expect", json_loads(expect, 0, NULL));
  struct rk_case c = {.task = task, .profile = profile, .market = &market};
  assert_int_equal(rk_solvable(&c, why), !*reason);
  if (strncmp(why, reason, strlen(reason)) != 0) fail_msg("%s: got \"%s\"", expect, why);
}

static void what_cannot_is_found(void **state) {
  solves("{\"orders\": [{\"category\": \"phone\", \"max_total_minor\": 1000}]}", "orders: asked 1000 at most, the least is");
  solves("{\"orders\": [{\"category\": \"spaceship\"}]}", "orders: no shop has such a thing");
  solves("{\"orders\": [{\"category\": \"mask\", \"instrument\": \"wallet\"}]}", "orders: the wallet holds 0");
  solves("{\"orders\": [{\"category\": \"flowers\", \"deliver_on\": \"2026-12-23\"}]}", "orders: no shop has such a thing");
  solves("{\"orders_items\": [{\"category\": \"mask\"}, {\"category\": \"tent\"}], \"orders_total_max_minor\": 1000}", "orders_total_max_minor: asked 1000");
  solves("{\"trips\": [{\"from\": \"上海\", \"to\": \"杭州\", \"date\": \"2027-11-24\"}]}", "trips: nothing goes");
  solves("{\"stays\": [{\"city\": \"杭州\", \"check_in\": \"2026-11-28\", \"check_out\": \"2026-11-29\", \"max_per_night_minor\": 100}]}", "stays: nothing fits");
  solves("{\"tickets\": [{\"city\": \"北京\", \"attraction_has\": \"埃菲尔\", \"date\": \"2026-11-28\"}]}", "tickets: nothing fits");
  solves("{\"films\": [{\"city\": \"上海\", \"date\": \"2026-11-28\", \"from\": \"03:00\", \"to\": \"04:00\"}]}", "films: nothing fits");
  solves("{\"trips\": [{\"from\": \"上海\", \"to\": \"杭州\", \"date\": \"2026-11-28\"}], \"plan_total_max_minor\": 1}", "plan_total_max_minor: asked 1");
  solves("{\"no_card\": true}", "");
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(tasks_can_end_well), cmocka_unit_test(what_cannot_is_found)};
  return cmocka_run_group_tests(tests, open_market, close_market);
}
