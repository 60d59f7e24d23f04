#include "agent/intent.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/utf8.h"

static const char buy_words[] =
    "买|购买|购入|下单|订购|订一|订个|订束|订杯|入手|送一|送个|送束|送两|想换|想要|要一|要个|要两|要三|要台|要双|要本|要条|要把|要顶|要杯|要盒|"
    "来一|来个|来杯|来两|来三|来四|来五|来六|来八|来十|来点|来份|来瓶|来盒|来双|来本|来条|来台|来束|来包|来袋|来顶|来把|点一|点杯|点两|点三|点四|点五|点六|点八|点十|整一个|"
    "搞一个|弄一个|拿一|拿个|帮我要|给我要|就要|我要|需要|"
    "buy|purchase|order|get|need|send|grab|want|i'd like|i would like|would love|i'll take|i will take|pick up|give me|looking to get";
static const char browse_words[] =
    "找几|找一|找找|找些|找个|找下|推荐|看看|看一下|看下|有哪些|有没有|哪家|哪个|哪款|哪种|多少钱|什么价|对比|比较|比一比|比一下|怎么样|性价比|搜|查一下|查查|"
    "价格|show|find|compare|comparison|recommend|recommendation|suggest|looking for|search|which|how much|what are|any good|browse|options for|price of|prices";
static const char dont_buy_words[] =
    "先别买|先不买|别买|不要买|先别下单|别下单|不要下单|不下单|暂时不买|先看看|只看看|只是看看|只看|先看一下|不急着买|还不买|先不下单|不用买|"
    "don't buy|do not buy|dont buy|don't order|do not order|dont order|not buy|not buying|not order|without buying|just looking|just show|only show|"
    "just compare|only compare|not ready to buy|no purchase|before i buy|before buying|not yet";
/* Work on text: "买" in a sentence to translate is no order. */
static const char work_words[] =
    "翻译|写一|写个|写段|写首|写篇|解释|总结|概括|代码|脚本|标题|文案|记住|记得我|新闻|想知道|是什么意思|为什么|"
    "translate|write|explain|summarise|summarize|summary|poem|remember that|news|want to know|need to know|what does|what is a|why";
static const char status_words[] =
    "订单|物流|快递|到哪了|到哪儿了|发货|下单了吗|下单了没|买了吗|买到了吗|送到了吗|什么时候到|"
    "my order|my orders|order status|the order|where is my|where's my|track|tracking|been shipped|shipped yet|did you order|did you buy|was it ordered|status of";
static const char cheapest_words[] =
    "最便宜|便宜|最划算|划算|最低价|价格最低|最省|省钱|低价|最实惠|实惠|性价比最高|最低|"
    "cheapest|lowest price|lowest-priced|lowest priced|best price|best deal|cheap|cheaper|least expensive|most affordable|lowest total|lowest cost";
static const char rating_words[] =
    "评分最高|评价最好|评价最高|口碑最好|好评最多|最好评|评分高|评价好|口碑好|"
    "best rated|best-rated|highest rated|highest-rated|top rated|top-rated|highest rating|best rating|best reviews|best reviewed|best-reviewed";
/* Wishes that stand beside others: "便宜又好评的", "cheap, well rated and soon". */
static const char soft_rating_words[] =
    "好评|口碑|评价好|评分高|评分也|评价高|质量好|质量|靠谱|well rated|well-rated|good rating|good ratings|good reviews|well reviewed|high rating|highly rated|quality|reliable";
static const char soonest_words[] =
    "最快|越快越好|尽快|快点送|快点到|送得快|到得快|早点到|早点送|最早到|急用|急需|as soon as possible|asap|soonest|fastest|fast delivery|quick delivery|arrives first|"
    "earliest delivery|delivered soon|delivered quickly|arrive soon|urgently|in a hurry";
static const char most_words[] = "最好评|评分最高|评价最好|评价最高|口碑最好|好评最多|best rated|best-rated|highest rated|highest-rated|top rated|top-rated|highest rating|best rating|best reviews|best reviewed|best-reviewed";
static const char door_words[] = "货到付款|到付现金|收货付款|收货时付款|pay on delivery|cash on delivery|paid on delivery|pay the courier|pay at the door";
static const char wallet_words[] =
    "余额付|余额支付|用余额|钱包付|钱包支付|用钱包|从余额|从钱包|余额买|with my wallet|with the wallet|by wallet|from my wallet|from the wallet|"
    "with wallet|using my wallet|using wallet|wallet balance|with my balance|from my balance|pay from balance|with balance|use my wallet|use the wallet";
static const char card_words[] =
    "用卡付|刷卡|信用卡|银行卡|用卡支付|卡支付|by card|with my card|with card|with the card|by credit card|with credit card|with my credit card|"
    "on my card|use my card|use the card|using my card|charge my card";
static const char elsewhere_words[] =
    "办公室|公司|单位|学校|宿舍|爸妈家|我妈家|父母家|朋友家|酒店前台|to the office|to my office|for the office|for my office|for our office|to our office|at the office|to work|to school|to my parents|to her place|to his place";

/* A proposal is wanted, the deed comes later. */
static const char plan_words[] = "规划|计划一下|做个计划|定个计划|安排个方案|做个方案|出个方案|行程安排|设计一下|plan a|plan an|plan our|plan my|plan the|plan us|plan me|plan for|planning a|help me plan|"
                                 "itinerary|suggest a trip|put together a trip";
