/* Incoming HTTP over real sockets: routes, checks, limits, detached answers, event streams, ends. */
#include "http/http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/limits.h"

/* ---- the server under test ---- */

static void hello(struct rk_http_req *r, void *ctx) { rk_http_reply(r, 200, "text/plain", RK_STR("hello")); }

static void item(struct rk_http_req *r, void *ctx) {
  char text[300];
  snprintf(text, sizeof text, "%.*s|%.*s|%.*s|%.*s", RK_STR_ARG(rk_http_param(r, "id")), RK_STR_ARG(rk_http_param(r, "*")),
           RK_STR_ARG(rk_http_query(r, "q")), RK_STR_ARG(rk_http_cookie(r, "c")));
  rk_http_reply(r, 200, "text/plain", rk_str_c(text));
}

static void echo(struct rk_http_req *r, void *ctx) {
  struct rk_error e;
  json_t *v = rk_http_json(r, &e);
  if (v) rk_http_reply_json(r, 200, v);
  else rk_http_reply_error(r, &e);
}

static void size(struct rk_http_req *r, void *ctx) {
  char text[32];
  snprintf(text, sizeof text, "%zu", rk_http_body(r).n);
  rk_http_reply(r, 200, "text/plain", rk_str_c(text));
}

static void *answer_later(void *arg) {
  struct rk_http_req *r = arg;
  rk_sleep_ms(50);
  rk_http_reply(r, 200, "text/plain", rk_http_path(r));
  return NULL;
}

static void later(struct rk_http_req *r, void *ctx) {
  pthread_t t;
  rk_http_detach(r);
  assert_int_equal(pthread_create(&t, NULL, answer_later, r), 0);
  pthread_detach(t);
}

static atomic_int left_noticed;
static void *wait_until_gone(void *arg) {
  struct rk_http_req *r = arg;
  for (int i = 0; i < 200 && !rk_http_gone(r); i++) rk_sleep_ms(10);
  atomic_store(&left_noticed, rk_http_gone(r));
  rk_http_reply(r, 200, "text/plain", RK_STR(""));
  return NULL;
}

static void waits(struct rk_http_req *r, void *ctx) {
  pthread_t t;
  rk_http_detach(r);
  assert_int_equal(pthread_create(&t, NULL, wait_until_gone, r), 0);
  pthread_detach(t);
}

static _Atomic(rk_err) stream_end;
static void *stream_some(void *arg) {
  struct rk_http_stream *s = arg;
  char text[64];
  rk_err err = RK_OK;
  for (int i = 0; i < 3 && !err; i++) {
    snprintf(text, sizeof text, "data: %d\n\n", i);
    err = rk_http_stream_write(s, rk_str_c(text));
    rk_sleep_ms(20);
  }
  rk_http_stream_end(s);
  return NULL;
}

static void *stream_for_ever(void *arg) {
  struct rk_http_stream *s = arg;
  static char block[65536];
  memset(block, 'x', sizeof block);
  rk_err err = RK_OK;
  while (!err) err = rk_http_stream_write(s, (rk_str){block, sizeof block});
  atomic_store(&stream_end, err);
  rk_http_stream_end(s);
  return NULL;
}

static void *stream_nothing(void *arg) {
  struct rk_http_stream *s = arg;
  while (rk_http_stream_alive(s)) rk_sleep_ms(10);
  atomic_store(&stream_end, RK_EGONE);
  rk_http_stream_end(s);
  return NULL;
}

static void start_stream(struct rk_http_req *r, void *(*fn)(void *)) {
  struct rk_http_stream *s = rk_http_stream_start(r);
  pthread_t t;
  if (!s) return;
  assert_int_equal(pthread_create(&t, NULL, fn, s), 0);
  pthread_detach(t);
}
static void events(struct rk_http_req *r, void *ctx) { start_stream(r, stream_some); }
static void flood(struct rk_http_req *r, void *ctx) { start_stream(r, stream_for_ever); }
static void silence(struct rk_http_req *r, void *ctx) { start_stream(r, stream_nothing); }

