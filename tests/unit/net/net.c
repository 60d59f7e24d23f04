/* Outgoing HTTP against a small scripted server: the guard, redirects, bounds, time-outs, cancelling, streaming. */
#include "net/net.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "net/address.h"

/* ---- the scripted server: one thread a connection, answers by path ---- */

static int listen_fd;
static int port;
static char origin[64], other_origin[64];
static atomic_int n_requests;

static void send_all(int fd, const char *s) {
  for (size_t n = strlen(s); n;) {
    ssize_t k = send(fd, s, n, MSG_NOSIGNAL);
    if (k <= 0) return;
    s += k;
    n -= (size_t)k;
  }
}

static void say(int fd, const char *status, const char *headers, const char *body) {
  char head[4096];
  snprintf(head, sizeof head, "HTTP/1.1 %s\r\nContent-Length: %zu\r\nConnection: close\r\n%s\r\n", status, strlen(body), headers);
  send_all(fd, head);
  send_all(fd, body);
}

static void answer(int fd, const char *req) {
  char line[512], h[700];
  if (strstr(req, " /hello ")) {
    say(fd, "200 OK", "X-Test: yes\r\n", "hello");
  } else if (strstr(req, " /echo ")) {
    say(fd, "200 OK", "", req);
  } else if (strstr(req, " /loop ")) {
    say(fd, "302 Found", "Location: /loop\r\n", "");
  } else if (sscanf(req, "%*s /to?%511s", line) == 1) {
    snprintf(h, sizeof h, "Location: %s\r\n", line);
    say(fd, "302 Found", h, "moved");
  } else if (strstr(req, " /big ")) {
    char body[2001];
    memset(body, 'b', 2000);
    body[2000] = 0;
    say(fd, "200 OK", "", body);
  } else if (strstr(req, " /slow ")) {
    poll(NULL, 0, 1500);
  } else if (strstr(req, " /bighead ")) {
    char one[1100];
    memset(one, 'h', sizeof one);
    memcpy(one, "X-H: ", 5);
    strcpy(one + 1000, "\r\n");
    send_all(fd, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 80; i++) send_all(fd, one);
    send_all(fd, "\r\n");
  } else if (strstr(req, " /garbage ")) {
    send_all(fd, "\x01\x02 this is no HTTP\r\n\r\n");
  } else if (strstr(req, " /short ")) {
    send_all(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this");
  } else {
    say(fd, "404 Not Found", "", "nothing here");
  }
}

static void *serve_one(void *arg) {
  int fd = (int)(intptr_t)arg;
  char req[8192];
  size_t n = 0;
  ssize_t k;
  while (n < sizeof req - 1 && (k = recv(fd, req + n, sizeof req - 1 - n, 0)) > 0) {
    n += (size_t)k;
    req[n] = 0;
    char *end = strstr(req, "\r\n\r\n"), *length = strstr(req, "Content-Length: ");
    if (end && n >= (size_t)(end - req) + 4 + (length ? strtoul(length + 16, NULL, 10) : 0)) break;
  }
  req[n] = 0;
  atomic_fetch_add(&n_requests, 1);
  answer(fd, req);
  close(fd);
  return NULL;
}

static void *serve(void *arg) {
  int fd;
  while ((fd = accept(listen_fd, NULL, NULL)) >= 0) {
    pthread_t t;
    if (pthread_create(&t, NULL, serve_one, (void *)(intptr_t)fd) == 0) pthread_detach(t);
  }
  return NULL;
}

static struct rk_net *net;

static int set_up(void **state) {
  listen_fd = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in at = {.sin_family = AF_INET}; /* every address of the machine */
  socklen_t n = sizeof at;
  if (bind(listen_fd, (struct sockaddr *)&at, n) || listen(listen_fd, 64) ||
      getsockname(listen_fd, (struct sockaddr *)&at, &n))
    return 1;
  port = ntohs(at.sin_port);
  snprintf(origin, sizeof origin, "http://127.0.0.1:%d", port);
  snprintf(other_origin, sizeof other_origin, "http://127.0.0.3:%d", port);
  pthread_t t;
  if (pthread_create(&t, NULL, serve, NULL)) return 1;
  pthread_detach(t);
  return rk_net_new(&net, NULL) || rk_net_allow(net, origin);
}

static int tear_down(void **state) {
  rk_net_free(net);
  return 0;
}

static struct rk_net_response get(const char *base, const char *path, struct rk_net_request q) {
  char url[1024];
  snprintf(url, sizeof url, "%s%s", base, path);
  q.url = url;
  struct rk_net_response r;
  rk_net_fetch(net, &q, &r);
  return r;
}

static void expect_err(const char *base, const char *path, struct rk_net_request q, rk_err want) {
  struct rk_net_response r = get(base, path, q);
  if (r.err != want) fail_msg("%s%s: %s (%s), wanted %s", base, path, rk_err_api(r.err), r.error.msg, rk_err_api(want));
  if (want) assert_true(r.error.msg[0] != 0);
  rk_net_response_release(&r);
}

/* ---- tests ---- */

static void answers_whatever_the_status(void **state) {
  struct rk_net_response r = get(origin, "/hello", (struct rk_net_request){0});
  assert_int_equal(r.err, RK_OK);
  assert_int_equal(r.status, 200);
  assert_true(r.sent);
  assert_true(rk_str_eq_c(rk_buf_str(&r.body), "hello"));
  assert_true(rk_str_eq_c(rk_net_header(&r, "x-test"), "yes"));
  assert_int_equal(rk_net_header(&r, "x-tes").n, 0);
  rk_net_response_release(&r);
  r = get(origin, "/nothing", (struct rk_net_request){0});
  assert_int_equal(r.err, RK_OK);
  assert_int_equal(r.status, 404);
  rk_net_response_release(&r);
}

static void sends_method_headers_body(void **state) {
  struct rk_header h[] = {{"X-One", "1"}, {"Content-Type", "application/json"}, {"X-Empty", ""}};
  struct rk_net_response r = get(origin, "/echo", (struct rk_net_request){.method = "PUT", .headers = h, .n_headers = 3,
                                                                         .body = RK_STR("{\"a\":1}")});
  assert_int_equal(r.err, RK_OK);
  assert_non_null(strstr(r.body.p, "PUT /echo HTTP/1.1"));
  assert_non_null(strstr(r.body.p, "X-One: 1\r\n"));
  assert_non_null(strstr(r.body.p, "X-Empty:"));
  assert_non_null(strstr(r.body.p, "\r\n\r\n{\"a\":1}"));
  rk_net_response_release(&r);
  struct rk_header evil = {"X-One", "1\r\nHost: elsewhere"};
  expect_err(origin, "/echo", (struct rk_net_request){.headers = &evil, .n_headers = 1}, RK_EINVAL);
}

static void guard_refuses_private_places(void **state) {
  int before = atomic_load(&n_requests);
  char text[64];
  static const char *const hosts[] = {"127.0.0.2", "localhost", "0.0.0.0", "127.1", "2130706433", "0x7f000001", "[::1]",
                                      "[::ffff:127.0.0.1]", "169.254.169.254", "10.0.0.1", "192.168.1.1"};
  for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
    snprintf(text, sizeof text, "http://%s:%d", hosts[i], port);
    char exact[300];
    if (rk_net_origin(text, exact, sizeof exact) == RK_OK && strcmp(exact, origin) == 0) continue; /* is the allowed one */
    expect_err(text, "/hello", (struct rk_net_request){0}, RK_EFORBIDDEN);
  }
  snprintf(text, sizeof text, "http://user@127.0.0.1:%d", port);
  expect_err(text, "/hello", (struct rk_net_request){0}, RK_EINVAL);
  expect_err("file://", "/etc/passwd", (struct rk_net_request){0}, RK_EINVAL);
  expect_err("gopher://127.0.0.1", "/", (struct rk_net_request){0}, RK_EINVAL);
  assert_int_equal(atomic_load(&n_requests), before);
}