static const char if_not_words[] =
    "没下的话|没下单的话|没买的话|没订的话|没下就|没下单就|没买就|没订就|如果没|要是没|没有的话就|if not|if you haven't|if you have not|if it wasn't|if it isn't|if you didn't|otherwise";

static const char other_words[] =
    "给女|给男|给她|给他|女朋友|男朋友|给我妈|给我爸|给我老|给老婆|给老公|给爸|给妈|给女儿|给儿子|给朋友|给同事|给孩子|给奶奶|给爷爷|给姐|给妹|给哥|给弟|给我女|给我儿|给我朋友|给我姐|给我妹|给我哥|"
    "给我弟|帮我妈|帮我爸|帮我老|帮我女|帮我儿|送给|送我妈|送我爸|for my mom|for my mum|for my mother|for my dad|for my father|for my wife|for my husband|"
    "for my son|for my daughter|for my friend|for my sister|for my brother|for my boss|for my girlfriend|for my boyfriend|for her|for him|my sister a|my brother a|as a gift|a gift for";

static const char max_before[] =
    "不超过|不能超过|不要超过|别超过|不得超过|最多|至多|顶多|不高于|低于|少于|小于|不到|预算|控制在|上限|限额|不多于|最高|"
    "under|below|less than|no more than|not more than|at most|up to|max|maximum|maximum of|max of|within|not over|budget|budget of|budget is|"
    "limit|limit of|not exceed|not exceeding|cheaper than|lower than|cap|cap of|<|<=|≤|no higher than|doesn't cost more than|don't spend more than|"
    "not spend more than|costs less than|for less than|less";
static const char max_after[] = "以内|之内|以下|之下|内|封顶|为限|的预算|预算|or less|or under|or cheaper|max|maximum|tops|at most|budget|limit|or below";
static const char around_before[] = "大概|大约|约|差不多|上下|around|about|roughly|approximately|approx|approx.|circa|~|near";
static const char around_after[] = "左右|上下|的样子|or so|ish|give or take";
static const char min_before[] = "至少|不低于|不少于|高于|超过|大于|over|above|more than|at least|from|>|>=";
static const char min_after[] = "以上|起|or more|and up|or above";
static const char each_words[] = "每个|每双|每台|每本|每杯|每盒|每束|每件|每条|每瓶|每包|每袋|每顶|每张|每份|一张|一个|一双|一台|一本|一杯|一盒|一束|一件|一条|一瓶|一包|一袋|一顶|一把|一只|每|单价|each|apiece|per|a piece|a cup|a box|a pair";
static const char fillers[] = " |是|在|就|的|为|都|价格|价钱|of|is|to|a|the|at|price|total|a total of|spend|cost|costs|it|in|总共|一共|总价";
static const char measures[] = "个|双|台|部|本|杯|盒|束|只|条|件|瓶|袋|包|把|顶|份|套|张|对|副|盆|罐|箱|桶|卷|架|辆|床|册|听|提|款|捧|打";
static const char en_measures[] = "boxes|box|pairs|pair|cups|cup|bottles|bottle|packs|pack|bags|bag|pieces|piece|sets|set|units|pcs|bunches|bunch|copies|copy|of|tins|cans|rolls";
static const char vague_words[] =
    "买点|买些|来点|来些|一些|几个|几盒|几双|几本|几杯|几包|几台|几瓶|几件|几条|几束|若干|多买|some|a few|several|a couple more|a bunch of different|any number";

static rk_str from(rk_str s, size_t at) { return at < s.n ? (rk_str){s.p + at, s.n - at} : (rk_str){"", 0}; }
static rk_str upto(rk_str s, size_t n) { return (rk_str){s.p, n < s.n ? n : s.n}; }

/* Does one of the phrases end s, not counting "is", "的", spaces and the like? *left: what stands before it. */
static bool ends_with(rk_str s, const char *phrases, rk_str *left) {
  for (int i = 0; i < 5; i++) {
    size_t n = rk_words_ends(s, phrases);
    if (n) {
      *left = upto(s, s.n - n);
      return true;
    }
    if (!(n = rk_words_ends(s, fillers))) break;
    s.n -= n;
  }
  *left = s;
  return false;
}

static rk_str after_space(rk_str s) { return s.n && s.p[0] == ' ' ? from(s, 1) : s; }

/* ---- money ---- */

enum kind { K_NONE, K_MAX, K_MIN, K_AROUND };

static enum kind amount_kind(rk_str s, const struct rk_amount *a) {
  rk_str left = upto(s, a->at), right = after_space(from(s, a->at + a->n)), rest;
  size_t unit = rk_words_starts(right, "钱|元|块");
  right = from(right, unit);
  if (rk_words_starts(right, around_after)) return K_AROUND;
  if (ends_with(left, around_before, &rest)) return K_AROUND;
  if (rk_words_starts(right, max_after) || ends_with(left, max_before, &rest)) return K_MAX;
  if (rk_words_starts(right, min_after) || ends_with(left, min_before, &rest)) return K_MIN;
  return K_NONE;
}