static const struct rk_route routes[] = {
    {"GET", "/hello", hello}, {"GET", "/item/:id", item}, {"POST", "/item/:id", item}, {"GET", "/rest/*", item},
    {"POST", "/echo", echo}, {"POST", "/size", size}, {"GET", "/later", later}, {"GET", "/waits", waits},
    {"GET", "/events", events}, {"GET", "/flood", flood}, {"GET", "/silence", silence}, {"GET", "/private", hello}};

static bool gate(struct rk_http_req *r, const struct rk_route *route, void *ctx) {
  if (strcmp(route->path, "/private") != 0) return true;
  rk_http_reply_error(r, &(struct rk_error){RK_EAUTH, ""});
  return false;
}

static struct rk_http *http;
static int port;

static struct rk_http *start(struct rk_http_opts o) {
  struct rk_http *h;
  o.address = "127.0.0.1";
  o.routes = routes;
  o.n_routes = sizeof routes / sizeof *routes;
  o.gate = gate;
  assert_int_equal(rk_http_start(&o, &h, NULL), RK_OK);
  return h;
}

static int set_up(void **state) {
  http = start((struct rk_http_opts){.hosts = (const char *const[]){"my.example"}, .n_hosts = 1,
                                     .origins = (const char *const[]){"https://my.example"}, .n_origins = 1});
  port = rk_http_port(http);
  return 0;
}

static int tear_down(void **state) {
  rk_http_stop(http);
  return 0;
}

/* ---- a client of bytes ---- */

static int dial(int to) {
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)to)};
  if (connect(fd, (struct sockaddr *)&at, sizeof at) != 0) {
    close(fd);
    return -1;
  }
  struct timeval limit = {.tv_sec = 15};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  return fd;
}

static void put(int fd, const char *p, size_t n) {
  while (n) {
    ssize_t k = send(fd, p, n, MSG_NOSIGNAL);
    if (k <= 0) return;
    p += k;
    n -= (size_t)k;
  }
}

/* Reads until the other side closes. */
static char *slurp(int fd) {
  struct rk_buf b;
  rk_buf_init(&b, 8 << 20);
  char piece[65536];
  ssize_t k;
  while ((k = recv(fd, piece, sizeof piece, 0)) > 0) rk_buf_add(&b, piece, (size_t)k);
  return rk_buf_detach(&b);
}

/* head: request line and headers without Host and Connection. */
static char *ask_host(const char *host, const char *head, const char *body, size_t n_body) {
  struct rk_buf b;
  rk_buf_init(&b, 64 << 20);
  const char *eol = strstr(head, "\r\n");
  rk_buf_addf(&b, "%.*s\r\nHost: %s\r\nConnection: close\r\n%s\r\n", (int)(eol - head), head, host, eol + 2);
  rk_buf_add(&b, body, n_body);
  int fd = dial(port);
  assert_true(fd >= 0);
  put(fd, b.p, b.n);
  char *answer = slurp(fd);
  close(fd);
  rk_buf_release(&b);
  return answer;
}

static char *own_host(void) {
  static _Thread_local char host[64];
  snprintf(host, sizeof host, "127.0.0.1:%d", port);
  return host;
}

static void expect_full(const char *host, const char *head, const char *body, size_t n_body, int status, const char *part) {
  char *a = ask_host(host, head, body, n_body), line[32];
  snprintf(line, sizeof line, "HTTP/1.1 %d ", status);
  if (strncmp(a, line, strlen(line)) != 0 || (part && !strstr(a, part)))
    fail_msg("%.60s: wanted %d %s, got %.600s", head, status, part ? part : "", a);
  free(a);
}

static void expect(const char *head, const char *body, int status, const char *part) {
  expect_full(own_host(), head, body, strlen(body), status, part);
}

/* ---- tests ---- */