static void special_addresses(void **state) {
  static const struct { const char *text; bool special; } v4[] = {
      {"8.8.8.8", false}, {"9.255.255.255", false}, {"10.0.0.0", true}, {"100.63.255.255", false}, {"100.64.0.0", true},
      {"100.127.255.255", true}, {"100.128.0.0", false}, {"172.15.255.255", false}, {"172.16.0.1", true},
      {"172.31.255.255", true}, {"172.32.0.0", false}, {"192.0.0.8", true}, {"192.0.2.1", true}, {"192.167.1.1", false},
      {"198.17.255.255", false}, {"198.18.0.1", true}, {"198.19.255.255", true}, {"198.20.0.0", false},
      {"223.255.255.255", false}, {"224.0.0.1", true}, {"255.255.255.255", true}};
  static const struct { const char *text; bool special; } v6[] = {
      {"2606:4700::1111", false}, {"::", true}, {"::1", true}, {"fe80::1", true}, {"fc00::1", true}, {"ff02::1", true},
      {"2001:db8::1", true}, {"2001::1", true}, {"2001:1ff::1", true}, {"2001:200::1", false}, {"2002:7f00:1::", true},
      {"3fff:fff::1", true}, {"3fff:1000::1", false}, {"::ffff:8.8.8.8", false}, {"::ffff:10.0.0.1", true},
      {"64:ff9b::808:808", false}, {"64:ff9b::7f00:1", true}, {"::7f00:1", true}};
  for (size_t i = 0; i < sizeof v4 / sizeof *v4; i++) {
    struct sockaddr_in a = {.sin_family = AF_INET};
    assert_int_equal(inet_pton(AF_INET, v4[i].text, &a.sin_addr), 1);
    if (rk_address_is_special((struct sockaddr *)&a) != v4[i].special) fail_msg("%s", v4[i].text);
  }
  for (size_t i = 0; i < sizeof v6 / sizeof *v6; i++) {
    struct sockaddr_in6 a = {.sin6_family = AF_INET6};
    assert_int_equal(inet_pton(AF_INET6, v6[i].text, &a.sin6_addr), 1);
    if (rk_address_is_special((struct sockaddr *)&a) != v6[i].special) fail_msg("%s", v6[i].text);
  }
}

