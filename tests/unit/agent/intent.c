/* What code reads from the user's words: budgets, quantities, dates, wishes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/intent.h"

static struct rk_intent read_text(const char *text) {
  struct rk_intent in;
  rk_intent_read(rk_str_c(text), rk_now_ms(), &in);
  return in;
}

/* One line of what was read; a case lists all of it, so that nothing extra slips in. */
static void show(const struct rk_intent *in, char *out, size_t size) {
  static const char *const modes[] = {"talk", "browse", "buy", "status"};
  int n = snprintf(out, size, "%s", modes[in->mode]);
#define ADD(...) n += snprintf(out + n, size - (size_t)n, __VA_ARGS__)
  if (in->min_minor) ADD(" min=%lld", (long long)in->min_minor);
  if (in->max_minor) ADD(" max=%lld", (long long)in->max_minor);
  if (in->currency[0] && strcmp(in->currency, "CNY") != 0) ADD(" %s", in->currency);
  if (in->per_unit) ADD(" each");
  if (in->quantity) ADD(" q=%d", in->quantity);
  if (in->quantity_vague) ADD(" q?");
  if (in->wish == RK_WISH_CHEAPEST) ADD(" cheap");
  if (in->wish == RK_WISH_RATING) ADD(" rated");
  if (in->date[0]) ADD(" %s%s", in->date_exact ? "on" : "by", in->date + 4);
  if (in->instrument) ADD(" %s", in->instrument);
  if (in->elsewhere) ADD(" elsewhere");
  for (int32_t i = 0; i < in->n_not; i++) ADD(" not:%s", in->not_words[i]);
  for (int32_t i = 0; i < in->n_only; i++) ADD(" only:%s", in->only_words[i]);
  if (in->ordinal) ADD(" #%d", in->ordinal);
  if (in->size[0]) ADD(" size=%s", in->size);
#undef ADD
}

struct reading { const char *text, *want; };