static bool is_each(rk_str s, const struct rk_amount *a) {
  rk_str left = upto(s, a->at), right = after_space(from(s, a->at + a->n));
  size_t skip = rk_words_starts(right, "以内|以下|之内|左右|max|or less");
  right = after_space(from(right, skip));
  if (rk_words_starts(right, each_words)) return true;
  /* "一张别超过60块", "each under 60": the word stands shortly before the comparison */
  ends_with(left, max_before, &left);
  if (!ends_with(left, each_words, &left)) return false;
  return !rk_words_ends(left, "买|来|要|订|点|buy|get|order|第"); /* "买一双500以内的" names the quantity */
}

static size_t range_sign(rk_str s) { return rk_words_starts(after_space(s), "到|至|-|~|and|to"); }

static const char clause_marks[] = ",|，|。|、|;|；|!|！|?|？|\n|. ";

/* The clause that the place stands in. */
static rk_str clause_at(rk_str s, size_t at, size_t end) {
  size_t begin = 0, n;
  for (size_t from_at = 0; from_at < at;) {
    ptrdiff_t hit = rk_words_find(from(s, from_at), clause_marks, &n);
    if (hit < 0 || from_at + (size_t)hit >= at) break;
    from_at += (size_t)hit + n;
    begin = from_at;
  }
  ptrdiff_t stop = rk_words_find(from(s, end), clause_marks, &n);
  return (rk_str){s.p + begin, (stop < 0 ? s.n : end + (size_t)stop) - begin};
}

static bool is_joint(rk_str s, size_t at, size_t end) {
  return rk_words_has(clause_at(s, at, end), "加起来|加一起|一起不|一共|总共|总计|合计|总价|总预算|总的|全部|所有|都算上|in total|total|altogether|all together|together|"
                                             "combined|for everything|for all of|for both|overall|all in all");
}

static bool is_nightly(rk_str s, size_t at, size_t end) {
  rk_str right = after_space(from(s, end)), clause = clause_at(s, at, end);
  if (rk_words_has((rk_str){clause.p, (size_t)(s.p + at - clause.p)}, "一晚|每晚|每夜|一夜|单晚")) return true;
  size_t skip = rk_words_starts(right, "以内|以下|之内|左右|max|or less");
  return rk_words_starts(after_space(from(right, skip)), "一晚|每晚|/晚|一夜|a night|per night|each night|/night|nightly") > 0;
}

static void add_limit(rk_str s, const struct rk_amount *a, enum rk_limit_kind kind, const char *currency, struct rk_limit *out, int32_t *n) {
  if (*n == RK_MAX_LIMITS) return;
  size_t end = a->at + a->n;
  bool night = is_nightly(s, a->at, end);
  out[*n] = (struct rk_limit){.at = a->at, .n = a->n, .kind = kind, .minor = a->minor, .night = night, .each = !night && is_each(s, a), .joint = !night && is_joint(s, a->at, end)};
  memcpy(out[(*n)++].currency, currency, 4);
}

int32_t rk_intent_limits(rk_str s, struct rk_limit out[RK_MAX_LIMITS]) {
  int32_t n = 0;
  struct rk_amount a, b;
  for (size_t at = 0; rk_words_amount(s, at, &a); at = a.at + a.n) {
    enum kind kind = amount_kind(s, &a);
    size_t end = a.at + a.n;
    if (range_sign(from(s, end)) && rk_words_amount(s, end, &b) && b.at <= end + 6 && b.minor > a.minor &&
        (a.currency[0] || b.currency[0] || amount_kind(s, &b) != K_NONE || kind != K_NONE || rk_words_ends(upto(s, a.at), "between "))) {
      const char *currency = b.currency[0] ? b.currency : a.currency;
      add_limit(s, &a, RK_LIMIT_MIN, currency, out, &n);
      add_limit(s, &b, RK_LIMIT_MAX, currency, out, &n);
      a = b;
    } else if (kind != K_NONE || a.currency[0]) { /* else a plain number: a quantity or a model's name */
      add_limit(s, &a, kind == K_MIN ? RK_LIMIT_MIN : kind == K_MAX ? RK_LIMIT_MAX : RK_LIMIT_AROUND, a.currency, out, &n);
    }
  }
  return n;
}

void rk_intent_limit(struct rk_intent *out, const struct rk_limit *l) {
  if (l->kind == RK_LIMIT_MIN) out->min_minor = l->minor;
  else if (l->night) out->night_minor = l->minor;
  else if (l->joint && l->kind == RK_LIMIT_MAX) out->joint_minor = l->minor;
  else {
    out->around = l->kind == RK_LIMIT_AROUND;
    out->about_minor = out->around ? l->minor : 0;
    out->max_minor = out->around ? l->minor + l->minor / 10 : l->minor;
    out->per_unit = l->each;
  }
  memcpy(out->currency, l->currency, 4);
}

static void read_money(rk_str s, struct rk_intent *out) {
  struct rk_limit limits[RK_MAX_LIMITS];
  int32_t n = rk_intent_limits(s, limits);
  for (int32_t i = 0; i < n; i++) rk_intent_limit(out, &limits[i]);
  if (out->joint_minor && (!out->max_minor || out->max_minor > out->joint_minor)) out->max_minor = out->joint_minor, out->per_unit = false;
}

