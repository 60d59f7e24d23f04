/* What people and small models type, and what must come of it, in both shops. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "shop/search.h"

/* category NULL: nothing may be offered. fact: name=value that every hit has, as a fact or a wanted option. */
static const struct { const char *query, *category, *fact; } cases[] = {
  {"跑步鞋", "running_shoes", NULL},
  {"买一双跑步鞋，500元以内，哪个平台便宜就在哪买", "running_shoes", NULL},
  {"运动鞋 42码", "running_shoes", "size=42"},
  {"running shoes", "running_shoes", NULL},
  {"cheap running shoes under 500 yuan", "running_shoes", NULL},
  {"sneakers size 42", "running_shoes", "size=42"},
  {"男士跑鞋", "running_shoes", "gender=men"},
  {"Nike running shoes", "running_shoes", "brand=Nike"},
  {"李宁跑步鞋", "running_shoes", "brand=Li-Ning"},
  {"耳机", "headphones", NULL},
  {"降噪耳机", "headphones", "noise_cancelling=true"},
  {"要一个降噪耳机，1000块以内，最便宜的", "headphones", "noise_cancelling=true"},
  {"noise cancelling headphones", "headphones", "noise_cancelling=true"},
  {"noise-canceling wireless headphones under 1000", "headphones", "noise_cancelling=true"},
  {"ANC earbuds", "headphones", "noise_cancelling=true"},
  {"bluetooth earphones", "headphones", NULL},
  {"血压计", "blood_pressure_meter", NULL},
  {"给老人用的血压仪", "blood_pressure_meter", NULL},
  {"blood pressure monitor", "blood_pressure_meter", NULL},
  {"blood-pressure meter for my mom", "blood_pressure_meter", NULL},
  {"口罩", "mask", NULL},
  {"两盒口罩", "mask", NULL},
  {"face masks", "mask", NULL},
  {"N95 口罩", "mask", "kind=kn95"},
  {"surgical masks", "mask", "kind=surgical"},
  {"电饭煲", "rice_cooker", NULL},
  {"3升电饭煲", "rice_cooker", "volume_l=3"},
  {"电饭锅 4L", "rice_cooker", "volume_l=4"},
  {"rice cooker", "rice_cooker", NULL},
  {"5 liter rice cooker under 300 yuan", "rice_cooker", "volume_l=5"},
  {"美的电饭煲", "rice_cooker", "brand=Midea"},
  {"手机", "phone", NULL},
  {"4000元以内的手机", "phone", NULL},
  {"华为手机 256G", "phone", "storage_gb=256"},
  {"smartphone 128GB", "phone", "storage_gb=128"},
  {"iPhone", "phone", "brand=Apple"},
  {"apple phone", "phone", "brand=Apple"},
  {"玫瑰", "flowers", "kind=rose"},
  {"一束玫瑰花", "flowers", "kind=rose"},
  {"bunch of roses", "flowers", "kind=rose"},
  {"lilies", "flowers", "kind=lily"},
  {"百合花束", "flowers", "kind=lily"},
  {"鲜花", "flowers", NULL},
  {"珍珠奶茶", "milk_tea", "topping=pearl"},
  {"一杯珍珠奶茶，少糖去冰，送到家", "milk_tea", "ice=none"},
  {"珍珠奶茶 少糖", "milk_tea", "sugar=less"},
  {"bubble milk tea, less sugar, no ice", "milk_tea", "sugar=less"},
  {"milk tea no sugar large", "milk_tea", "sugar=none"},
  {"奶茶 半糖 大杯", "milk_tea", "size=large"},
  {"三体", "book", "author=Liu Cixin"},
  {"买一本《三体》", "book", "author=Liu Cixin"},
  {"The Three-Body Problem", "book", "author=Liu Cixin"},
  {"刘慈欣的书", "book", "author=Liu Cixin"},
  {"books by Liu Cixin", "book", "author=Liu Cixin"},
  {"编程书", "book", "topic=programming"},
  {"a programming book under 80 yuan", "book", "topic=programming"},
  {"活着 余华", "book", "author=Yu Hua"},
  {"半身裙", "skirt", NULL},
  {"裙子 L码", "skirt", "size=L"},
  {"long skirt size M", "skirt", "size=M"},
  {"保温杯", "thermos", NULL},
  {"500ml保温杯", "thermos", "volume_ml=500"},
  {"thermos flask", "thermos", NULL},
  {"vacuum bottle 1 litre", "thermos", "volume_ml=1000"},
  {"充电器", "charger", NULL},
  {"手机充电器", "charger", NULL},
  {"phone charger", "charger", NULL},
  {"charger for my phone", "charger", NULL},
  {"65W 快充充电头", "charger", "watts=65"},
  {"帐篷", "tent", NULL},
  {"双人帐篷", "tent", "persons=2"},
  {"两人的帐篷", "tent", "persons=2"},
  {"2-person tent", "tent", "persons=2"},
  {"a tent for two, the cheapest one", "tent", "persons=2"},
  {"four person camping tent", "tent", "persons=4"},
  {"咖啡豆", "coffee_beans", NULL},
  {"一斤咖啡豆", "coffee_beans", "weight_g=500"},
  {"500克咖啡豆 有券", "coffee_beans", "weight_g=500"},
  {"coffee beans 500g", "coffee_beans", "weight_g=500"},
  {"half a kilo of coffee beans", "coffee_beans", "weight_g=500"},
  {"1kg dark roast coffee", "coffee_beans", "weight_g=1000"},
  {"咖啡豆 500元以内", "coffee_beans", NULL},
  {"蓝牙降噪耳机", "headphones", "noise_cancelling=true"},
  {"a dozen red roses", "flowers", "kind=rose"},
  {"想要书", "book", NULL},
  {"Python入门书", "book", "topic=programming"},
  {"订花", "flowers", NULL},
  {"phone for my grandma who likes big letters", "phone", NULL},
  {"三体小说", "book", "author=Liu Cixin"},
  {"运动鞋42", "running_shoes", "size=42"},
  {"shoes 42 men", "running_shoes", "size=42"},
  {"红色裙子 L", "skirt", "size=L"},
  {"skirt, M size", "skirt", "size=M"},
  {"长裙", "skirt", "length=long"},
  {"1L保温壶", "thermos", "volume_ml=1000"},
  {"iPhone充电器", "charger", NULL},
  /* nothing here sells this, or it is no query at all */
  {"", NULL, NULL},
  {"zxqv blorp fnord", NULL, NULL},
  {"今天天气怎么样", NULL, NULL},
  {"高铁票 上海到杭州", NULL, NULL},
  {"weather tomorrow", NULL, NULL},
  {"手机壳", NULL, NULL},
  {"phone case", NULL, NULL},
  {"充电宝", NULL, NULL},
  {"笔记本电脑", NULL, NULL},
  {"laptop", NULL, NULL},
  {"花生", NULL, NULL},
  {"篮球鞋", NULL, NULL},
  {"党组书记", NULL, NULL},
  {"烟花爆竹", NULL, NULL},
  {"ICMP.clean competitors\tmask#.一如既 pharmacy寻找", NULL, NULL},
  {"保温饭盒", NULL, NULL},
  {"apple pie", NULL, NULL},
  {"世界和平", NULL, NULL},
  {"book a hotel", NULL, NULL},
  {"书包", NULL, NULL},
  {"买", NULL, NULL},
  {"500", NULL, NULL},
  {"the cheapest one under 300", NULL, NULL},
  {"black", NULL, NULL},
  {"qwrt\x01\xff\xfe phon e", NULL, NULL},
  {"lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor phone", NULL, NULL},
};