static void routes_and_decoding(void **state) {
  expect("GET /hello HTTP/1.1\r\n", "", 200, "\r\n\r\nhello");
  expect("GET /item/a%2Fb?q=%E9%9E%8B+x%2B HTTP/1.1\r\nCookie: a=1; c=\"v\"\r\n", "", 200, "a/b||\xE9\x9E\x8B x+|v");
  expect("GET /rest/x/y HTTP/1.1\r\n", "", 200, "|x/y||");
  expect("HEAD /hello HTTP/1.1\r\n", "", 200, "Content-Length: 5");
  expect("GET /item/ HTTP/1.1\r\n", "", 404, "not_found");
  expect("GET /item/a/b HTTP/1.1\r\n", "", 404, NULL);
  expect("GET /nothing HTTP/1.1\r\n", "", 404, "\"code\":\"not_found\"");
  expect("DELETE /item/a HTTP/1.1\r\n", "", 405, "Allow: GET, POST");
  expect("GET /item/%zz HTTP/1.1\r\n", "", 400, NULL);
  expect("GET /item/%00 HTTP/1.1\r\n", "", 400, NULL);
  expect("GET /item/%ff HTTP/1.1\r\n", "", 400, NULL);
  expect("GET /item/a?q=%f HTTP/1.1\r\n", "", 400, NULL);
  expect("GET /private HTTP/1.1\r\n", "", 401, "WWW-Authenticate: Bearer");
  expect("GET /hello HTTP/1.1\r\n", "", 200, "X-Content-Type-Options: nosniff");
}

static void host_must_be_ours(void **state) {
  char h[64];
  expect_full("my.example", "GET /hello HTTP/1.1\r\n", "", 0, 200, NULL);
  snprintf(h, sizeof h, "LOCALHOST:%d", port);
  expect_full(h, "GET /hello HTTP/1.1\r\n", "", 0, 200, NULL);
  expect_full("evil.example", "GET /hello HTTP/1.1\r\n", "", 0, 403, "forbidden");
  expect_full("127.0.0.1", "GET /hello HTTP/1.1\r\n", "", 0, 403, NULL);
  snprintf(h, sizeof h, "127.0.0.1:%d.evil.example", port);
  expect_full(h, "GET /hello HTTP/1.1\r\n", "", 0, 403, NULL);
  expect_full("evil.example", "GET /nothing HTTP/1.1\r\n", "", 0, 403, NULL);
  expect("GET /hello HTTP/1.1\r\nHost: evil.example\r\n", "", 400, NULL); /* two of them */
  expect("GET http://evil.example/hello HTTP/1.1\r\n", "", 404, NULL);
}

static void origin_must_be_ours(void **state) {
  char head[200];
  snprintf(head, sizeof head, "POST /size HTTP/1.1\r\nContent-Length: 0\r\nOrigin: http://127.0.0.1:%d\r\n", port);
  expect(head, "", 200, NULL);
  expect("POST /size HTTP/1.1\r\nContent-Length: 0\r\nOrigin: https://my.example\r\n", "", 200, NULL);
  expect("POST /size HTTP/1.1\r\nContent-Length: 0\r\n", "", 200, NULL); /* no browser */
  expect("POST /size HTTP/1.1\r\nContent-Length: 0\r\nOrigin: null\r\n", "", 403, NULL);
  expect("POST /size HTTP/1.1\r\nContent-Length: 0\r\nOrigin: http://127.0.0.1\r\n", "", 403, NULL);
  expect("GET /events HTTP/1.1\r\nOrigin: http://evil.example\r\n", "", 403, NULL);
  expect("GET /hello HTTP/1.1\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n", "", 403, NULL);
  expect("GET /hello HTTP/1.1\r\nSec-Fetch-Site: same-site\r\nSec-Fetch-Mode: no-cors\r\n", "", 403, NULL);
  expect("GET /hello HTTP/1.1\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n", "", 200, NULL);
  expect("POST /size HTTP/1.1\r\nContent-Length: 0\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n", "", 403, NULL);
  expect("GET /hello HTTP/1.1\r\nSec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: cors\r\n", "", 200, NULL);
}

