/* The event stream with an agent that this file plays: durable events once and
 * in order, one snapshot for what runs, then deltas without gap or overlap. */
#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/clock.h"
#include "server/events.h"

/* ---- the agent ---- */

static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static struct rk_listener { bool used; void (*fn)(void *); void *ud; } listeners[64];
static json_t *running;

struct rk_listener *rk_agent_listen(struct rk_agent *a, const char *user_id, void (*fn)(void *), void *ud) {
  struct rk_listener *found = NULL;
  pthread_mutex_lock(&mu);
  for (int i = 0; i < 64 && !found; i++)
    if (!listeners[i].used) *(found = &listeners[i]) = (struct rk_listener){true, fn, ud};
  pthread_mutex_unlock(&mu);
  return found;
}

void rk_agent_unlisten(struct rk_agent *a, struct rk_listener *l) {
  pthread_mutex_lock(&mu);
  l->used = false;
  pthread_mutex_unlock(&mu);
}

json_t *rk_agent_running(struct rk_agent *a, const char *user_id, const json_t *since) {
  pthread_mutex_lock(&mu);
  json_t *copy = json_deep_copy(running);
  pthread_mutex_unlock(&mu);
  return copy;
}

static void wake_all(void) {
  pthread_mutex_lock(&mu);
  for (int i = 0; i < 64; i++)
    if (listeners[i].used) listeners[i].fn(listeners[i].ud);
  pthread_mutex_unlock(&mu);
}

/* text NULL: nothing runs. */
static void set_running(const char *id, const char *text) {
  pthread_mutex_lock(&mu);
  json_array_clear(running);
  if (text)
    json_array_append_new(running, json_pack("{s:s,s:s,s:s,s:s,s:s}", "turn_id", "t", "chat_id", "c", "message_id", id, "text", text,
                                             "reasoning", ""));
  pthread_mutex_unlock(&mu);
  wake_all();
}

/* ---- the server around it ---- */

static struct rk_store *store;
static struct rk_events *events;
static struct rk_http *http;
static char user[37], chat[37], turn[37], dir[64];

static void open_events(struct rk_http_req *r, void *ctx) {
  int64_t after = 0;
  rk_str_i64(rk_http_query(r, "after"), &after);
  rk_events_open(events, r, user, "s", after);
}
static const struct rk_route routes[] = {{"GET", "/events", open_events}};

static void add(const char *type, json_t *data) {
  int64_t n;
  assert_int_equal(rk_store_event_add(store, user, chat, turn, type, data, &n, NULL), RK_OK);
  json_decref(data);
}

static int set_up(void **state) {
  strcpy(dir, "/tmp/rukou-events-XXXXXX");
  running = json_array();
  bool existed;
  if (!mkdtemp(dir) || rk_store_open(dir, &store, NULL)) return 1;
  strcpy(user, rk_store_local_user(store));
  struct rk_turn_new in = {.user_id = user, .text = RK_STR("hi")};
  return rk_store_turn_new(store, &in, chat, turn, &existed, NULL) || rk_events_new(store, NULL, &events, NULL) ||
         rk_http_start(&(struct rk_http_opts){.address = "127.0.0.1", .routes = routes, .n_routes = 1}, &http, NULL);
}

static int tear_down(void **state) {
  rk_events_free(events);
  rk_http_stop(http);
  rk_store_close(store);
  json_decref(running);
  char command[128];
  snprintf(command, sizeof command, "rm -rf %s", dir);
  return system(command);
}

/* ---- a reader ---- */

struct reading { int fd; struct rk_buf got; };

static struct reading start(int64_t after) {
  struct reading r = {.fd = socket(AF_INET, SOCK_STREAM, 0)};
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)rk_http_port(http))};
  struct timeval limit = {.tv_sec = 5};
  char req[200];
  assert_int_equal(connect(r.fd, (struct sockaddr *)&at, sizeof at), 0);
  setsockopt(r.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  int n = snprintf(req, sizeof req, "GET /events?after=%lld HTTP/1.0\r\nHost: 127.0.0.1:%d\r\n\r\n", (long long)after, rk_http_port(http));
  assert_int_equal(send(r.fd, req, (size_t)n, 0), n);
  rk_buf_init(&r.got, 32 << 20);
  return r;
}

static void read_until(struct reading *r, const char *what) {
  char piece[65536];
  while (!r->got.p || !strstr(r->got.p, what)) {
    ssize_t k = recv(r->fd, piece, sizeof piece, 0);
    if (k <= 0) fail_msg("no %s in %s", what, r->got.p ? r->got.p : "");
    rk_buf_add(&r->got, piece, (size_t)k);
  }
}

static void end(struct reading *r) {
  close(r->fd);
  rk_buf_release(&r->got);
}

static int count(const char *text, const char *what) {
  int n = 0;
  for (; (text = strstr(text, what)); text += strlen(what)) n++;
  return n;
}

/* ---- tests ---- */

static void durable_events_once_and_in_order(void **state) {
  int64_t first = rk_store_event_last(store, user);
  for (int i = 0; i < 250; i++) add("notice", json_pack("{s:i}", "i", i)); /* more than one batch */
  add("notice", json_pack("{s:s}", "last", "one"));
  for (int64_t after = first; after <= first + 251; after += 50) {
    struct reading r = start(after);
    add("turn_done", json_pack("{s:I}", "mark", (json_int_t)after));
    wake_all();
    char mark[40], id[40];
    snprintf(mark, sizeof mark, "\"mark\":%lld}", (long long)after);
    read_until(&r, mark);
    int64_t upto = rk_store_event_last(store, user);
    const char *at = r.got.p;
    for (int64_t n = after + 1; n <= upto; n++) {
      snprintf(id, sizeof id, "id: %lld\n", (long long)n);
      at = strstr(at, id);
      if (!at) fail_msg("event %lld is missing or out of order", (long long)n);
    }
    assert_int_equal(count(r.got.p, "id: "), upto - after);
    end(&r);
  }
}