/* ---- quantity ---- */

static bool part_of_amount(rk_str s, size_t at) {
  struct rk_amount a;
  for (size_t p = 0; rk_words_amount(s, p, &a); p = a.at + a.n) {
    if (a.at > at) return false;
    if (at < a.at + a.n && (a.currency[0] || amount_kind(s, &a) != K_NONE)) return true;
  }
  return false;
}

static int32_t han_quantity(rk_str s, size_t at, size_t n, double v) {
  size_t m = rk_words_starts(from(s, at + n), measures);
  if (!m || rk_words_starts(from(s, at + n), "个人|个月|个小时|个星期|张嘴|条件|把握")) return 0;
  rk_str left = upto(s, at);
  if (rk_words_ends(left, "第|这|那|哪|每|其中|元|块|块钱|同")) return 0;
  /* "一张别超过60块" is a unit, not a count */
  if (v == 1 && rk_words_starts(after_space(from(s, at + n + m)), "别超过|不超过|不要超过|最多|以内")) return 0;
  return (int32_t)v;
}

static int32_t english_quantity(rk_str s, size_t at, size_t n, double v, bool word) {
  rk_str right = from(s, at + n), left = upto(s, at);
  if (rk_words_starts(right, "x ")) return (int32_t)v;
  if (rk_words_ends(left, " x| x |*|×| x|qty |qty: |quantity |quantity: |数量")) return (int32_t)v;
  if (right.n < 2 || right.p[0] != ' ' || right.p[1] < 'a' || right.p[1] > 'z') return 0;
  if (rk_words_starts(from(right, 1), "g|gram|grams|kg|kilo|kilos|ml|l|litre|litres|liter|liters|w|watt|watts|gb|tb|cm|mm|mah|lumen|lumens|hz|rpm|dpi")) return 0;
  if (rk_words_starts(from(right, 1), "in|or|and|at|people|person|persons|man|adults|day|days|night|nights|hour|hours|way|years|year|star|stars|layer|layers|inch")) return 0;
  if (rk_words_ends(left, "for |size |than |under |number |no. |model |version |series |volume |part |another |the |that |which |this |mark |gen ")) return 0;
  if (word) return v == 1 && rk_words_starts(from(right, 1), "for|that|with|which|under|below") ? 1 : (int32_t)v;
  if (rk_words_starts(from(right, 1), en_measures)) return (int32_t)v;
  size_t end = 1;
  while (end < right.n && right.p[end] >= 'a' && right.p[end] <= 'z') end++;
  bool plural = right.p[end - 1] == 's';
  bool leads = left.n == 0 || rk_words_ends(left, "buy |get |order |need |want |me |us |please |send |take |, |. |; |purchase |like |grab ");
  return plural || leads ? (int32_t)v : 0;
}

static bool is_year(double v) { return v >= 1900 && v <= 2100; }
static bool is_in_range(double v) { return v >= 1 && v <= RK_MAX_QUANTITY && v == (double)(int32_t)v; }

static void read_quantity(rk_str s, struct rk_intent *out) {
  bool beyond = false;
  for (size_t at = 0; at < s.n; at++) {
    double v;
    bool word;
    bool inside = at > 0 && s.p[at - 1] >= '0' && s.p[at - 1] <= 'z' && s.p[at] >= '0' && s.p[at] <= 'z' &&
                  !(s.p[at - 1] == 'x');
    size_t n = inside ? 0 : rk_words_number(from(s, at), &v, &word);
    if (!n) continue;
    if (!part_of_amount(s, at)) {
      double some = is_in_range(v) ? v : 2; /* where a number counts things, it does whatever it is */
      int32_t q = han_quantity(s, at, n, some);
      if (!q) q = english_quantity(s, at, n, some, word);
      if (q && is_in_range(v)) out->quantity = q;
      else if (q && !rk_words_ends(upto(s, at), "a |an ") && !is_year(v)) beyond = true; /* "a 1000 piece puzzle", "buy 2027 calendar" */
    }
    at += n - 1;
  }
  out->quantity_vague = out->quantity == 0 && (beyond || rk_words_has(s, vague_words));
  if (out->quantity_vague) return;
  if (!out->quantity && rk_words_has(s, "a pair of|a pair|a couple of|a dozen"))
    out->quantity = rk_words_has(s, "a couple of") ? 2 : rk_words_has(s, "a dozen") ? 12 : 1;
  if (!out->quantity && rk_words_has(s, "a|an")) out->quantity = 1;
  if (!out->quantity && rk_words_has(s, "买双|买个|买本|买台|买条|买件|买把|买顶|买束|买杯|买盒|买部|买套|买只|买瓶|来个|来杯|来双|来本|来条|来台|来束|来瓶|来顶|要个|要双|要台|要本|要条|要把|订束|订个|点杯|送束|送个|买包|买袋|来包|来盒|来把|买副|买对"))
    out->quantity = 1;
}

/* ---- the rest ---- */

