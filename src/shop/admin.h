/* admin.h - inside of the seller's page: admin.c (sign-in, frame, routes),
 * admin_goods.c, admin_orders.c.
 *
 * `rukou shop admin DIR` prints a link that signs in once. The page is for the
 * shop's own origin alone: no key or token of an agent opens it, every write
 * names that Origin and carries the session's CSRF token, and it works without
 * scripts, for a phone as for a desk, in Chinese and English. */
#ifndef RK_SHOP_ADMIN_H
#define RK_SHOP_ADMIN_H

#include "shop/form.h"
#include "shop/goods.h"
#include "shop/html.h"
#include "shop/private.h"

enum { ADMIN_PAGE_ROWS = 25, ADMIN_VALUE_BYTES = RK_MAX_GOODS_TEXT + 2 };

struct admin {
  struct rk_shop *s;
  const struct rk_shop_request *r;
  struct rk_shop_answer *out;
  struct rk_buf b;
  bool en, post, again;            /* again: a form is shown once more, with what was typed */
  char hash[65], csrf[65];         /* of the session */
};

static inline const char *admin_word(const struct admin *a, const char *zh, const char *en) { return a->en ? en : zh; }
/* Head of a page up to its <main>, and its end, which is the answer. here: the path that the menu marks. */
void admin_begin(struct admin *a, const char *title, const char *here);
void admin_end(struct admin *a, int32_t status);
void admin_note(struct admin *a, bool fault, const char *text);
void admin_go(struct admin *a, const char *path);                      /* the answer: go on there, by GET */
void admin_form(struct admin *a, const char *path);                    /* opens a form with its CSRF token */
/* An input with its label; value "" or what is stored. attrs: more attributes, as HTML. */
void admin_input(struct admin *a, const char *label, const char *name, const char *value, const char *attrs);
void admin_pages(struct admin *a, const char *path, const char *query, int64_t from, int32_t total);
void admin_query(const struct admin *a, const char *name, char *out, size_t size); /* of the address, "" absent */
int64_t admin_from(const struct admin *a);

/* rest: the path after "/admin/products" and so on, "" or "/ID" or "/ID/WHAT". False: nothing is there. */
bool admin_goods(struct admin *a, rk_str rest);
bool admin_orders(struct admin *a, rk_str rest);

#endif