/* The clock stands at Monday 2026-11-23, 10:00. */
static const struct reading readings[] = {
    /* budgets, zh */
    {"买一双登山靴，500元以内，哪个平台便宜就在哪买", "buy max=50000 q=1 cheap"},
    {"要一个台灯，1000块以内，最便宜的", "buy max=100000 q=1 cheap"},
    {"雨伞不超过三百", "buy max=30000"},
    {"买个台灯，300块左右", "buy max=33000 q=1"},
    {"买个键盘，1k以内", "buy max=100000 q=1"},
    {"买个键盘 1.5k以内", "buy max=150000 q=1"},
    {"买一台相机，预算三千五", "buy max=350000 q=1"},
    {"买一台相机，预算是3千块", "buy max=300000 q=1"},
    {"买把吉他，两百五以下", "buy max=25000 q=1"},
    {"买把吉他，最多一千二百块", "buy max=120000 q=1"},
    {"买一台相机，1.2万以内", "buy max=1200000 q=1"},
    {"来个台灯，大概200元", "buy max=22000 q=1"},
    {"来个台灯，200元上下", "buy max=22000 q=1"},
    {"来个台灯，一百到两百块", "buy min=10000 max=20000 q=1"},
    {"来个台灯，100-200元", "buy min=10000 max=20000 q=1"},
    {"买个台灯，100元以上", "buy min=10000 q=1"},
    {"买个台灯，低于80元", "buy max=8000 q=1"},
    {"买个台灯，控制在９０元", "buy max=9000 q=1"},
    {"买个台灯，别超过￥99.9", "buy max=9990 q=1"},
    {"买个台灯，不要超过1,299元", "buy max=129900 q=1"},
    {"订两张票，一张别超过60块", "buy max=6000 each q=2"},
    {"买三个杯子，每个50元以内", "buy max=5000 each q=3"},
    {"买一个60元以内的杯子，用余额付", "buy max=6000 q=1 wallet"},
    {"买个杯子，60以内，直接付，不用问我", "buy max=6000 q=1"},
    {"四百块钱以内的台灯，买一个评分最高的", "buy max=40000 q=1 rated"},
    {"买个台灯，三块五", "buy max=385 q=1"},
    {"买一台10块钱以内的电视", "buy max=1000 q=1"},
    {"加起来别超过400，买一个台灯", "buy max=40000 q=1"},
    {"买一个台灯，总共不超过160元", "buy max=16000 q=1"},
    /* budgets, en */
    {"Buy a pair of hiking boots under 500 yuan, wherever it is cheapest", "buy max=50000 q=1 cheap"},
    {"I need a desk lamp under 1000 yuan, get the cheapest", "buy max=100000 q=1 cheap"},
    {"Buy a desk lamp, the cheapest under 300 yuan", "buy max=30000 q=1 cheap"},
    {"a bunch of daisies, around 300 yuan", "buy max=33000 q=1"},
    {"buy 500 g of coffee beans", "buy"},
    {"buy a keyboard, no more than 250", "buy max=25000 q=1"},
    {"buy a keyboard, not more than ¥250", "buy max=25000 q=1"},
    {"buy a keyboard for at most two hundred yuan", "buy max=20000 q=1"},
    {"buy a keyboard, max 80 yuan", "buy max=8000 q=1"},
    {"buy a keyboard up to 1,200 RMB", "buy max=120000 q=1"},
    {"buy a keyboard, budget 1.5k", "buy max=150000 q=1"},
    {"buy a keyboard, my budget is 400", "buy max=40000 q=1"},
    {"buy a keyboard between 100 and 200 yuan", "buy min=10000 max=20000 q=1"},
    {"buy a keyboard, 300 yuan or less", "buy max=30000 q=1"},
    {"buy a keyboard for less than 300", "buy max=30000 q=1"},
    {"buy a keyboard over 300 yuan", "buy min=30000 q=1"},
    {"buy a keyboard for a hundred yuan tops", "buy max=10000 q=1"},
    {"buy a keyboard under $40", "buy max=4000 USD q=1"},
    {"two desk lamps, at most 60 yuan each", "buy max=6000 each q=2"},
    {"buy a keyboard, roughly five hundred and fifty yuan", "buy max=60500 q=1"},
    /* one brand and no other */
    {"买个手机，只要小米的", "buy q=1 only:小米"},
    {"买个耳机，只要 Sony 或者 Bose 的，500元以内", "buy max=50000 q=1 only:sony only:bose"},
    {"看看电饭煲，只看美的牌，评分高的", "browse rated only:美"},
    {"Buy headphones, only Sony", "buy only:sony"},
    {"Buy a phone, Xiaomi only, under 2000 yuan", "buy max=200000 q=1 only:xiaomi"},
    {"buy a phone, I only want Huawei or Honor", "buy q=1 only:huawei only:honor"},
    {"buy a phone, it must be Xiaomi", "buy q=1 only:xiaomi"},
    {"买个台灯，只要便宜的", "buy q=1 cheap"},
    {"买个台灯，只要两百块以内的", "buy max=20000 q=1"},
    {"只要能用就行，买个台灯", "buy q=1"},
    {"buy a lamp, only if it is under 80 yuan", "buy max=8000 q=1"},
    {"I only need one lamp, buy it", "buy q=1"},
    {"货到付款，买个台灯", "buy q=1 on_delivery"},
    {"buy a lamp, cash on delivery", "buy q=1 on_delivery"},
    /* numbers that are no money */
    {"买一个2升的水壶", "buy q=1"},
    {"买个500毫升以内的杯子", "buy q=1"},
    {"买一顶三人的遮阳棚", "buy q=1"},
    {"buy a 2 l kettle", "buy q=1"},
    {"buy a kettle for two people", "buy q=1"},
    {"buy a lamp under 20 watts", "buy q=1"},
    {"买一条41码的裤子", "buy q=1 size=41"},
    /* quantities */
    {"买两个台灯", "buy q=2"},
    {"买三盒茶叶", "buy q=3"},
    {"来五瓶酱油", "buy q=5"},
    {"点八杯豆浆", "buy q=8"},
    {"买12个鸡蛋", "buy q=12"},
    {"买十二个鸡蛋", "buy q=12"},
    {"买点茶叶", "buy q?"},
    {"买几个苹果", "buy q?"},
    {"买茶叶", "buy"},
    {"buy two desk lamps", "buy q=2"},
    {"buy 3 boxes of tea", "buy q=3"},
    {"Could you get my sister two waterproof desk lamps please", "buy q=2"},
    {"order some tea", "buy q?"},
    {"buy a few apples", "buy q?"},
    {"buy a couple of lamps", "buy q=2"},
    {"The second one, two of them", "buy q=2 #2"},
    {"要第二个，买两个", "buy q=2 #2"},
    {"buy a gazebo for two", "buy q=1"},
    {"buy desk lamp x2", "buy q=2"},
    {"买0个台灯", "buy q?"},
    {"买一百万个台灯", "buy q?"},
    {"买1000个台灯", "buy q?"},
    {"买999个台灯", "buy q=999"},
    {"buy 1000000 desk lamps", "buy q?"},
    {"buy a million desk lamps", "buy q?"},
    {"buy a 1000 lumen lamp", "buy q=1"},
    {"order 5000 mah power bank", "buy"},
    {"get 2027 desk calendar", "buy"},
    {"buy 0 desk lamps", "buy q?"},
    /* dates */
    {"明天送一盆绿萝到家里", "buy q=1 on-11-24"},
    {"后天送到，买一盆绿萝", "buy q=1 on-11-25"},
    {"大后天前送到，买一盆绿萝", "buy q=1 by-11-26"},
    {"周六送到，买一盆绿萝", "buy q=1 on-11-28"},
    {"下周五送到，买一盆绿萝", "buy q=1 on-12-04"},
    {"下下周三送到，买一盆绿萝", "buy q=1 on-12-09"},
    {"周末露营，要个吊床", "buy q=1 by-11-28"},
    {"12月3号之前收到，买个吊床", "buy q=1 by-12-03"},
    {"三天内送到，买个吊床", "buy q=1 by-11-26"},
    {"28号送到，买个吊床", "buy q=1 on-11-28"},
    {"买一双43号的登山靴", "buy q=1 size=43"},
    {"买一件M码的雨衣", "buy q=1 size=m"},
    {"买一个台灯，送到中山路46号", "buy q=1"},
    {"今天买一个吊床", "buy q=1"},
    {"a fern for the day after tomorrow, up to 250 yuan, buy it", "buy max=25000 q=1 by-11-25"},
    {"send a fern to our home tomorrow", "buy q=1 on-11-24"},
    {"buy a fern, deliver it by Friday", "buy q=1 by-11-27"},
    {"buy a fern, deliver it next Friday", "buy q=1 on-12-04"},
    {"buy a fern, deliver it on November 28th", "buy q=1 on-11-28"},
    {"buy a fern, deliver it on 2 December", "buy q=1 on-12-02"},
    {"buy a fern, it must arrive within 3 days", "buy q=1 by-11-26"},
    {"buy a fern to arrive on 2026-12-01", "buy q=1 on-12-01"},
    /* wishes, payment, place, exclusions */
    {"用银行卡买一个吊床", "buy q=1 card"},
    {"buy a hammock and pay with my wallet", "buy q=1 wallet"},
    {"buy a wallet", "buy q=1"},
    {"给办公室买一个吊床", "buy q=1 elsewhere"},
    {"send a hammock to my office", "buy q=1 elsewhere"},
    {"order two hammocks for my office", "buy q=2 elsewhere"},
    {"买一台相机，不要佳能的", "buy q=1 not:佳能"},
    {"I want a camera, not Canon, at most 2000 yuan", "buy max=200000 q=1 not:canon"},
    {"buy the best rated hammock", "buy rated"},
    /* what kind of turn */
    {"一壶绿茶，少放点，送到家", "talk"},
    {"一杯绿茶，送到家", "buy q=1"},
    {"两盒茶叶", "buy q=2"},
    {"One pot of green tea, delivered home", "buy q=1"},
    {"一杯水有多少毫升？", "talk q=1"},
    {"4000元以内的相机，各家店里性价比怎么样？先别买", "browse max=400000"},
    {"找几款吊床，100元以内", "browse max=10000"},
    {"Show me some hammocks under 100 yuan", "browse max=10000 q?"},
    {"推荐一款吊床", "browse q=1"},
    {"compare hammocks, don't buy yet", "browse"},
    {"吊床哪家便宜？", "browse cheap"},
    {"Where is my order?", "status"},
    {"我的快递到哪了", "status"},
    {"你好，你是谁？", "talk"},
    {"一公里有多少米？", "talk"},
    {"What is 17% of 2,340?", "talk"},
    {"Write a C function that reverses a string in place", "talk q=1"},
    {"把这句话翻译成英文：周末我们去买菜", "talk by-11-28"},
    {"今天天气不错", "talk"},
};