static void add_not(rk_str word, struct rk_intent *out) {
  word = rk_str_trim(word);
  word.n -= rk_words_ends(word, "的|了|牌|家的");
  size_t article = rk_words_starts(word, "a |an |the |any ");
  word = from(word, article);
  if (word.n < 2 || word.n >= RK_INTENT_WORD || out->n_not == RK_INTENT_NOT) return;
  if (rk_words_starts(word, "超过|高于|买|下单|付款|问|太|贵|急|more|over|less|higher|exceed|too|buy|order|need|ask|yet|problem|sure|rush|hurry|expensive|only|have|want|it|spend|cost")) return;
  rk_utf8_copy(out->not_words[out->n_not++], RK_INTENT_WORD, word);
}

static void read_not(rk_str s, struct rk_intent *out) {
  static const char leads[] = "不要|别要|不想要|不考虑|除了|排除|非|not|no|without|except|except for|excluding|other than|but not|anything but|don't want|avoid";
  for (size_t at = 0; at < s.n;) {
    size_t n;
    ptrdiff_t hit = rk_words_find(from(s, at), leads, &n);
    if (hit < 0) break;
    at += (size_t)hit + n;
    rk_str rest = from(s, at);
    size_t stop_n;
    ptrdiff_t stop = rk_words_find(rest, ",|，|。|、|;|；|!|！|?|？|.|\n|以外|之外|and |please|的|但|就", &stop_n);
    rk_str word = stop >= 0 ? upto(rest, (size_t)stop) : rest;
    if (word.n < 40) add_not(word, out);
  }
}

static void add_only(rk_str word, struct rk_intent *out) {
  double v;
  word = rk_str_trim(word);
  if (word.n < 2 || word.n >= RK_INTENT_WORD || out->n_only == RK_INTENT_NOT || rk_words_number(word, &v, NULL)) return;
  if (rk_words_starts(word, "最|便宜|评|好|能|是|有|可以|可|价|质量|送|今|明|后天|周|你|我|他|她|在|新|全新|正|真|现|贵|不|要|买|别|这|那|刚|第|几|半|大|中|加|普通|合适|适合|一样|同样|快|早|有货|包邮|免")) return;
  char normal[RK_INTENT_WORD * 2];
  struct rk_buf b;
  rk_buf_init(&b, sizeof normal);
  if (rk_words_normal(&b, word) == RK_OK && b.n < RK_INTENT_WORD) rk_utf8_copy(out->only_words[out->n_only++], RK_INTENT_WORD, rk_buf_str(&b));
  rk_buf_release(&b);
}

/* "A or B": each by itself. */
static void add_each(rk_str words, struct rk_intent *out) {
  for (size_t n; words.n;) {
    ptrdiff_t at = rk_words_find(words, "或者|或是|或|和|、|/|or|and", &n);
    add_only(at < 0 ? words : upto(words, (size_t)at), out);
    words = at < 0 ? (rk_str){"", 0} : from(words, (size_t)at + n);
  }
}

/* A mark must stand behind the name: without it, 只要 is also "as long as". */
static void read_only_zh(rk_str s, struct rk_intent *out) {
  enum { MOST_BYTES = 40 };
  size_t n, end_n, stop_n;
  ptrdiff_t at = rk_words_find(s, "只要|只买|只看|只考虑|只想要|只接受|仅限|认准", &n);
  if (at < 0) return;
  rk_str rest = from(s, (size_t)at + n);
  ptrdiff_t end = rk_words_find(rest, "牌|品牌|的", &end_n), stop = rk_words_find(rest, ",|，|。|;|；|!|！|?|？|\n|就", &stop_n);
  if (end > 0 && end <= MOST_BYTES && (stop < 0 || end < stop)) add_each(upto(rest, (size_t)end), out);
}

static bool is_capital(rk_str s, size_t at) { return at < s.n && s.p[at] >= 'A' && s.p[at] <= 'Z'; }
static bool is_name_byte(rk_str s, size_t at) { return at < s.n && s.p[at] != ' ' && s.p[at] != ',' && s.p[at] != '.' && s.p[at] != '!' && s.p[at] != '?' && s.p[at] != ';' && s.p[at] != '\n'; }

/* A run of names in capitals, "Sony or Bose". */
static rk_str names_at(rk_str said, size_t at) {
  size_t end = at;
  while (is_capital(said, end)) {
    while (is_name_byte(said, end)) end++;
    size_t n = rk_words_starts(from(said, end), " or | and ");
    if (!n || !is_capital(said, end + n)) break;
    end += n;
  }
  return (rk_str){said.p + at, end - at};
}

/* English brands have a capital: "only Sony", "Sony only". said: as it was written. */
static void read_only_en(rk_str said, struct rk_intent *out) {
  size_t n;
  ptrdiff_t at = rk_words_find(said, "only|Only|must be|has to be|nothing but", &n);
  if (at < 0) return;
  size_t next = (size_t)at + n, start = (size_t)at;
  while (next < said.n && said.p[next] == ' ') next++;
  next += rk_words_starts(from(said, next), "want |buy |take |consider |show me |from |by |a |an ");
  rk_str names = names_at(said, next);
  if (names.n == 0 && start > 1 && said.p[start - 1] == ' ') { /* the word before, unless the sentence begins with it */
    size_t end = start - 1;
    for (start = end; start > 0 && is_name_byte(said, start - 1); start--) {}
    if (start > 0 && is_capital(said, start)) names = (rk_str){said.p + start, end - start};
  }
  if (names.n > 1) add_each(names, out);
}