struct shop { struct rk_arena *arena; struct rk_catalog catalog; struct rk_index *index; };
static struct shop shops[2];

static int open_shops(void **state) {
  static const char *const dirs[] = {"shops/lanhai", "shops/xinghe"};
  for (int i = 0; i < 2; i++) {
    struct rk_error e = {0};
    shops[i].arena = rk_arena_new(32 << 20);
    if (rk_catalog_load(dirs[i], shops[i].arena, &shops[i].catalog, &e) || rk_index_new(&shops[i].catalog, &shops[i].index, &e)) {
      fprintf(stderr, "%s: %s\n", dirs[i], e.msg);
      return -1;
    }
  }
  return 0;
}

static int close_shops(void **state) {
  for (int i = 0; i < 2; i++) {
    rk_index_free(shops[i].index);
    rk_arena_free(shops[i].arena);
  }
  return 0;
}

static bool has_fact(const struct rk_hit *h, const char *fact) {
  rk_str name, value;
  rk_str_cut(rk_str_c(fact), '=', &name, &value);
  for (int32_t i = 0; i < h->product->n_facts; i++)
    if (rk_str_eq_c(name, h->product->facts[i].name)) return rk_str_eq_c(value, h->product->facts[i].value);
  for (int32_t i = 0; i < h->product->n_axes; i++)
    if (rk_str_eq_c(name, h->product->axes[i].option)) return h->wanted[i] && rk_str_eq_c(value, h->wanted[i]);
  return false;
}

