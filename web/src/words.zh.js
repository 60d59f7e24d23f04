export const zh = {
  // frame
  app: '入口', tagline: '一句话，事就办好。', new_chat: '新对话', chats: '对话', orders: '订单', profile: '资料', settings: '设置',
  open_list: '打开对话列表', close_list: '收起对话列表', skip: '跳到对话', no_chats: '还没有对话',
  delete_chat: '删除对话', delete_title: '删除这个对话？', delete_text: '「{title}」会被删除。订单和账目保留。', delete: '删除', cancel: '取消', close: '关闭',
  language: 'English', language_label: '切换到英文', theme_auto: '跟随系统', theme_light: '浅色', theme_dark: '深色', theme_label: '外观：{now}',
  today: '今天', yesterday: '昨天', this_week: '近七天', sandbox: '沙盒', sandbox_long: '沙盒资金：这里买的都不是真的',
  model_local: '{name} · 在本机运行', model_remote: '{name} · 远程接口', running: '进行中',
  // sign-in
  signin_title: '先登录', signin_text: 'rukou 只认启动时打印在终端里的地址。请打开那个地址，或把其中的令牌粘贴到这里。',
  signin_used: '这个地址已经用过，或者不对。', signin_again: '要一个新地址：在终端里再运行一次', signin_token: '令牌或整个地址', signin_go: '登录',
  // composer
  ask: '想办什么事？', send: '发送', stop: '停止', composer_label: '消息', composer_hint: 'Enter 发送，Shift+Enter 换行',
  busy_hint: '正在办。可以先停止，或等它办完。', jump_end: '回到最新',
  hello: '说一句话，事就办好。', hello_sub: '我会找遍你列出的店，按实付价比较。花钱之前，一定先给你看清楚条款。',
  try_1: '买一双跑步鞋，500元以内，哪个平台便宜就在哪买', try_2: '想要一个血压计送给父母，200元左右', try_3: '给孩子买一个双肩书包，评价好一点的', try_4: '我上一单到哪了？',
  // thread
  you: '你', assistant: '入口', earlier: '显示更早的消息', loading: '正在读取…', thinking_now: '正在想', thought: '想过了', preparing: '正在读题',
  prefill: '正在读题 {done}/{total}', turn_failed: '没有办成', turn_cancelled: '已停止', usage: '{tokens} 词元 · {time}', copy: '复制', copied: '已复制',
  chat_gone: '没有这个对话，可能已经删除。', resend: '再试一次', code: '代码',
  // tools
  tool_trains: '查火车', tool_flights: '查航班', tool_hotels: '查酒店', tool_tickets: '查门票', tool_films: '查电影场次',
  tool_search_offers: '比价搜索', tool_start_checkout: '准备结账', tool_order_status: '查询订单', tool_calculator: '计算', tool_clock: '查日历', tool_return_order: '退货', tool_translate: '翻译',
  tool_running: '进行中', tool_ok: '完成', tool_failed: '未成功', tool_args: '参数', tool_result: '结果', tool_shops: '问过的店',
  shop_offers: '{n} 个商品', shop_failed: '没有回答',
  // cards
  nights: '{n} 晚，{rooms} 间', party: '成人 {adults}，儿童 {children}',
  delivery_unknown: '未知', delivery_expected: '运费按该店另一商品的报价。', fees: '其他费用', also_at: '同款：{shops}',
  cheapest: '最便宜', offer_n: '第 {n} 个', offers_label: '{n} 个商品，左右滑动查看', choose: '选这个', choose_text: '就买第 {n} 个', tag_price: '标价',
  items: '商品', coupon: '优惠券', discount: '优惠', delivery: '配送', delivery_free: '免运费', total: '合计', arrives: '{date} 送达', no_date: '未给出送达日期',
  rating: '{rating} 分', reviews: '{n} 条评价', stock_left: '仅剩 {n} 件', stock_out: '无货', checked: '{time} 查到', qty: '数量 {n}', each: '单价 {price}', paid_reason: '为什么是它',
  say_cards: '找到 {n} 个商品。', say_approval: '请确认购买条款。', say_order: '已下单。',
  // options
  opt_class: '席别', opt_passenger: '乘客', opt_room: '房型', opt_guests: '可住', opt_date: '日期', opt_starts: '开始', opt_ends: '结束', opt_end_date: '到', opt_opens: '开放', opt_closes: '关闭', opt_seats: '座位',
  opt_color: '颜色', opt_colour: '颜色', opt_size: '尺码', opt_model: '型号', opt_kind: '款式', opt_capacity: '容量', opt_material: '材质', opt_flavor: '口味', opt_version: '版本',
  // edits, differences, returns, permissions
  ed_title: '修改', ed_quantity: '数量', ed_apply: '按此修改', df_edit: '您的修改', df_later: '商家在您确认之后改了什么', df_old: '原来', df_new: '现在', df_none: '无',
  bk_cancel: '取消订单', bk_return: '退货退款', bk_change: '改签', ch_old: '原票', ch_new: '改为', ch_rule: '改签规则', ch_armed: '向 {merchant} 改签，差额退到 {instrument}？', ch_hold: '按住确认改签，退回 {total}', bk_back: '退回金额', bk_fee: '手续费', bk_to: '退到', bk_ask: '取消或退货…', bk_armed: '向 {merchant} 退这笔订单，退到 {instrument}？', bk_hold: '按住确认，退回 {total}',
  pm_title: '长期授权', pm_text: '在这些限额之内的购买不再逐笔询问；每一笔仍有签名记录，授权可以随时收回。', pm_none: '没有长期授权：每笔都会询问。', pm_any: '任何商家', pm_order: '每单最多', pm_day: '每天最多', pm_month: '每月最多', pm_merchant: '只限商家', pm_add: '授权', pm_end: '收回', pm_uses: '用过 {n} 次', pm_by: '由您的长期授权批准。',
  // approval
  ap_travelers: '出行人', ap_nothing_sent: '电子凭证，不寄送',
  ap_title: '确认购买', ap_merchant: '商家', ap_claim: '名称为商家自称', ap_items: '商品', ap_ship_to: '送到', ap_delivery: '配送', ap_pay: '付款方式', ap_refund: '退款规则', ap_none: '商家未写',
  ap_codes: '优惠码', ap_balance: '余额 {balance}', ap_balance_after: '付后余额 {balance}', ap_balance_low: '余额不足', ap_expires: '{left} 后失效', ap_demo: '收货信息是演示资料。',
  ap_demo_edit: '换成我的', ap_print: '条款指纹', ap_print_ok: '与上面显示的条款一致', ap_print_bad: '条款与指纹不一致，不能批准。请拒绝后重新下单。',
  ap_refuse: '不买', ap_review: '看过了，去批准', ap_armed: '将用「{instrument}」向「{merchant}」付款', ap_hold: '按住付款 {total}', ap_holding: '继续按住…', ap_hold_hint: '按住按钮（或空格键）一秒。回车键不会付款。', ap_back: '再看看',
  ap_sandbox: '沙盒商家，沙盒资金',
  st_pending: '待你批准', st_approved: '已批准', st_completing: '正在下单', st_completed: '已下单', st_failed: '未成功', st_unknown: '结果未知', st_refused: '已拒绝', st_expired: '已过期', st_superseded: '已被新条款取代',
  ap_x_approved: '已批准，正在交给商家。', ap_x_completing: '正在向商家下单…', ap_x_unknown: '现在还不知道订单是否成立。不会再发送任何付款，rukou 会继续向商家核对。', ap_x_failed: '没有买成，没有扣款。',
  fail_expired: '确认在下单之前过期了，没有扣款。', fail_checkout_gone: '商家已经不认得这笔结算，没有扣款。', fail_canceled: '商家取消了这笔结算，没有扣款。', fail_not_taken: '商家没有接到这笔订单，已在商家处取消；没有扣款。', fail_payment_refused: '商家没有接受付款，没有扣款。',
  fail_no_answer: '商家没有回应；什么也没有发出，没有扣款。', fail_not_available: '商家现在不接这笔订单，可能已经缺货；没有扣款。', fail_terms_changed: '商家在你确认之后改了条款；没有扣款。',
  notice_order_unknown: '现在还不知道订单是否成立。不会再发送任何付款，正在核对。',
  ap_x_refused: '你没有批准，什么也没买。', ap_x_expired: '条款已过期，什么也没买。需要的话请再说一遍。', ap_x_superseded: '条款有变，请看新的确认卡。', ap_check: '现在核对',
  type_subtotal: '商品小计', type_items_discount: '商品优惠', type_discount: '优惠', type_fulfillment: '配送费', type_shipping: '配送费', type_tax: '税', type_fee: '服务费', type_total: '合计',
  // plans
  pl_title: '确认计划', pl_terms: '条款与修改', pl_terms_all: '各部分的条款', pl_more: ' 等，另有 {n} 项', pl_whole: '{n} 部分合计', pl_if_fails: '如果有一部分买不成', pl_undo: '退订：', pl_undo_never: '不能退，最后付款', pl_undo_unknown: '商家没有写明手续费；如果收费就保留', pl_undo_fee: '手续费最多 {fee}', pl_undo_free: '全额退',
  pl_way_keep_text: '其余部分照买，已买的保留。', pl_way_keep: '保留其余。', pl_way_undo: '全部撤回。', pl_way_undo_text: '还没买的取消占用，已买的退掉，退订费最多为上面写明的数额；退不了的保留并告诉你。', pl_armed: '将一次批准 {n} 笔购买', pl_renew: '延长占用', pl_paid: '已付', pl_cost: '实际花费', pl_unknown: '还不知道', pl_back: '退回 {back}，手续费 {fee}', pl_back_all: '全额退回 {back}',
  pl_is_pending: '待你批准', pl_is_approved: '已批准', pl_is_completing: '正在付款', pl_is_undoing: '正在撤回', pl_is_completed: '全部买好', pl_is_undone: '没有买成', pl_is_partial: '部分成立', pl_is_refused: '已拒绝', pl_is_expired: '已过期',
  pl_say_approved: '已批准，正在逐一核对各部分的条款；还没有付款。', pl_say_completing: '正在逐一付款：先付能退的，最后付不能退的。', pl_say_undoing: '有一部分没有成功，正在撤回其余部分。', pl_say_completed: '全部买好了。', pl_say_undone: '没有买成，没有留下任何订单。', pl_say_partial: '只有一部分成立，见下。',
  pl_st_stands: '成立', pl_st_refunded: '已退款', pl_st_released: '已取消占用', pl_st_failed: '未成功', pl_st_unknown: '结果未知', pl_st_working: '正在处理', pl_st_waiting: '还没开始', pl_do_wait: '会继续核对，不会再发送付款。', pl_do_order_page: '请到商家的订单页面处理。',
  pl_why_no_request: '商家不接受代为取消。', pl_why_nothing_back: '按商家的规则不退款。', pl_why_fee_higher: '退订手续费比计划单上写的高，所以没有退。', pl_why_undo_refused: '商家拒绝了退订。', pl_why_no_answer: '商家没有回应退订请求。', pl_why_refund_not_seen: '商家确认了退款，但订单里还没有这笔退款。', bk_by_plan: '由你批准的计划退订。',
  // receipt, orders
  rc_title: '已下单', rc_ours: '订单号', rc_theirs: '商家订单号', rc_paid: '付款', rc_view: '查看全部订单',
  or_none: '还没有订单', or_none_text: '你批准的购买会出现在这里，连同账目。', or_status_placed: '已下单', or_status_processing: '处理中', or_status_fulfilled: '已送达', or_status_canceled: '已取消', or_status_refunded: '已退款', rc_refunded: '已退回',
  or_open_chat: '回到对话', ledger: '账目', lg_time: '时间', lg_kind: '类型', lg_amount: '金额', lg_who: '商家', lg_with: '付款方式', lg_authorize: '预授权', lg_capture: '扣款', lg_void: '撤销', lg_refund: '退款', lg_opening: '开户余额', lg_none: '没有账目',
  // receipt sheet, spending
  receipt: '收据', rp_print: '打印', rp_none: '没有这个订单', rp_unit: '单价', rp_placed: '下单时间', rp_stands: '实付', rp_approval: '批准', rp_signed: '签名与条款相符', rp_unsigned: '签名不符', rp_ok: '各项相加无误：商品、合计、付款、退款。', rp_bad: '不符：',
  rp_by_page: '在这个页面', rp_by_terminal: '在终端', rp_by_key_approve: '由有批准权的密钥', rp_by_permission: '由长期授权',
  chk_lines: '各项商品之和等于小计', chk_total: '各部分之和等于合计', chk_paid: '合计已付，且只付一次', chk_approved: '合计不超过批准的金额', chk_signed: '批准的签名与条款相符', chk_back: '退回不超过付款', chk_returns: '约定退回的已退回',
  spending: '支出', sp_month: '月份', sp_merchant: '商家', sp_category: '类别', sp_orders: '订单', sp_spent: '支出', sp_net: '净额', sp_unknown: '未知', sp_claimed: '商家自称：{claim}', sp_bad: '这些合计与账目不符。',
  // hand-over, pay on delivery
  ho_title: '到商家页面完成', ho_open: '等你去完成', ho_completed: '已下单', ho_canceled: '已取消', ho_gone: '已不存在', ho_checkout: '结算编号', ho_host: '链接实际通往', ho_foreign: '这不是商家自己的域名。', ho_left: '还要做什么', ho_pay: '在那里支付 {total}。这家店不接受 rukou 有的付款方式。', ho_says: '商家说：{text}', ho_nothing: '没有了', ho_not_here: '这里没有付款。',
  ho_check: '我去过了，核对一下', ho_go: '打开', ho_order: '订单页面', ho_no_page: '商家没有给出可以打开的页面。', ho_needs: '{merchant} 需要你先到它的页面，订单才成立。在此期间不会再发送任何付款。',
  kind_on_delivery: '货到付款', od_note: '这里不扣款。收货时把 {total} 付给送货员。', od_armed: '在「{merchant}」下单，收货时付给送货员？', od_hold: '按住下单，货到付 {total}', od_due: '货到待付',
  // variants
  va_pick: '选择', va_gone: '没有这种组合。', va_price: '单价', va_same: '不变',
  // question
  q_title: '还差一点', q_send: '回答', q_other: '其他', slot_address: '收货地址', slot_qty: '数量', slot_budget: '预算', slot_kind: '哪一种', slot_size: '尺码', slot_date: '日期', slot_city: '城市', slot_passengers: '乘客', slot_recipient: '收件人', slot_other: '回答',
  // profile
  pf_text: '下单时用的收货人、地址和付款方式。只保存在本机。', pf_demo: '现在是演示资料：只有沙盒商家会接受。请换成你自己的。', pf_name: '姓名', pf_phone: '电话', pf_street: '街道门牌', pf_city: '城市', pf_address: '收货地址', pf_home_city: '常住城市',
  pf_sizes: '尺码', pf_shoes: '鞋码', pf_clothes: '衣服尺码', pf_contact: '收货人', pf_passengers: '乘客', pf_type: '类型', pf_adult: '成人', pf_child: '儿童', pf_document: '证件号码', pf_birth: '出生日期', pf_passenger_add: '添加乘客', pf_passenger_remove: '移除', pf_instruments: '付款方式（沙盒）', pf_default: '默认', pf_save: '保存', profile_saved: '资料已保存',
  pf_coupons: '优惠码', pf_coupons_text: '您手里的优惠码。遇到不列出优惠码的商家时会试用，优惠写在条款里。',
  kind_card: '银行卡', kind_wallet: '钱包', pf_required: '姓名、电话和地址都要填。',
  // link, errors
  link_connecting: '正在连接…', link_lost: '连接断了，正在重连…', error_unreachable: '连不上 rukou。它还在运行吗？', error_http: 'rukou 答复了错误 {status}。', error_page: '页面出错了，请刷新。', notice_warning: '注意', notice_info: '说明', error: '出错',
};