/* The best rated is the best rated; milder words beside each other are weighed. */
static void read_wish(rk_str s, struct rk_intent *out) {
  bool rating = rk_words_has(s, rating_words), cheap = rk_words_has(s, cheapest_words), soon = rk_words_has(s, soonest_words);
  struct rk_weights w = {.total = cheap, .rating = rating || rk_words_has(s, soft_rating_words), .date = soon};
  if (rk_words_has(s, most_words) || (rating && !cheap && !soon)) out->wish = RK_WISH_RATING;
  else if (w.total + w.rating + w.date > 1) out->wish = RK_WISH_WEIGHED;
  else out->wish = soon ? RK_WISH_SOONEST : cheap ? RK_WISH_CHEAPEST : RK_WISH_NONE;
  if (out->wish == RK_WISH_RATING) w = (struct rk_weights){.rating = 1};
  if (out->wish == RK_WISH_NONE) w = (struct rk_weights){.total = 1};
  out->weights = w;
}

static void read_ordinal(rk_str s, struct rk_intent *out) {
  static const char *const en[] = {"the first one|first one|the first|1st|number one|number 1|option 1|no. 1|#1",
                                   "the second one|second one|the second|2nd|number two|number 2|option 2|no. 2|#2",
                                   "the third one|third one|the third|3rd|number three|number 3|option 3|no. 3|#3",
                                   "the fourth one|fourth one|the fourth|4th|number four|number 4|option 4|no. 4|#4",
                                   "the fifth one|fifth one|the fifth|5th|number five|number 5|option 5|no. 5|#5"};
  for (int i = 0; i < 5; i++)
    if (rk_words_has(s, en[i])) out->ordinal = i + 1;
  size_t n;
  ptrdiff_t at = rk_words_find(s, "第", &n);
  double v;
  size_t m = at >= 0 ? rk_words_number(from(s, (size_t)at + n), &v, NULL) : 0;
  if (m && v >= 1 && v <= RK_MAX_CARDS && rk_words_starts(from(s, (size_t)at + n + m), "个|款|家|种|双|台|本|条|顶|把|件|只|杯|盒|束|部|项|号")) out->ordinal = (int32_t)v;
  out->of_shown = rk_words_has(s, "那个|那款|那双|那台|那本|这个|这款|其中|刚才那|里面|of those|of them|of these|that one|this one|the one with|among them|among those");
}

/* "43号": two digits that are no day of a month and no house number. */
static bool numbered_size(rk_str left, rk_str digits, size_t n, rk_str right) {
  return n == 2 && memcmp(digits.p, "31", 2) > 0 && rk_words_starts(right, "号") &&
         !rk_words_ends(left, "路|街|巷|弄|道|里|村|苑|栋|座|楼");
}

static void read_size(rk_str s, struct rk_intent *out) {
  static const char letters[] = "xxl|xl|l|m|s|xs|xxxl";
  for (size_t at = 0; at < s.n; at++) {
    if (at > 0 && ((s.p[at - 1] >= 'a' && s.p[at - 1] <= 'z') || (s.p[at - 1] >= '0' && s.p[at - 1] <= '9') || s.p[at - 1] == '.')) continue;
    rk_str rest = from(s, at);
    size_t n = rk_words_starts(rest, letters);
    while (!n && n < rest.n && rest.p[n] >= '0' && rest.p[n] <= '9') {
      while (n < rest.n && rest.p[n] >= '0' && rest.p[n] <= '9') n++;
    }
    if (n == 0 || n > 4) continue;
    rk_str left = upto(s, at), right = after_space(from(rest, n));
    bool letter = rest.p[0] > '9';
    bool sized = rk_words_ends(left, "size |size: |sized |in a |尺码|尺码是|尺寸|码数") && !(rk_words_ends(left, "in a ") && !letter);
    if (!sized) sized = rk_words_starts(right, "码") > 0 || (letter && rk_words_starts(right, "号|size")) || (!letter && numbered_size(left, rest, n, right));
    if (sized) snprintf(out->size, sizeof out->size, "%.*s", (int)n, rest.p);
    at += n - 1;
  }
}

static void read_date(rk_str s, int64_t now_ms, struct rk_intent *out) {
  size_t at, n;
  if (!rk_dates_find(s, now_ms, out->date, &at, &n)) return;
  bool by = rk_words_starts(from(s, at + n), "前|之前|以前|内") || rk_words_ends(upto(s, at), "by |before |no later than |within |until |in time for ") ||
            rk_words_has((rk_str){s.p + at, n}, "天内|天之内|天以内|in|within|周末|weekend");
  bool handed = rk_words_has(s, "送|配送|寄|收到|到货|deliver|delivered|delivery|arrive|arrives|send|bring");
  struct rk_date today = rk_local_date(now_ms);
  char iso[11];
  rk_date_iso(&today, iso);
  if (strcmp(iso, out->date) == 0 && !handed) out->date[0] = 0; /* "buy one today" is no wish about delivery */
  out->date_exact = handed && !by;
}

