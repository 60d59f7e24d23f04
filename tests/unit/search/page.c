/* Pages: what is read, what is left out, where links lead. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "search/page.h"

static json_t *page;
static struct rk_error e;

static rk_err read(rk_str html, const char *charset) {
  json_decref(page);
  page = NULL;
  return rk_page_read(html, "http://news.example/a/b", charset, &page, &e);
}

static const char *text_of(const char *html) {
  assert_int_equal(read(rk_str_c(html), NULL), RK_OK);
  return rk_json_cstr(page, "text", "?");
}

static void test_text(void **state) {
  assert_string_equal(text_of("<body><nav>menu</nav><h1>T</h1><p>one  <b>two</b>\n three</p><ul><li>a<li>b</ul><table><tr><td>x<td>y</table></body>"),
                      "# T\none two three\n- a\n- b\nx | y");
  assert_string_equal(text_of("<main><h3>in</h3>x<br>y</main><p>out</p>"), "### in\nx\ny");
  assert_string_equal(text_of("<article>one</article><article>two</article>"), "one\ntwo");
  assert_string_equal(text_of("<p>a<script>s()</script><style>p{}</style><span hidden>h</span><i style='display:none'>n</i><template>t</template>b"), "ab");
  assert_string_equal(text_of("just words"), "just words");
}

static void test_head(void **state) {
  text_of("<html lang=zh><head><title> 露营 </title><meta property='article:published_time' content='2026-11-21T09:00'></head><body>x</body></html>");
  assert_string_equal(rk_json_cstr(page, "title", ""), "露营");
  assert_string_equal(rk_json_cstr(page, "lang", ""), "zh");
  assert_string_equal(rk_json_cstr(page, "published", ""), "2026-11-21");
  text_of("<p><time datetime='2026-11-20T08:00:00'>then</time>");
  assert_string_equal(rk_json_cstr(page, "published", ""), "2026-11-20");
  text_of("<p><time datetime='soon'>then</time>");
  assert_null(json_object_get(page, "published"));
}

static void test_links(void **state) {
  text_of("<base><p><a href='c?d#e'>one</a><a href='//x.example/y'>two</a><a href='javascript:f()'>no</a><a href='mailto:a@b'>no</a><nav><a href='/n'>menu</a></nav>");
  const json_t *links = rk_json_arr(page, "links");
  assert_int_equal(json_array_size(links), 2);
  assert_string_equal(rk_json_cstr(json_array_get(links, 0), "url", ""), "http://news.example/a/c?d");
  assert_string_equal(rk_json_cstr(json_array_get(links, 1), "url", ""), "http://x.example/y");
  assert_string_equal(rk_json_cstr(json_array_get(links, 1), "text", ""), "two");
}

static void test_limits(void **state) {
  struct rk_buf b;
  rk_buf_init(&b, 8 << 20);
  for (int i = 0; i < 100000; i++) rk_buf_adds(&b, "<div>");
  rk_buf_adds(&b, "deep");
  assert_int_equal(read(rk_buf_str(&b), NULL), RK_OK);
  rk_buf_clear(&b);
  for (int i = 0; i < 60000; i++) rk_buf_adds(&b, "<p>0123456789</p>");
  assert_int_equal(read(rk_buf_str(&b), NULL), RK_OK);
  assert_true(rk_json_bool(page, "cut", false) && rk_json_str(page, "text").n <= RK_MAX_PAGE_TEXT_BYTES);
  while (b.n <= RK_MAX_PAGE_HTML_BYTES) rk_buf_adds(&b, "<p>0123456789</p>");
  assert_int_equal(read(rk_buf_str(&b), NULL), RK_ETOOBIG);
  assert_int_equal(read(RK_STR(""), NULL), RK_EFORMAT);
  rk_buf_release(&b);
}

static void test_charsets(void **state) {
  assert_int_equal(read(RK_STR("<p>\xc2\xb6\xd3\xaa"), "GBK"), RK_OK);
  assert_string_equal(rk_json_cstr(page, "text", ""), "露营");
  assert_int_equal(read(RK_STR("<p>a\xff\xfe" "b"), "no-such-charset"), RK_OK);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_text), cmocka_unit_test(test_head), cmocka_unit_test(test_links), cmocka_unit_test(test_limits),
                                     cmocka_unit_test(test_charsets)};
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  json_decref(page);
  return failed;
}
