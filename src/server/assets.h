/* assets.h - the page, embedded.
 *
 * web/build.sh bundles web/ into build/MODE/gen/web_assets.h, which defines the
 * table below; src/server/assets.c includes it and nothing else does. Files are
 * kept gzipped only: every browser accepts it. The path "/" is the page itself
 * and also answers for /chat/ID, /orders, /orders/ID/receipt and /profile, which the page routes. */
#ifndef RK_SERVER_ASSETS_H
#define RK_SERVER_ASSETS_H

#include <stddef.h>

struct rk_asset {
  const char *path, *content_type;
  const char *etag;               /* quoted, changes with the bytes */
  const unsigned char *gz;
  size_t gz_bytes;
};
extern const struct rk_asset rk_assets[];
extern const size_t rk_n_assets;
/* Content-Security-Policy of the page. */
extern const char rk_assets_csp[];

#endif