/* "两盒茶叶，送到家", "One pot of tea, delivered": a count of things first, or where to bring it, and no question. */
static bool is_order_phrase(rk_str s, const struct rk_intent *in) {
  if (in->quantity == 0 || s.n > 160 || rk_words_has(s, "?|多少|什么|怎么|吗|哪|how|what|why|when")) return false;
  double v;
  bool word;
  size_t n = rk_words_number(s, &v, &word);
  bool counted = n && word && (han_quantity(s, 0, n, v) || english_quantity(s, 0, n, v, word));
  return counted || rk_words_has(s, "送到|送货|送来|配送|delivered|deliver");
}

/* Cheapest or best rated: said of things to buy. "Fastest" is said of much else. */
static bool names_order(const struct rk_intent *in) {
  return in->wish == RK_WISH_CHEAPEST || in->wish == RK_WISH_RATING || (in->wish == RK_WISH_WEIGHED && in->weights.total);
}

static enum rk_mode read_mode(rk_str s, const struct rk_intent *in, bool no_buy) {
  bool buy = rk_words_has(s, buy_words), browse = rk_words_has(s, browse_words);
  if (in->works) return RK_MODE_TALK;
  if (rk_words_has(s, status_words) && !(in->max_minor || names_order(in))) return RK_MODE_STATUS;
  if (no_buy) return RK_MODE_BROWSE;
  if (rk_words_has(s, "推荐|recommend|suggest|怎么样|值得买") && !rk_words_has(s, "下单|买一|buy the|order the|订一")) return RK_MODE_BROWSE;
  if (buy) return RK_MODE_BUY;
  if (browse) return in->max_minor || names_order(in) || rk_words_has(s, "show|find|compare|recommend|looking for|找|推荐|对比|比较|哪家|有没有") ? RK_MODE_BROWSE : RK_MODE_TALK;
  if (in->max_minor || names_order(in) || in->ordinal) return RK_MODE_BUY;
  return is_order_phrase(s, in) ? RK_MODE_BUY : RK_MODE_TALK;
}

/* "好，下单吧", "looks good, book it": agreement and nothing else. */
static bool is_yes(rk_str s) {
  static const char yes[] = "下单吧|下单|买吧|买它|就这个|就买这个|就它|订吧|可以|好的|好|行|没问题|同意|确认|就这样|looks good|sounds good|go ahead and book it|go ahead and book|go ahead|book everything|book it all|book all of it|book all|book them|order everything|buy everything|book it|buy it|order it|"
                            "buy that|order that|take it|i'll take it|yes|ok|okay|do it|sure|please|then|great|fine|perfect";
  static const char between[] = ",| |.|!|，|。|！|吧|了|那|就|的|呀|啊|它|~";
  bool said = false;
  while (s.n) {
    size_t n = rk_words_starts(s, yes);
    said |= n > 0;
    if (!n) n = rk_words_starts(s, between);
    if (!n) return false;
    s = from(s, n);
  }
  return said;
}

void rk_intent_read(rk_str said, int64_t now_ms, struct rk_intent *out) {
  *out = (struct rk_intent){.chinese = rk_words_has_han(said)};
  struct rk_buf text;
  rk_buf_init(&text, said.n + 16);
  if (rk_words_normal(&text, said) == RK_OK) {
    rk_str s = rk_buf_str(&text);
    read_money(s, out);
    read_quantity(s, out);
    read_not(s, out);
    read_only_zh(s, out);
    if (!out->n_only) read_only_en(said, out);
    read_ordinal(s, out);
    read_date(s, now_ms, out);
    read_size(s, out);
    out->confirms = is_yes(s);
    read_wish(s, out);
    out->instrument = rk_words_has(s, door_words) ? "on_delivery" : rk_words_has(s, wallet_words) ? "wallet" : rk_words_has(s, card_words) ? "card" : NULL;
    out->for_other = rk_words_has(s, other_words);
    out->elsewhere = rk_words_has(s, elsewhere_words) && !rk_words_has(s, "送到家|到家里|回家|to our home|to my home|delivered home");
    out->plans = rk_words_has(s, plan_words);
    out->works = rk_words_has(s, work_words);
    out->if_not = rk_words_has(s, if_not_words);
    out->mode = read_mode(s, out, rk_words_has(s, dont_buy_words));
  }
  rk_buf_release(&text);
}

void rk_intent_text(const struct rk_intent *in, struct rk_buf *out) {
  const char *cur = in->currency[0] ? in->currency : "";
  if (in->max_minor) rk_buf_addf(out, "<= %lld.%02lld %s%s, ", (long long)(in->max_minor / 100), (long long)(in->max_minor % 100), cur, in->per_unit ? " each" : "");
  if (in->min_minor) rk_buf_addf(out, ">= %lld.%02lld %s, ", (long long)(in->min_minor / 100), (long long)(in->min_minor % 100), cur);
  if (in->quantity) rk_buf_addf(out, "qty %d, ", in->quantity);
  if (in->date[0]) rk_buf_addf(out, "%s %s, ", in->date_exact ? "on" : "by", in->date);
  for (int32_t i = 0; i < in->n_not; i++) rk_buf_addf(out, "not %s, ", in->not_words[i]);
  for (int32_t i = 0; i < in->n_only; i++) rk_buf_addf(out, "%s %s%s", i ? "or" : "only", in->only_words[i], i + 1 < in->n_only ? " " : ", ");
  if (in->instrument) rk_buf_addf(out, "pay by %s, ", in->instrument);
  static const char *const orders[] = {[RK_WISH_NONE] = "lowest total", [RK_WISH_CHEAPEST] = "lowest total", [RK_WISH_RATING] = "best rated",
                                       [RK_WISH_SOONEST] = "soonest", [RK_WISH_WEIGHED] = "weighed"};
  rk_buf_adds(out, orders[in->wish]);
}

