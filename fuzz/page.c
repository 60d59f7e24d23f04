/* Pages: any bytes are read or refused; the text is UTF-8 and within its limits, links lead to the web. */
#include "base/utf8.h"
#include "search/page.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  json_t *page = NULL, *link;
  struct rk_error e = {0};
  size_t i;
  if (rk_page_read((rk_str){(const char *)data, size}, "http://a.example/b", NULL, &page, &e)) {
    RK_ASSERT(e.msg[0]);
    return 0;
  }
  RK_ASSERT(rk_json_str(page, "text").n <= RK_MAX_PAGE_TEXT_BYTES && rk_utf8_valid(rk_json_str(page, "text")));
  RK_ASSERT(json_array_size(rk_json_arr(page, "links")) <= RK_MAX_PAGE_LINKS);
  json_array_foreach(rk_json_arr(page, "links"), i, link) RK_ASSERT(rk_str_starts(rk_json_str(link, "url"), RK_STR("http")));
  json_decref(page);
  return 0;
}