static void json_bodies(void **state) {
  expect("POST /echo HTTP/1.1\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: 7\r\n", "{\"a\":1}", 200, "{\"a\":1}");
  expect("POST /echo HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 5\r\n", "{\"a\":", 400, "JSON line 1");
  expect("POST /echo HTTP/1.1\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n", "{}", 400, "Content-Type");
  expect("POST /echo HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 5\r\n", "\"\xff\xfe\xfd\"", 400, "UTF-8");
  expect("POST /echo HTTP/1.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n", "2\r\n{}\r\n0\r\n\r\n", 200, "{}");
  expect("POST /echo HTTP/1.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n",
         "2\r\n{}\r\n0\r\n\r\n", 400, NULL);
}

static void body_limit(void **state) {
  char *body = calloc(1, RK_MAX_HTTP_BODY_BYTES + 1), head[100], want[40];
  for (size_t n = RK_MAX_HTTP_BODY_BYTES - 1; n <= RK_MAX_HTTP_BODY_BYTES + 1; n++) {
    snprintf(head, sizeof head, "POST /size HTTP/1.1\r\nContent-Length: %zu\r\n", n);
    snprintf(want, sizeof want, "\r\n\r\n%zu", n);
    bool fits = n <= RK_MAX_HTTP_BODY_BYTES;
    expect_full(own_host(), head, body, n, fits ? 200 : 413, fits ? want : "too_large");
  }
  struct rk_buf chunked; /* a length that is not announced */
  rk_buf_init(&chunked, 64 << 20);
  for (int i = 0; i < 5; i++) {
    rk_buf_addf(&chunked, "100000\r\n");
    rk_buf_add(&chunked, body, 1 << 20);
    rk_buf_addf(&chunked, "\r\n");
  }
  rk_buf_addf(&chunked, "0\r\n\r\n");
  expect_full(own_host(), "POST /size HTTP/1.1\r\nTransfer-Encoding: chunked\r\n", chunked.p, chunked.n, 413, NULL);
  rk_buf_release(&chunked);
  free(body);
  expect("POST /size HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 999999999\r\n", "", 413, NULL);
  expect("POST /size HTTP/1.1\r\nContent-Length: -1\r\n", "", 400, NULL);
}

static void header_limit(void **state) {
  char *head = calloc(1, 40000);
  /* what stands besides the filler: method, path, 12; Host, Connection and X with 4 each */
  size_t fixed = 3 + 6 + 12 + 4 + strlen(own_host()) + 4 + 10 + 5 + 4 + 1 + 4;
  for (size_t n = RK_MAX_HTTP_HEADER_BYTES - 1; n <= RK_MAX_HTTP_HEADER_BYTES + 1; n++) {
    int at = sprintf(head, "GET /hello HTTP/1.1\r\nX: ");
    memset(head + at, 'a', n - fixed);
    strcpy(head + at + n - fixed, "\r\n");
    expect(head, "", n <= RK_MAX_HTTP_HEADER_BYTES ? 200 : 431, NULL);
  }
  free(head);
}