static void redirects(void **state) {
  struct rk_net_request q = {.follow_redirects = true};
  struct rk_net_response r = get(origin, "/to?/hello", q);
  assert_int_equal(r.status, 200);
  assert_true(rk_str_eq_c(rk_buf_str(&r.body), "hello"));
  rk_net_response_release(&r);
  r = get(origin, "/to?/hello", (struct rk_net_request){0}); /* not asked to */
  assert_int_equal(r.status, 302);
  rk_net_response_release(&r);
  expect_err(origin, "/loop", q, RK_EUPSTREAM);
  char path[128];
  snprintf(path, sizeof path, "/to?%s/hello", other_origin); /* the guard looks again */
  expect_err(origin, path, q, RK_EFORBIDDEN);
  expect_err(origin, "/to?file:///etc/passwd", q, RK_EINVAL);
  q.method = "POST";
  q.body = RK_STR("BODY");
  r = get(origin, "/to?/echo", q);
  assert_non_null(strstr(r.body.p, "GET /echo"));
  assert_null(strstr(r.body.p, "BODY"));
  rk_net_response_release(&r);
}

static void secrets_stay_with_their_origin(void **state) {
  struct rk_net *n;
  assert_int_equal(rk_net_new(&n, NULL), RK_OK);
  assert_int_equal(rk_net_allow(n, origin) || rk_net_allow(n, other_origin), RK_OK);
  struct rk_header h[] = {{"authorization", "Bearer secret"}, {"X-Plain", "1"}};
  for (int same = 0; same < 2; same++) {
    char url[256];
    snprintf(url, sizeof url, "%s/to?%s/echo", origin, same ? origin : other_origin);
    struct rk_net_response r;
    rk_net_fetch(n, &(struct rk_net_request){.url = url, .headers = h, .n_headers = 2, .follow_redirects = true}, &r);
    assert_int_equal(r.err, RK_OK);
    assert_non_null(strstr(r.body.p, "X-Plain"));
    assert_int_equal(strstr(r.body.p, "secret") != NULL, same);
    rk_net_response_release(&r);
  }
  rk_net_free(n);
}

/* A merchant's picture: other private origins of ours are none of its business, by a redirect neither. */
static void only_one_origin_may_be_private(void **state) {
  struct rk_net *n;
  char urls[3][256];
  static const rk_err want[] = {RK_OK, RK_EFORBIDDEN, RK_EFORBIDDEN};
  assert_int_equal(rk_net_new(&n, NULL), RK_OK);
  assert_int_equal(rk_net_allow(n, origin) || rk_net_allow(n, other_origin), RK_OK);
  snprintf(urls[0], sizeof urls[0], "%s/hello", other_origin);
  snprintf(urls[1], sizeof urls[1], "%s/hello", origin);
  snprintf(urls[2], sizeof urls[2], "%s/to?%s/hello", other_origin, origin);
  for (int i = 0; i < 3; i++) {
    struct rk_net_response r;
    rk_net_fetch(n, &(struct rk_net_request){.url = urls[i], .follow_redirects = true, .only_private = other_origin}, &r);
    assert_int_equal(r.err, want[i]);
    rk_net_response_release(&r);
  }
  rk_net_free(n);
}

static void bounds(void **state) {
  struct rk_net_response r = get(origin, "/big", (struct rk_net_request){.max_bytes = 2000});
  assert_int_equal(r.err, RK_OK);
  assert_int_equal(r.body.n, 2000);
  rk_net_response_release(&r);
  expect_err(origin, "/big", (struct rk_net_request){.max_bytes = 1999}, RK_ETOOBIG);
  expect_err(origin, "/bighead", (struct rk_net_request){0}, RK_ETOOBIG);
}

