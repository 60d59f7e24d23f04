/* Replies: any bytes, cut into pieces by the bytes themselves, give the same
 * events as in one piece. Byte 0 chooses the mode. */
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "chat/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct events {
  struct rk_buf line;
  int last;
};

static void note(void *ud, const struct rk_reply_event *ev) {
  struct events *e = ud;
  if (ev->type != (enum rk_reply_type)e->last || ev->type >= RK_REPLY_CALL) rk_buf_addf(&e->line, "\n%d:", (int)ev->type);
  e->last = (int)ev->type;
  RK_ASSERT(rk_utf8_valid(ev->text));
  rk_buf_addstr(&e->line, ev->text);
  if (ev->type != RK_REPLY_CALL) return;
  char *args = rk_json_dump(ev->args);
  rk_buf_addf(&e->line, "%s %s", ev->name, args);
  free(args);
}

static bool accept(void *ud, const char *name, const json_t *args) {
  (void)ud, (void)args;
  return name[0] != 'x';
}

static void run(const uint8_t *data, size_t size, unsigned mode, bool cut, struct events *e) {
  *e = (struct events){.last = -1};
  rk_buf_init(&e->line, 64u << 20);
  struct rk_reply r;
  rk_reply_init(&r, &(struct rk_reply_opts){.tools = mode & 1, .text_tags = mode & 2, .thinking = mode & 4, .accept = accept, .fn = note, .ud = e});
  rk_err err = RK_OK;
  for (size_t i = 0; i < size && !err;) {
    size_t n = cut ? 1 + data[i] % 7u : size;
    if (n > size - i) n = size - i;
    err = rk_reply_feed(&r, (rk_str){(const char *)data + i, n}, false);
    i += n;
  }
  if (!err) err = rk_reply_end(&r, mode & 8);
  rk_reply_release(&r);
  RK_ASSERT(err == RK_OK || err == RK_ETOOBIG);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 1 || size > 65536) return 0;
  struct events whole, pieces;
  run(data + 1, size - 1, data[0], false, &whole);
  run(data + 1, size - 1, data[0], true, &pieces);
  RK_ASSERT(rk_str_eq(rk_buf_str(&whole.line), rk_buf_str(&pieces.line)));
  rk_buf_release(&whole.line);
  rk_buf_release(&pieces.line);
  return 0;
}