/* "for two", "for 3, please": people, when nothing else follows. False: none. */
static bool find_persons(rk_str s, struct rk_measure *out) {
  for (size_t at = 0; at < s.n; at++) {
    if (!rk_words_ends(upto(s, at), "for ")) continue;
    double v;
    size_t n = rk_words_number(from(s, at), &v, NULL);
    rk_str right = after_space(from(s, at + n));
    bool ends = right.n == 0 || strchr(",.;!?", right.p[0]) || rk_words_starts(right, "please|and|under|below|up to|at most|with|max");
    if (!n || v < 1 || v > 12 || !ends || part_of_amount(s, at)) continue;
    *out = (struct rk_measure){RK_DIM_PEOPLE, v, at, n};
    return true;
  }
  return false;
}

int32_t rk_intent_demands(rk_str s, struct rk_measure *out, int32_t max) {
  int32_t n = 0;
  struct rk_measure m;
  rk_str rest;
  for (size_t at = 0; n < max && rk_words_quantity(s, at, &m); at = m.at + m.n) {
    rk_str left = upto(s, m.at), right = after_space(from(s, m.at + m.n));
    bool compared = rk_words_starts(right, max_after) || rk_words_starts(right, min_after) || rk_words_starts(right, around_after) ||
                    ends_with(left, max_before, &rest) || ends_with(left, min_before, &rest) || ends_with(left, around_before, &rest);
    if (!compared) out[n++] = m;
  }
  if (n < max && find_persons(s, &m)) out[n++] = m;
  return n;
}

rk_err rk_intent_measures(struct rk_buf *out, rk_str said) {
  struct rk_buf text;
  rk_buf_init(&text, said.n + 16);
  rk_err err = rk_words_normal(&text, said);
  size_t n;
  for (size_t at = 0; !err && rk_words_measure(rk_buf_str(&text), at, &at, &n); at += n)
    err = rk_buf_addf(out, "%s%.*s", out->n ? "|" : "", (int)n, text.p + at);
  struct rk_measure people;
  if (!err && find_persons(rk_buf_str(&text), &people)) err = rk_buf_addf(out, "%s%.0f people", out->n ? "|" : "", people.value);
  rk_buf_release(&text);
  return err;
}

/* ---- the model's query ---- */

static size_t drop_at(rk_str s, size_t at) {
  static const char noise[] =
      "最便宜的|最便宜|便宜的|便宜点的|便宜|最划算的|最划算|划算|评分最高的|评分最高|评价最好的|口碑最好的|最好的|最低价|以内的|以内|以下的|以下|左右的|左右|不超过|之内|元以内|送到家|送到家里|明天|今天|后天|周末|"
      "cheapest|cheap|lowest price|best price|best rated|best-rated|highest rated|top rated|under|below|less than|at most|up to|no more than|around|about|"
      "delivered home|delivered|delivery|tomorrow|today|weekend|next|please|buy|order|a pair of|pair of|pairs of|买|购买|帮我|一双|一个|一台|一部|一本|一杯|一盒|一束|一条|一顶|一把|一件|一只|一瓶|一包|一袋|一份|一套";
  rk_str rest = from(s, at);
  size_t n = (at == 0 || s.p[at - 1] == ' ' || (unsigned char)rest.p[0] >= 0x80) ? rk_words_starts(rest, noise) : 0;
  if (n) return n;
  struct rk_amount a;
  if (rk_words_amount(rest, 0, &a) && a.at == 0 && (a.currency[0] || amount_kind(rest, &a) != K_NONE)) return a.n;
  return 0;
}

rk_err rk_intent_clean_query(struct rk_buf *out, rk_str query) {
  struct rk_buf text, kept;
  rk_buf_init(&text, query.n + 16);
  rk_buf_init(&kept, query.n + 16);
  rk_err err = rk_words_normal(&text, query);
  rk_str s = rk_buf_str(&text);
  for (size_t at = 0; !err && at < s.n;) {
    size_t n = drop_at(s, at);
    if (n) rk_buf_addc(&kept, ' ');
    else {
      uint32_t cp;
      n = (size_t)rk_utf8_next(from(s, at), &cp);
      bool mark = cp == ',' || cp == 0xFF0C || cp == 0x3001 || cp == 0x3002 || cp == 0x300A || cp == 0x300B || cp == '"' || cp == '<' || cp == '>';
      if (mark) rk_buf_addc(&kept, ' ');
      else rk_buf_add(&kept, s.p + at, n);
    }
    at += n;
  }
  struct rk_buf tidy;
  rk_buf_init(&tidy, query.n + 16);
  if (!err) err = rk_words_normal(&tidy, rk_buf_str(&kept));
  if (!err) err = rk_buf_addstr(out, rk_str_trim(rk_buf_str(&tidy)));
  rk_buf_release(&text);
  rk_buf_release(&kept);
  rk_buf_release(&tidy);
  return err;
}