static void faults_have_their_own_codes(void **state) {
  expect_err(origin, "/slow", (struct rk_net_request){.timeout_ms = 100}, RK_ETIMEOUT);
  expect_err(origin, "/garbage", (struct rk_net_request){0}, RK_EUPSTREAM);
  expect_err(origin, "/short", (struct rk_net_request){0}, RK_EUPSTREAM);
  struct rk_net *n;
  assert_int_equal(rk_net_new(&n, NULL), RK_OK);
  assert_int_equal(rk_net_allow(n, "http://127.0.0.1:1"), RK_OK);
  struct rk_net_response r;
  rk_net_fetch(n, &(struct rk_net_request){.url = "http://127.0.0.1:1/x"}, &r);
  assert_int_equal(r.err, RK_EUNAVAIL); /* refused: nobody there */
  assert_false(r.sent);
  rk_net_response_release(&r);
  rk_net_free(n);
}

static void *cancel_later(void *arg) {
  rk_sleep_ms(100);
  atomic_store((atomic_int *)arg, 1);
  return NULL;
}

static void cancels(void **state) {
  atomic_int cancel = 0;
  pthread_t t;
  assert_int_equal(pthread_create(&t, NULL, cancel_later, &cancel), 0);
  int64_t start = rk_mono_ms();
  expect_err(origin, "/slow", (struct rk_net_request){.cancel = &cancel}, RK_ECANCELLED);
  assert_true(rk_mono_ms() - start < 1000);
  pthread_join(t, NULL);
}

static void many_run_side_by_side(void **state) {
  enum { N = 100 };
  struct rk_net_request q[N];
  struct rk_net_response r[N];
  char slow[128], quick[128];
  snprintf(slow, sizeof slow, "%s/slow", origin);
  snprintf(quick, sizeof quick, "%s/hello", origin);
  for (int i = 0; i < N; i++) q[i] = (struct rk_net_request){.url = i % 10 ? quick : slow, .timeout_ms = i % 10 ? 0 : 300};
  int64_t start = rk_mono_ms();
  rk_net_fetch_all(net, q, r, N);
  assert_true(rk_mono_ms() - start < 2500);
  for (int i = 0; i < N; i++) {
    assert_int_equal(r[i].err, i % 10 ? RK_OK : RK_ETIMEOUT);
    rk_net_response_release(&r[i]);
  }
}

struct pieces { struct rk_buf got; size_t stop_at; };
static bool take(void *ud, rk_str piece) {
  struct pieces *p = ud;
  rk_buf_addstr(&p->got, piece);
  return p->stop_at == 0 || p->got.n < p->stop_at;
}

static void streams(void **state) {
  struct pieces p = {0};
  rk_buf_init(&p.got, 4096);
  struct rk_net_request q = {.on_data = take, .ud = &p};
  struct rk_net_response r = get(origin, "/big", q);
  assert_int_equal(r.err, RK_OK);
  assert_int_equal(p.got.n, 2000);
  assert_int_equal(r.body.n, 0);
  rk_net_response_release(&r);
  p.stop_at = 1;
  r = get(origin, "/hello", q); /* ended by the caller */
  assert_int_equal(r.err, RK_OK);
  rk_net_response_release(&r);
  rk_buf_clear(&p.got);
  r = get(origin, "/nothing", q); /* an error's body is not the stream */
  assert_int_equal(r.status, 404);
  assert_true(rk_str_eq_c(rk_buf_str(&r.body), "nothing here"));
  assert_int_equal(p.got.n, 0);
  rk_net_response_release(&r);
  rk_buf_release(&p.got);
}

static void origins(void **state) {
  static const struct { const char *url, *origin; } cases[] = {
      {"http://Example.COM/x?y", "http://example.com"}, {"https://a.b:443/", "https://a.b"}, {"http://a:80", "http://a"},
      {"http://a:8080/x", "http://a:8080"}, {"http://[::1]:7/x", "http://[::1]:7"}, {"ftp://a/", NULL}, {"/x", NULL},
      {"http://u:p@a/", NULL}, {"", NULL}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char out[300];
    rk_err err = rk_net_origin(cases[i].url, out, sizeof out);
    assert_int_equal(err == RK_OK, cases[i].origin != NULL);
    if (!err) assert_string_equal(out, cases[i].origin);
  }
  char tiny[8];
  assert_int_not_equal(rk_net_origin("http://example.com/", tiny, sizeof tiny), RK_OK);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(answers_whatever_the_status), cmocka_unit_test(sends_method_headers_body),
      cmocka_unit_test(guard_refuses_private_places), cmocka_unit_test(special_addresses), cmocka_unit_test(redirects),
      cmocka_unit_test(secrets_stay_with_their_origin), cmocka_unit_test(only_one_origin_may_be_private), cmocka_unit_test(bounds),
      cmocka_unit_test(faults_have_their_own_codes), cmocka_unit_test(cancels), cmocka_unit_test(many_run_side_by_side),
      cmocka_unit_test(streams), cmocka_unit_test(origins)};
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
