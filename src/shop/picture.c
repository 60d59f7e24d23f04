/* picture.c - a plain drawing of a product: a tile in a colour of its brand, the outline of its kind in its own colour. */
#include <string.h>

#include "shop/private.h"

/* Outlines on a field of 120 x 120. */
static const struct { const char *category, *path; } outlines[] = {
  {"running_shoes", "M18 76q6-6 10-26l14 4q4 10 18 8l36 18q10 4 8 14H18z"},
  {"headphones", "M26 72V62a34 34 0 0 1 68 0v10m-68 0v-4h12v26H30q-4 0-4-6zm68 0v-4H82v26h8q4 0 4-6z"},
  {"blood_pressure_meter", "M30 30h60v60H30zm10 10h40v24H40zm10 34h20v8H50z"},
  {"mask", "M28 48q32-14 64 0v22q-32 26-64 0zm0 4q-14 2-8 12t8 2m64-14q14 2 8 12t-8 2"},
  {"rice_cooker", "M28 54h64v30q0 10-10 10H38q-10 0-10-10zm0-4q4-20 32-20t32 20zm22 16h20v10H50z"},
  {"phone", "M42 18h36q6 0 6 6v72q0 6-6 6H42q-6 0-6-6V24q0-6 6-6zm0 10h36v58H42zm14 64h8"},
  {"flowers", "M60 44m-12 0a12 12 0 1 0 24 0 12 12 0 1 0-24 0m12-26v10m0 32v42m-26-58h10m32 0h10M60 84q16-4 20-18M60 90q-16-4-20-18"},
  {"milk_tea", "M38 38h44l-6 62H44zm-4-8h52v8H34zM62 30l8-18M52 86h1m10 4h1m8-6h1"},
  {"book", "M30 24h50q10 0 10 10v62H40q-10 0-10-10zm0 62q0-8 10-8h50M44 38h32M44 48h24"},
  {"skirt", "M44 24h32l18 68q-34 12-68 0zm0 10h32"},
  {"thermos", "M46 34h28v62q0 6-6 6H52q-6 0-6-6zm4-18h20v14H50zM46 54h28"},
  {"charger", "M36 40h48v44q0 8-8 8H44q-8 0-8-8zm12-20v18m24-18v18M62 50l-10 16h14L56 82"},
  {"tent", "M60 26l44 66H16zm0 0v66m0-30l18 30"},
  {"coffee_beans", "M42 30h36l6 12v52H36V42zM36 42h48M60 58a10 14 0 1 0 .1 0m0 0q-6 14 0 28"}};

static const char *colour_of(const struct rk_product *p) {
  static const struct { const char *name, *css; } known[] = {{"black", "#23262b"}, {"white", "#fdfdfb"}, {"blue", "#2f66b3"}, {"red", "#b3362f"}, {"green", "#2f8a57"}, {"grey", "#7b828c"}};
  for (int32_t i = 0; i < p->n_facts; i++)
    for (size_t k = 0; strcmp(p->facts[i].name, "colour") == 0 && k < sizeof known / sizeof *known; k++)
      if (strcmp(p->facts[i].value, known[k].name) == 0) return known[k].css;
  return "#e9edf2";
}

static rk_err draw(const struct rk_product *p, struct rk_buf *b) {
  const char *path = "M30 40l30-14 30 14v40L60 94 30 80zm0 0l30 14 30-14M60 54v40", *brand = p->id;
  uint32_t hue = 2166136261u;
  for (size_t i = 0; i < sizeof outlines / sizeof *outlines; i++)
    if (strcmp(outlines[i].category, p->category->id) == 0) path = outlines[i].path;
  for (int32_t i = 0; i < p->n_facts; i++)
    if (strcmp(p->facts[i].name, "brand") == 0) brand = p->facts[i].value;
  for (; *brand; brand++) hue = (hue ^ (unsigned char)*brand) * 16777619u;
  return rk_buf_addf(b, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 120 120\" width=\"240\" height=\"240\"><rect width=\"120\" height=\"120\" rx=\"8\" fill=\"hsl(%u 40%% 84%%)\"/>"
                        "<path d=\"%s\" fill=\"%s\" fill-rule=\"evenodd\" stroke=\"hsl(%u 45%% 28%%)\" stroke-width=\"2.5\" stroke-linejoin=\"round\" stroke-linecap=\"round\"/></svg>",
                     hue % 360, path, colour_of(p), hue % 360);
}

bool picture_handle(const struct rk_shop *s, const struct rk_shop_request *r, struct rk_shop_answer *out) {
  const rk_str before = RK_STR("/pictures/"), after = RK_STR(".svg");
  if (!rk_str_eq(r->method, RK_STR("GET")) || !rk_str_starts(r->path, before) || !rk_str_ends(r->path, after) || r->path.n <= before.n + after.n) return false;
  const struct rk_product *p = rk_catalog_product(&s->catalog, (rk_str){r->path.p + before.n, r->path.n - before.n - after.n});
  struct rk_buf b;
  rk_buf_init(&b, 8192);
  if (!p || draw(p, &b)) {
    rk_buf_release(&b);
    answer_error(out, 404, "not_found", "there is no such picture");
    return true;
  }
  *out = (struct rk_shop_answer){.status = 200, .text = rk_buf_detach(&b), .content_type = "image/svg+xml", .cacheable = true};
  rk_shop_answer_header(out, "Content-Security-Policy", "default-src 'none'");
  return true;
}
