/* Which bytes are shown as a picture. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "server/pictures.h"

static const char *type(const char *bytes, size_t n, const char *declared) { return rk_picture_type((rk_str){bytes, n}, rk_str_c(declared)); }
#define TYPE(bytes, declared) type(bytes, sizeof(bytes) - 1, declared)

static void the_bytes_say_what_it_is(void **state) {
  assert_string_equal(TYPE("\x89PNG\r\n\x1a\n....", "text/html"), "image/png");
  assert_string_equal(TYPE("\xff\xd8\xff\xe0JFIF", ""), "image/jpeg");
  assert_string_equal(TYPE("GIF89a..", "image/gif"), "image/gif");
  assert_string_equal(TYPE("RIFF....WEBPVP8 ", "image/webp"), "image/webp");
  assert_string_equal(TYPE("\0\0\0\x20""ftypavif", "image/avif"), "image/avif");
  assert_string_equal(TYPE("<?xml version=\"1.0\"?><svg/>", "image/svg+xml; charset=utf-8"), "image/svg+xml");
}

static void nothing_else_is_shown(void **state) {
  assert_null(TYPE("<svg/>", "text/html"));
  assert_null(TYPE("<html><script>1</script>", "image/svg+xml"));
  assert_null(TYPE("<html>", "image/png"));
  assert_null(TYPE("<svg \xff/>", "image/svg+xml"));
  assert_null(TYPE("\x89PNG", "image/png"));
  assert_null(TYPE("", "image/svg+xml"));
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(the_bytes_say_what_it_is), cmocka_unit_test(nothing_else_is_shown)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