static int faults_of(const struct shop *s, size_t i) {
  struct rk_hit hits[60];
  int32_t n = rk_index_search(s->index, rk_str_c(cases[i].query), hits, 60);
  int faults = (n > 0) != (cases[i].category != NULL);
  if (faults) fprintf(stderr, "%s: `%s`: %d hits\n", s->catalog.name, cases[i].query, n);
  for (int32_t k = 0; k < n && cases[i].category; k++) {
    bool fits = strcmp(hits[k].product->category->id, cases[i].category) == 0 && (!cases[i].fact || has_fact(&hits[k], cases[i].fact));
    if (fits && hits[k].relevance > 0 && hits[k].relevance <= 1.0001) continue;
    fprintf(stderr, "%s: `%s`: %s (%s) %.2f\n", s->catalog.name, cases[i].query, hits[k].product->title.zh, hits[k].product->category->id, hits[k].relevance);
    faults++;
  }
  return faults;
}

static void queries_find_what_is_meant(void **state) {
  int faults = 0;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    for (int k = 0; k < 2; k++) faults += faults_of(&shops[k], i);
  assert_int_equal(faults, 0);
}

static void title_is_found_alone(void **state) {
  struct rk_hit hits[10];
  for (int k = 0; k < 2; k++) {
    int32_t n = rk_index_search(shops[k].index, RK_STR("《三体》"), hits, 10);
    assert_int_equal(n, 1);
    assert_non_null(strstr(hits[0].product->title.zh, "三体"));
    assert_non_null(strstr(hits[0].product->title.en, "Three-Body"));
    n = rk_index_search(shops[k].index, RK_STR("华为 Mate 70"), hits, 10);
    assert_int_equal(n, 1);
    assert_non_null(strstr(hits[0].product->title.zh, "Mate 70"));
  }
}

/* An amount that looks like a size must not choose variants. */
static void amounts_are_no_sizes(void **state) {
  static const char *const queries[] = {"鞋 42元", "shoes under 42", "shoes at most 42 yuan", "鞋 不超过42", "40块以内的鞋"};
  struct rk_hit hits[60];
  for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
    int32_t n = rk_index_search(shops[0].index, rk_str_c(queries[i]), hits, 60);
    assert_int_equal(n, 30);
    for (int32_t k = 0; k < n; k++) assert_null(hits[k].wanted[0]);
  }
}

static void exclusions_hold(void **state) {
  struct rk_hit hits[60];
  static const char *const queries[] = {"手机，不要iPhone", "手机 不要苹果的", "phone, not Apple"};
  for (int k = 0; k < 2; k++)
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
      int32_t n = rk_index_search(shops[k].index, rk_str_c(queries[i]), hits, 60);
      assert_in_range(n, 20, 60);
      for (int32_t h = 0; h < n; h++) assert_null(strstr(hits[h].product->title.en, "Apple"));
    }
}

static void two_kinds_share_the_answer(void **state) {
  struct rk_hit hits[10];
  int32_t n = rk_index_search(shops[0].index, RK_STR("一个血压计和两盒口罩"), hits, 10);
  int masks = 0;
  assert_int_equal(n, 10);
  for (int32_t i = 0; i < n; i++) masks += strcmp(hits[i].product->category->id, "mask") == 0;
  assert_int_equal(masks, 5);
}

static void what_no_product_has_falls_back(void **state) {
  struct rk_hit hits[60], all[60];
  int32_t n = rk_index_search(shops[0].index, RK_STR("9升电饭煲"), hits, 60), n_all = rk_index_search(shops[0].index, RK_STR("电饭煲"), all, 60);
  assert_int_equal(n, n_all);
  assert_true(hits[0].relevance < all[0].relevance);
}

static void equal_relevance_is_ordered_by_price(void **state) {
  struct rk_hit hits[60];
  int32_t n = rk_index_search(shops[1].index, RK_STR("耳机"), hits, 60);
  assert_in_range(n, 20, 60);
  for (int32_t i = 1; i < n; i++) assert_true(hits[i - 1].product->price_minor <= hits[i].product->price_minor);
}

static void long_and_broken_queries_end(void **state) {
  static char text[200000];
  struct rk_hit hits[8];
  for (size_t i = 0; i < sizeof text; i++) text[i] = (char)(i * 7 + i / 251);
  rk_index_search(shops[0].index, (rk_str){text, sizeof text}, hits, 8);
  memset(text, ' ', sizeof text);
  memcpy(text, "口罩", 6);
  assert_int_equal(rk_index_search(shops[0].index, (rk_str){text, sizeof text}, hits, 8), 8);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(queries_find_what_is_meant), cmocka_unit_test(title_is_found_alone), cmocka_unit_test(amounts_are_no_sizes), cmocka_unit_test(exclusions_hold),
    cmocka_unit_test(two_kinds_share_the_answer), cmocka_unit_test(what_no_product_has_falls_back),
    cmocka_unit_test(equal_relevance_is_ordered_by_price), cmocka_unit_test(long_and_broken_queries_end)};
  return cmocka_run_group_tests(tests, open_shops, close_shops);
}
