export const en = {
  // frame
  app: 'rukou', tagline: 'Say it once. It gets done.', new_chat: 'New chat', chats: 'Chats', orders: 'Orders', profile: 'Profile', settings: 'Settings',
  open_list: 'Open the list of chats', close_list: 'Close the list of chats', skip: 'Skip to the chat', no_chats: 'No chats yet',
  delete_chat: 'Delete chat', delete_title: 'Delete this chat?', delete_text: '"{title}" will be deleted. Orders and the ledger stay.', delete: 'Delete', cancel: 'Cancel', close: 'Close',
  language: '中文', language_label: 'Switch to Chinese', theme_auto: 'Automatic', theme_light: 'Light', theme_dark: 'Dark', theme_label: 'Appearance: {now}',
  today: 'Today', yesterday: 'Yesterday', this_week: 'Last seven days', sandbox: 'Sandbox', sandbox_long: 'Sandbox money: nothing real is bought',
  model_local: '{name} · on this machine', model_remote: '{name} · remote API', running: 'Running',
  // sign-in
  signin_title: 'Sign in', signin_text: 'rukou lets in whoever has the address it printed in the terminal. Open that address, or paste its token here.',
  signin_used: 'That address was used before, or is wrong.', signin_again: 'For a new one, run this again in the terminal', signin_token: 'Token or the whole address', signin_go: 'Sign in',
  // composer
  ask: 'What should get done?', send: 'Send', stop: 'Stop', composer_label: 'Message', composer_hint: 'Enter sends, Shift+Enter makes a new line',
  busy_hint: 'Working on it. Stop it first, or wait until it is done.', jump_end: 'Back to the newest',
  hello: 'Say it once. It gets done.', hello_sub: 'I ask every shop on your list and compare what you really pay. Before any money moves you see the exact terms.',
  try_1: 'Buy a pair of running shoes under 500 yuan, wherever it is cheapest', try_2: 'A blood pressure monitor for my parents, around 200 yuan', try_3: 'Get a school backpack for my kid, with good reviews', try_4: 'Where is my last order?',
  // thread
  you: 'You', assistant: 'rukou', earlier: 'Show earlier messages', loading: 'Loading…', thinking_now: 'Thinking', thought: 'Thought', preparing: 'Reading',
  prefill: 'Reading {done}/{total}', turn_failed: 'This did not work out', turn_cancelled: 'Stopped', usage: '{tokens} tokens · {time}', copy: 'Copy', copied: 'Copied',
  chat_gone: 'There is no such chat; it may have been deleted.', resend: 'Try again', code: 'Code',
  // tools
  tool_trains: 'Trains', tool_flights: 'Flights', tool_hotels: 'Hotels', tool_tickets: 'Attraction tickets', tool_films: 'Films',
  tool_search_offers: 'Compare offers', tool_start_checkout: 'Prepare checkout', tool_order_status: 'Check the order', tool_calculator: 'Calculate', tool_clock: 'Look at the calendar', tool_return_order: 'Give an order back', tool_translate: 'Translate',
  tool_running: 'running', tool_ok: 'done', tool_failed: 'failed', tool_args: 'Arguments', tool_result: 'Result', tool_shops: 'Shops asked',
  shop_offers: '{n} offers', shop_failed: 'no answer',
  // cards
  nights: '{n} nights, {rooms} rooms', party: 'adults {adults}, children {children}',
  delivery_unknown: 'not known', delivery_expected: 'Delivery as the shop quoted it for another offer.', fees: 'Fees', also_at: 'The same thing: {shops}',
  cheapest: 'Cheapest', offer_n: 'No. {n}', offers_label: '{n} offers, swipe sideways', choose: 'Take this', choose_text: 'Take number {n}', tag_price: 'Tag price',
  items: 'Items', coupon: 'Coupon', discount: 'Discount', delivery: 'Delivery', delivery_free: 'free', total: 'Total', arrives: 'arrives {date}', no_date: 'no delivery date given',
  rating: '{rating} of 5', reviews: '{n} reviews', stock_left: 'only {n} left', stock_out: 'sold out', checked: 'checked {time}', qty: 'Quantity {n}', each: '{price} each', paid_reason: 'Why this one',
  say_cards: '{n} offers found.', say_approval: 'Please check the terms of the purchase.', say_order: 'The order is placed.',
  // options
  opt_class: 'Class', opt_passenger: 'For', opt_room: 'Room', opt_guests: 'Sleeps', opt_date: 'Date', opt_starts: 'Starts', opt_ends: 'Ends', opt_end_date: 'Until', opt_opens: 'Opens', opt_closes: 'Closes', opt_seats: 'Seats',
  opt_color: 'Colour', opt_colour: 'Colour', opt_size: 'Size', opt_model: 'Model', opt_kind: 'Kind', opt_capacity: 'Capacity', opt_material: 'Material', opt_flavor: 'Flavour', opt_version: 'Version',
  // edits, differences, returns, permissions
  ed_title: 'Change it', ed_quantity: 'Quantity', ed_apply: 'Ask for these terms', df_edit: 'Your change', df_later: 'What the merchant changed after your approval', df_old: 'Before', df_new: 'Now', df_none: 'none',
  bk_cancel: 'Cancel the order', bk_return: 'Return for a refund', bk_change: 'Change the booking', ch_old: 'Given up', ch_new: 'Instead', ch_rule: 'Rule of changes', ch_armed: 'Change the booking at {merchant}, the difference back to {instrument}?', ch_hold: 'Hold to change, {total} comes back', bk_back: 'Money back', bk_fee: 'Fee', bk_to: 'Back to', bk_ask: 'Cancel or return…', bk_armed: 'Give this order back to {merchant}, money to {instrument}?', bk_hold: 'Hold to take back {total}',
  pm_title: 'Standing permissions', pm_text: 'Purchases within these limits are not asked about one by one; each is still signed and recorded, and a permission can be taken back at any time.', pm_none: 'None: every purchase is asked about.', pm_any: 'Any merchant', pm_order: 'At most per order', pm_day: 'At most per day', pm_month: 'At most per month', pm_merchant: 'Only this merchant', pm_add: 'Permit', pm_end: 'Take back', pm_uses: 'used {n} times', pm_by: 'Approved by your standing permission.',
  // approval
  ap_travelers: 'Travellers', ap_nothing_sent: 'electronic ticket, nothing is sent',
  ap_title: 'Approve this purchase', ap_merchant: 'Merchant', ap_claim: 'the name is the merchant\'s own claim', ap_items: 'Items', ap_ship_to: 'Ship to', ap_delivery: 'Delivery', ap_pay: 'Pay with', ap_refund: 'Refund rule', ap_none: 'none stated by the merchant',
  ap_codes: 'Coupon codes', ap_balance: 'balance {balance}', ap_balance_after: '{balance} after this', ap_balance_low: 'balance too low', ap_expires: 'expires in {left}', ap_demo: 'The recipient is the demo profile.',
  ap_demo_edit: 'Use my own', ap_print: 'Fingerprint of the terms', ap_print_ok: 'matches the terms shown above', ap_print_bad: 'The terms do not match their fingerprint and cannot be approved. Refuse, then ask again.',
  ap_refuse: 'Don\'t buy', ap_review: 'Read it, approve…', ap_armed: 'Pay {merchant} with {instrument}?', ap_hold: 'Hold to pay {total}', ap_holding: 'Keep holding…', ap_hold_hint: 'Hold the button (or the space bar) for one second. Enter never pays.', ap_back: 'Not yet',
  ap_sandbox: 'Sandbox merchant, sandbox money',
  st_pending: 'Waiting for you', st_approved: 'Approved', st_completing: 'Ordering', st_completed: 'Ordered', st_failed: 'Failed', st_unknown: 'Outcome unknown', st_refused: 'Refused', st_expired: 'Expired', st_superseded: 'Replaced by new terms',
  ap_x_approved: 'Approved, on its way to the merchant.', ap_x_completing: 'Placing the order with the merchant…', ap_x_unknown: 'We do not know yet whether the order stands. Nothing will be sent again; rukou keeps asking the merchant.', ap_x_failed: 'The purchase did not go through; nothing was charged.',
  fail_expired: 'The approval expired before the order was placed; nothing was charged.', fail_checkout_gone: 'The merchant no longer knows the checkout; nothing was charged.', fail_canceled: 'The merchant cancelled the checkout; nothing was charged.', fail_not_taken: 'The merchant did not take the order; it was cancelled there and nothing was charged.', fail_payment_refused: 'The merchant did not take the payment; nothing was charged.',
  fail_no_answer: 'The merchant did not answer; nothing was sent and nothing was charged.', fail_not_available: 'The merchant does not take this order any more, it may be out of stock; nothing was charged.', fail_terms_changed: 'The merchant changed the terms after your approval; nothing was charged.',
  notice_order_unknown: 'The merchant has not said yet whether the order stands. It is being looked up; nothing is paid twice.',
  ap_x_refused: 'You did not approve. Nothing was bought.', ap_x_expired: 'The terms have expired. Nothing was bought; ask again if you still want it.', ap_x_superseded: 'The terms changed; see the new card.', ap_check: 'Check now',
  type_subtotal: 'Items', type_items_discount: 'Item discount', type_discount: 'Discount', type_fulfillment: 'Delivery', type_shipping: 'Delivery', type_tax: 'Tax', type_fee: 'Fee', type_total: 'Total',
  // plans
  pl_title: 'Approve this plan', pl_terms: 'Terms and changes', pl_terms_all: 'Terms of the parts', pl_more: ' and {n} more', pl_whole: 'All {n} parts', pl_if_fails: 'If a part fails', pl_undo: 'Giving it back: ', pl_undo_never: 'not possible, so it is paid last', pl_undo_unknown: 'the shop names no fee; it is kept if there is one', pl_undo_fee: 'a fee of at most {fee}', pl_undo_free: 'in full',
  pl_way_keep_text: 'The others are bought all the same and kept.', pl_way_keep: 'Keep the others.', pl_way_undo: 'Undo the plan.', pl_way_undo_text: 'What is not bought yet is released, what is bought is given back, for at most the fee shown above; what cannot be given back is kept and named.', pl_armed: 'Approve {n} purchases at once?', pl_renew: 'Hold longer', pl_paid: 'Paid', pl_cost: 'What it cost', pl_unknown: 'Not known yet', pl_back: '{back} back, fee {fee}', pl_back_all: '{back} back, in full',
  pl_is_pending: 'Waiting for you', pl_is_approved: 'Approved', pl_is_completing: 'Paying', pl_is_undoing: 'Undoing', pl_is_completed: 'All bought', pl_is_undone: 'Did not come about', pl_is_partial: 'Partly stands', pl_is_refused: 'Refused', pl_is_expired: 'Expired',
  pl_say_approved: 'Approved; the terms of every part are read once more. Nothing is paid yet.', pl_say_completing: 'Paying one part after the other, those first that can be given back.', pl_say_undoing: 'A part failed; the rest is being undone.', pl_say_completed: 'Every part is bought.', pl_say_undone: 'It did not come about; no order is left of it.', pl_say_partial: 'Only a part of it stands, see below.',
  pl_st_stands: 'Stands', pl_st_refunded: 'Given back', pl_st_released: 'Released', pl_st_failed: 'Failed', pl_st_unknown: 'Not known', pl_st_working: 'Under way', pl_st_waiting: 'Not begun', pl_do_wait: 'It is being looked up; no payment is sent again.', pl_do_order_page: 'Go on at the order\'s page of the shop.',
  pl_why_no_request: 'The shop takes no cancellation from an agent.', pl_why_nothing_back: 'Nothing comes back by the shop\'s rule.', pl_why_fee_higher: 'The fee would be higher than the sheet said, so it was kept.', pl_why_undo_refused: 'The shop refused to take it back.', pl_why_no_answer: 'The shop did not answer the request.', pl_why_refund_not_seen: 'The shop confirmed the refund, but its order does not show it yet.', bk_by_plan: 'Given back by the plan that you approved.',
  // receipt, orders
  rc_title: 'Order placed', rc_ours: 'Order', rc_theirs: 'Merchant\'s order', rc_paid: 'Charged', rc_view: 'All orders',
  or_none: 'No orders yet', or_none_text: 'What you approve shows up here, with the ledger.', or_status_placed: 'Placed', or_status_processing: 'Processing', or_status_fulfilled: 'Delivered', or_status_canceled: 'Cancelled', or_status_refunded: 'Refunded', rc_refunded: 'Paid back',
  or_open_chat: 'Back to the chat', ledger: 'Ledger', lg_time: 'Time', lg_kind: 'Entry', lg_amount: 'Amount', lg_who: 'Merchant', lg_with: 'Paid with', lg_authorize: 'Hold', lg_capture: 'Charge', lg_void: 'Released', lg_refund: 'Refund', lg_opening: 'Opening balance', lg_none: 'No entries',
  // receipt sheet, spending
  receipt: 'Receipt', rp_print: 'Print', rp_none: 'There is no such order', rp_unit: 'Price', rp_placed: 'Placed', rp_stands: 'What stands', rp_approval: 'Approval', rp_signed: 'signed over these terms', rp_unsigned: 'the signature does not match', rp_ok: 'All sums hold: lines, totals, payments, refunds.', rp_bad: 'Does not hold:',
  rp_by_page: 'on this page', rp_by_terminal: 'in a terminal', rp_by_key_approve: 'by a key that may approve', rp_by_permission: 'by a standing permission',
  chk_lines: 'the lines sum to the subtotal', chk_total: 'the parts sum to the total', chk_paid: 'the total was paid, once', chk_approved: 'the total is at most what was approved', chk_signed: 'the approval is signed over its terms', chk_back: 'no more came back than was paid', chk_returns: 'what was agreed to come back has come back',
  spending: 'Spending', sp_month: 'Month', sp_merchant: 'Merchant', sp_category: 'Category', sp_orders: 'Orders', sp_spent: 'Spent', sp_net: 'Net', sp_unknown: 'not known', sp_claimed: 'the merchant says: {claim}', sp_bad: 'These sums are not those of the ledger.',
  // hand-over, pay on delivery
  ho_title: 'To be finished at the shop', ho_open: 'Waiting for you', ho_completed: 'Ordered', ho_canceled: 'Cancelled', ho_gone: 'No longer there', ho_checkout: 'Checkout', ho_host: 'The link leads to', ho_foreign: 'This is another host than the merchant\'s own.', ho_left: 'Left to do', ho_pay: 'Pay {total} there. The shop takes none of the payment methods that rukou has.', ho_says: 'The shop says: {text}', ho_nothing: 'Nothing', ho_not_here: 'Nothing was paid here.',
  ho_check: 'I was there: check', ho_go: 'Open', ho_order: 'Order page', ho_no_page: 'The shop gave no page that can be opened.', ho_needs: '{merchant} needs you at its page before the order stands. Nothing is sent again meanwhile.',
  kind_on_delivery: 'Pay on delivery', od_note: 'Nothing is charged here. You pay {total} to the carrier when it arrives.', od_armed: 'Order at {merchant}, and pay the carrier on delivery?', od_hold: 'Hold to order, {total} on delivery', od_due: 'To pay on delivery',
  // variants
  va_pick: 'Choose', va_gone: 'This combination is not to be had.', va_price: 'Unit price', va_same: 'the same',
  // question
  q_title: 'One more thing', q_send: 'Answer', q_other: 'Other', slot_address: 'Delivery address', slot_qty: 'Quantity', slot_budget: 'Budget', slot_kind: 'Which kind', slot_size: 'Size', slot_date: 'Date', slot_city: 'City', slot_passengers: 'Passengers', slot_recipient: 'Recipient', slot_other: 'Answer',
  // profile
  pf_text: 'Recipient, address and payment used for orders. Kept on this machine only.', pf_demo: 'This is the demo profile: only sandbox merchants accept it. Replace it with your own.', pf_name: 'Name', pf_phone: 'Phone', pf_street: 'Street and number', pf_city: 'City', pf_address: 'Delivery address', pf_home_city: 'Home city',
  pf_sizes: 'Sizes', pf_shoes: 'Shoes', pf_clothes: 'Clothes', pf_contact: 'Recipient', pf_passengers: 'Passengers', pf_type: 'Who', pf_adult: 'Adult', pf_child: 'Child', pf_document: 'Document number', pf_birth: 'Date of birth', pf_passenger_add: 'Add a passenger', pf_passenger_remove: 'Remove', pf_instruments: 'Payment (sandbox)', pf_default: 'default', pf_save: 'Save', profile_saved: 'Profile saved',
  pf_coupons: 'Coupon codes', pf_coupons_text: 'Codes that you have. They are tried at shops that do not list their own; what one takes off stands in the terms.',
  kind_card: 'Card', kind_wallet: 'Wallet', pf_required: 'Name, phone and address are needed.',
  // link, errors
  link_connecting: 'Connecting…', link_lost: 'Connection lost. Reconnecting…', error_unreachable: 'rukou cannot be reached. Is it still running?', error_http: 'rukou answered with error {status}.', error_page: 'The page hit an error; reload it.', notice_warning: 'Warning', notice_info: 'Note', error: 'Error',
};