static void keeps_the_connection(void **state) {
  char req[400], got[4096];
  int fd = dial(port);
  for (int i = 0; i < 3; i++) { /* an error in between does not end it */
    snprintf(req, sizeof req, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", i == 1 ? "/nothing" : "/hello", own_host());
    put(fd, req, strlen(req));
    ssize_t n = recv(fd, got, sizeof got - 1, 0);
    assert_true(n > 0);
    got[n] = 0;
    assert_non_null(strstr(got, i == 1 ? "404" : "200"));
  }
  close(fd);
}

static void *get_later(void *arg) {
  char *a = ask_host(own_host(), "GET /later HTTP/1.1\r\n", "", 0);
  *(int *)arg = strstr(a, "\r\n\r\n/later") != NULL;
  free(a);
  return NULL;
}

static void detached_answers(void **state) {
  enum { N = 40 };
  pthread_t t[N];
  int ok[N];
  for (int i = 0; i < N; i++) assert_int_equal(pthread_create(&t[i], NULL, get_later, &ok[i]), 0);
  for (int i = 0; i < N; i++) {
    pthread_join(t[i], NULL);
    assert_int_equal(ok[i], 1);
  }
}

static void sees_that_a_client_left(void **state) {
  char req[200];
  int fd = dial(port);
  snprintf(req, sizeof req, "GET /waits HTTP/1.1\r\nHost: %s\r\n\r\n", own_host());
  put(fd, req, strlen(req));
  rk_sleep_ms(100);
  close(fd);
  for (int i = 0; i < 300 && !atomic_load(&left_noticed); i++) rk_sleep_ms(10);
  assert_int_equal(atomic_load(&left_noticed), 1);
}

static void streams_events(void **state) {
  expect("GET /events HTTP/1.1\r\n", "", 200, "text/event-stream");
  char *a = ask_host(own_host(), "GET /events HTTP/1.0\r\n", "", 0); /* not chunked: the bytes as they are */
  assert_non_null(strstr(a, "\r\n\r\ndata: 0\n\ndata: 1\n\ndata: 2\n\n"));
  free(a);
}

static int open_stream(const char *path) {
  char req[200];
  int fd = dial(port);
  snprintf(req, sizeof req, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, own_host());
  put(fd, req, strlen(req));
  return fd;
}

static void wait_for_end(rk_err want, int64_t limit_ms) {
  for (int64_t start = rk_mono_ms(); atomic_load(&stream_end) == RK_OK && rk_mono_ms() - start < limit_ms;) rk_sleep_ms(10);
  assert_int_equal(atomic_load(&stream_end), want);
  atomic_store(&stream_end, RK_OK);
}

static void slow_reader_is_cut(void **state) {
  int fd = open_stream("/flood"); /* never read */
  wait_for_end(RK_EBUSY, 5000);
  close(fd);
}

static void silent_stream_notices_the_end(void **state) {
  int fd = open_stream("/silence");
  rk_sleep_ms(300);
  close(fd);
  wait_for_end(RK_EGONE, 3000);
}

static void heartbeats(void **state) {
  int fd = open_stream("/silence");
  char got[2048];
  size_t n = 0;
  int64_t start = rk_mono_ms();
  while (n < sizeof got - 1 && rk_mono_ms() - start < RK_SSE_HEARTBEAT_MS + 2000) {
    ssize_t k = recv(fd, got + n, sizeof got - 1 - n, 0);
    assert_true(k > 0);
    n += (size_t)k;
    got[n] = 0;
    if (strstr(got, ":\n\n")) break;
  }
  assert_non_null(strstr(got, "\r\n\r\n"));
  assert_non_null(strstr(got, ":\n\n"));
  close(fd);
  wait_for_end(RK_EGONE, 3000);
}

static void too_many_streams(void **state) {
  int fds[RK_MAX_SSE_STREAMS];
  char got[256];
  for (int i = 0; i < RK_MAX_SSE_STREAMS; i++) fds[i] = open_stream("/silence");
  for (int i = 0; i < RK_MAX_SSE_STREAMS; i++) {
    ssize_t n = recv(fds[i], got, sizeof got - 1, 0);
    assert_true(n > 12 && memcmp(got, "HTTP/1.1 200", 12) == 0);
  }
  expect("GET /silence HTTP/1.1\r\n", "", 503, "Retry-After");
  for (int i = 0; i < RK_MAX_SSE_STREAMS; i++) close(fds[i]);
  wait_for_end(RK_EGONE, 3000);
  rk_sleep_ms(500);
  atomic_store(&stream_end, RK_OK);
}

static void too_many_from_one_address(void **state) {
  int fds[RK_MAX_HTTP_PER_IP];
  rk_sleep_ms(300); /* earlier connections are gone */
  for (int i = 0; i < RK_MAX_HTTP_PER_IP; i++) assert_true((fds[i] = dial(port)) >= 0);
  rk_sleep_ms(300);
  expect("GET /hello HTTP/1.1\r\n", "", 429, "Retry-After");
  for (int i = 0; i < RK_MAX_HTTP_PER_IP; i++) close(fds[i]);
  rk_sleep_ms(300);
  expect("GET /hello HTTP/1.1\r\n", "", 200, NULL);
}

static void slow_client_is_ended(void **state) {
  struct rk_http *h = start((struct rk_http_opts){.receive_timeout_s = 1, .idle_timeout_s = 5});
  int fd = dial(rk_http_port(h)), fine = dial(rk_http_port(h));
  int64_t start_ms = rk_mono_ms();
  char c;
  while (rk_mono_ms() - start_ms < 6000) { /* one byte at a time, for ever */
    if (send(fd, "G", 1, MSG_NOSIGNAL) < 0 || recv(fd, &c, 1, MSG_DONTWAIT) == 0) break;
    rk_sleep_ms(50);
  }
  assert_true(rk_mono_ms() - start_ms < 3000);
  close(fd);
  close(fine);
  rk_http_stop(h);
}

static void garbage_does_no_harm(void **state) {
  static const char *const junk[] = {"\x16\x03\x01\x02\x00\x01", "GET\r\n\r\n", "\r\n\r\n\r\n", "GET /hello HTTP/9.9\r\n\r\n",
                                     "POST /size HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "GET /hello HTTP/1.1\r\n\r\n"};
  for (size_t i = 0; i < sizeof junk / sizeof *junk; i++) {
    int fd = dial(port);
    put(fd, junk[i], strlen(junk[i]));
    shutdown(fd, SHUT_WR);
    free(slurp(fd));
    close(fd);
  }
  expect("GET /hello HTTP/1.1\r\n", "", 200, NULL);
}

static void taken_port(void **state) {
  struct rk_http *h;
  struct rk_error e;
  assert_int_equal(rk_http_start(&(struct rk_http_opts){.address = "127.0.0.1", .port = port, .routes = routes, .n_routes = 1}, &h, &e),
                   RK_ECONFLICT);
  assert_non_null(strstr(e.msg, "is taken"));
  assert_int_equal(rk_http_start(&(struct rk_http_opts){.address = "nowhere", .routes = routes, .n_routes = 1}, &h, &e), RK_EINVAL);
}

static void drains_then_stops(void **state) {
  struct rk_http *h = start((struct rk_http_opts){0});
  int old = port;
  port = rk_http_port(h);
  pthread_t t;
  int ok = 0, silent = open_stream("/silence");
  assert_int_equal(pthread_create(&t, NULL, get_later, &ok), 0);
  rk_sleep_ms(20);
  rk_http_drain(h, 300); /* the stream is not ended by its owner */
  pthread_join(t, NULL);
  assert_int_equal(ok, 1);
  assert_int_equal(dial(port), -1);
  rk_http_stop(h);
  close(silent);
  wait_for_end(RK_EGONE, 1000);
  port = old;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(routes_and_decoding), cmocka_unit_test(host_must_be_ours), cmocka_unit_test(origin_must_be_ours),
      cmocka_unit_test(json_bodies), cmocka_unit_test(body_limit), cmocka_unit_test(header_limit),
      cmocka_unit_test(keeps_the_connection), cmocka_unit_test(detached_answers), cmocka_unit_test(sees_that_a_client_left),
      cmocka_unit_test(streams_events), cmocka_unit_test(slow_reader_is_cut), cmocka_unit_test(silent_stream_notices_the_end),
      cmocka_unit_test(heartbeats), cmocka_unit_test(too_many_streams), cmocka_unit_test(too_many_from_one_address),
      cmocka_unit_test(slow_client_is_ended), cmocka_unit_test(garbage_does_no_harm), cmocka_unit_test(taken_port),
      cmocka_unit_test(drains_then_stops)};
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