static void each_reading(void **state) {
  int bad = 0;
  for (size_t i = 0; i < sizeof readings / sizeof *readings; i++) {
    char got[400];
    struct rk_intent in = read_text(readings[i].text);
    show(&in, got, sizeof got);
    if (strcmp(got, readings[i].want) != 0) {
      bad++;
      print_error("%s\n  want: %s\n  got:  %s\n", readings[i].text, readings[i].want, got);
    }
  }
  assert_int_equal(bad, 0);
}

/* A later message settles what an earlier one left open. */
static void a_later_word_holds(void **state) {
  struct rk_intent in = read_text("买点茶叶\n两盒，50元以内");
  assert_int_equal(in.quantity, 2);
  assert_false(in.quantity_vague);
  assert_int_equal(in.max_minor, 5000);
  in = read_text("buy a lamp under 300 yuan\nmake it under 200 yuan");
  assert_int_equal(in.max_minor, 20000);
}

static void the_query_loses_what_code_read(void **state) {
  static const struct reading cases[] = {{"吊床 500元以内", "吊床"}, {"最便宜的吊床", "吊床"}, {"cheapest hammock under 100 yuan", "hammock"},
                                         {"《山海经》", "山海经"}, {"hammock, delivered home", "hammock"}, {"米色的窗帘", "米色的窗帘"},
                                         {"lilac tomorrow", "lilac"}, {"一个吊床", "吊床"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct rk_buf out;
    rk_buf_init(&out, 1000);
    assert_int_equal(rk_intent_clean_query(&out, rk_str_c(cases[i].text)), RK_OK);
    assert_string_equal(out.p ? out.p : "", cases[i].want);
    rk_buf_release(&out);
  }
}

static void an_address_is_taken_apart(void **state) {
  struct rk_address_text a;
  assert_true(rk_address_read(rk_str_c("杭州市西湖区文三路100号 王芳 13900000000"), &a));
  assert_string_equal(a.street, "杭州市西湖区文三路100号");
  assert_string_equal(a.name, "王芳");
  assert_string_equal(a.phone, "13900000000");
  assert_string_equal(a.city, "杭州");
  assert_true(rk_address_read(rk_str_c("100 Wensan Road, Xihu, Hangzhou; Wang Fang 13900000000"), &a));
  assert_string_equal(a.street, "100 Wensan Road, Xihu, Hangzhou");
  assert_string_equal(a.name, "Wang Fang");
  assert_true(rk_address_read(rk_str_c("送到浙江省宁波市海曙区中山路8号，李雷，电话13700000000"), &a));
  assert_non_null(strstr(a.street, "中山路8号"));
  assert_string_equal(a.phone, "13700000000");
  assert_false(rk_address_read(rk_str_c("都可以"), &a));
  assert_false(rk_address_read(rk_str_c("Anything is fine"), &a));
}

static void odd_text_does_no_harm(void **state) {
  static const char *const odd[] = {"", "¥", "第", "一", "百", "9999999999999999999999", "-", "下", "11月", "\xF0\x9F\x98\x80 1k", "买买买", "$", "between 1 and", "x2", "不要"};
  for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
    struct rk_intent in = read_text(odd[i]);
    assert_true(in.max_minor >= 0);
  }
}

int main(void) {
  setenv("RUKOU_CLOCK", "2026-11-23T10:00:00+08:00", 1);
  struct rk_error e;
  if (rk_clock_init(&e)) return 1;
  const struct CMUnitTest tests[] = {cmocka_unit_test(each_reading), cmocka_unit_test(a_later_word_holds),
                                     cmocka_unit_test(the_query_loses_what_code_read),
                                     cmocka_unit_test(an_address_is_taken_apart), cmocka_unit_test(odd_text_does_no_harm)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