static void snapshot_then_deltas(void **state) {
  int64_t now = rk_store_event_last(store, user);
  set_running("m1", "\xE4\xBD\xA0");
  struct reading r = start(now);
  read_until(&r, "event: snapshot\n");
  read_until(&r, "\"offset_bytes\":3,\"text\":\"\xE4\xBD\xA0\"");
  set_running("m1", "\xE4\xBD\xA0\xE5\xA5\xBD");
  read_until(&r, "\"offset_bytes\":3,\"text\":\"\xE5\xA5\xBD\"");
  set_running("m1", "\xE4\xBD\xA0\xE5\xA5\xBD!");
  read_until(&r, "\"offset_bytes\":6,\"text\":\"!\"");
  struct reading late = start(now); /* comes in the middle: the whole so far */
  read_until(&late, "\"offset_bytes\":7,\"text\":\"\xE4\xBD\xA0\xE5\xA5\xBD!\"");
  assert_int_equal(count(r.got.p, "event: snapshot\n"), 1);
  assert_int_equal(count(r.got.p, "event: delta\n"), 2);
  set_running("", NULL);
  end(&r);
  end(&late);
}

/* The message's row may be there while it still counts as running: no piece of it comes after the row. */
static void nothing_after_the_complete_message(void **state) {
  int64_t now = rk_store_event_last(store, user);
  set_running("m2", "abc");
  struct reading r = start(now);
  read_until(&r, "\"text\":\"abc\"");
  add("message", json_pack("{s:s,s:s,s:s}", "message_id", "m2", "role", "assistant", "text", "abcdef"));
  set_running("m2", "abcdef");
  read_until(&r, "id: ");
  set_running("m2", "abcdef!");
  rk_sleep_ms(200);
  set_running("", NULL);
  add("turn_done", json_pack("{s:s}", "mark", "end2"));
  wake_all();
  read_until(&r, "end2");
  assert_null(strstr(strstr(r.got.p, "event: message"), "event: delta"));
  assert_int_equal(count(r.got.p, "event: message"), 1);
  end(&r);
}

static atomic_bool writing;
static void *write_fast(void *arg) {
  char text[4096] = "";
  for (int i = 0; i < 400; i++) {
    size_t n = strlen(text);
    snprintf(text + n, sizeof text - n, "%d ", i);
    set_running("m3", text);
    if (i % 40 == 39) add("notice", json_pack("{s:i}", "k", i));
    if (i % 8 == 0) rk_sleep_ms(1);
  }
  set_running("", NULL);
  add("message", json_pack("{s:s,s:s,s:s}", "message_id", "m3", "role", "assistant", "text", text));
  add("turn_done", json_pack("{s:s}", "mark", "end3"));
  wake_all();
  atomic_store(&writing, false);
  return NULL;
}

/* Many readers that come at any moment: each can put the text together without gap or overlap. */
static void readers_at_any_moment(void **state) {
  enum { N = 24 };
  struct reading r[N];
  int64_t now = rk_store_event_last(store, user);
  pthread_t t;
  atomic_store(&writing, true);
  assert_int_equal(pthread_create(&t, NULL, write_fast, NULL), 0);
  for (int i = 0; i < N; i++) {
    r[i] = start(now);
    rk_sleep_ms(i % 3);
  }
  pthread_join(t, NULL);
  for (int i = 0; i < N; i++) {
    read_until(&r[i], "end3");
    size_t have = 0;
    int snapshots = 0;
    static const char key[] = "\"message_id\":\"m3\",\"offset_bytes\":";
    for (char *at = r[i].got.p; (at = strstr(at, key)); at++) {
      size_t offset = strtoul(at + sizeof key - 1, NULL, 10);
      char *text = strstr(at, "\"text\":\"") + 8, *stop = strchr(text, '"');
      bool whole = strncmp(stop, "\",\"reasoning\"", 13) == 0;
      if (whole) snapshots++;
      else if (offset != have) fail_msg("reader %d: delta at %zu, has %zu", i, offset, have);
      have = whole ? offset : have + (size_t)(stop - text);
    }
    assert_true(snapshots <= 1);
    assert_int_equal(count(r[i].got.p, "\"k\":"), 10);
    end(&r[i]);
  }
}

static void ended_with_the_session(void **state) {
  struct reading r = start(rk_store_event_last(store, user));
  read_until(&r, "\r\n\r\n");
  for (int i = 0; i < 200 && rk_events_count(events) == 0; i++) rk_sleep_ms(10);
  rk_events_end_session(events, "another");
  rk_sleep_ms(100);
  assert_true(rk_events_count(events) >= 1);
  rk_events_end_session(events, "s");
  char c;
  while (recv(r.fd, &c, 1, 0) > 0) {}
  for (int i = 0; i < 200 && rk_events_count(events) > 0; i++) rk_sleep_ms(10);
  assert_int_equal(rk_events_count(events), 0);
  end(&r);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(durable_events_once_and_in_order), cmocka_unit_test(snapshot_then_deltas),
      cmocka_unit_test(nothing_after_the_complete_message), cmocka_unit_test(readers_at_any_moment),
      cmocka_unit_test(ended_with_the_session)};
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
