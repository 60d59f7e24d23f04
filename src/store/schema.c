#include "store/schema.h"

/* Every row names its user. seq columns give the order of insertion: UUIDv7
 * orders only by millisecond. */
static const char v1[] =
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;"
    "CREATE TABLE users(id TEXT PRIMARY KEY, created_ms INTEGER NOT NULL, last_event INTEGER NOT NULL DEFAULT 0) STRICT;"

    "CREATE TABLE sessions(id TEXT PRIMARY KEY, user_id TEXT NOT NULL REFERENCES users(id),"
    " kind TEXT NOT NULL CHECK(kind IN ('page','terminal','key')), scopes TEXT NOT NULL,"
    " token_sha256 TEXT NOT NULL UNIQUE, csrf TEXT NOT NULL, created_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL) STRICT;"

    /* chats: a message tree by parent_id */
    "CREATE TABLE chats(seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, user_id TEXT NOT NULL REFERENCES users(id),"
    " title TEXT NOT NULL, created_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL) STRICT;"
    "CREATE INDEX chats_by_user ON chats(user_id, updated_ms);"
    "CREATE TABLE messages(seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, user_id TEXT NOT NULL REFERENCES users(id),"
    " chat_id TEXT NOT NULL REFERENCES chats(id) ON DELETE CASCADE,"
    " parent_id TEXT REFERENCES messages(id) ON DELETE CASCADE, turn_id TEXT,"
    " role TEXT NOT NULL CHECK(role IN ('user','assistant','tool')), data_json TEXT NOT NULL, created_ms INTEGER NOT NULL) STRICT;"
    "CREATE INDEX messages_by_chat ON messages(chat_id, seq);"
    "CREATE INDEX messages_by_parent ON messages(parent_id);"
    "CREATE TABLE turns(seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, user_id TEXT NOT NULL REFERENCES users(id),"
    " chat_id TEXT NOT NULL REFERENCES chats(id) ON DELETE CASCADE, message_id TEXT NOT NULL REFERENCES messages(id) ON DELETE CASCADE,"
    " state TEXT NOT NULL CHECK(state IN ('queued','running','waiting','completing','done','failed','cancelled')),"
    " thinking INTEGER NOT NULL, journal_json TEXT, idempotency_key TEXT, created_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL,"
    " UNIQUE(user_id, idempotency_key)) STRICT;"
    "CREATE INDEX turns_by_state ON turns(state, seq);"
    "CREATE INDEX turns_by_chat ON turns(chat_id);"
    "CREATE INDEX turns_by_message ON turns(message_id);"
    "CREATE TABLE events(user_id TEXT NOT NULL REFERENCES users(id), n INTEGER NOT NULL,"
    " chat_id TEXT REFERENCES chats(id) ON DELETE CASCADE, turn_id TEXT, type TEXT NOT NULL, time_ms INTEGER NOT NULL,"
    " data_json TEXT NOT NULL, PRIMARY KEY(user_id, n)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX events_by_chat ON events(chat_id, n);"

    /* the profile */
    "CREATE TABLE profiles(user_id TEXT PRIMARY KEY REFERENCES users(id), demo INTEGER NOT NULL, name TEXT NOT NULL,"
    " phone TEXT NOT NULL, home_city TEXT NOT NULL, sizes_json TEXT NOT NULL, updated_ms INTEGER NOT NULL) STRICT;"
    "CREATE TABLE addresses(id TEXT PRIMARY KEY, user_id TEXT NOT NULL REFERENCES users(id), street TEXT NOT NULL,"
    " is_default INTEGER NOT NULL, created_ms INTEGER NOT NULL) STRICT;"
    "CREATE INDEX addresses_by_user ON addresses(user_id);"
    "CREATE TABLE passengers(user_id TEXT NOT NULL REFERENCES users(id), position INTEGER NOT NULL, data_json TEXT NOT NULL,"
    " PRIMARY KEY(user_id, position)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE instruments(user_id TEXT NOT NULL REFERENCES users(id), id TEXT NOT NULL,"
    " kind TEXT NOT NULL CHECK(kind IN ('card','wallet')), label TEXT NOT NULL, is_default INTEGER NOT NULL,"
    " currency TEXT, removed INTEGER NOT NULL DEFAULT 0, position INTEGER NOT NULL, PRIMARY KEY(user_id, id)) STRICT, WITHOUT ROWID;"

    /* money: what was approved, what was sent, what was bought, what was charged */
    "CREATE TABLE approvals(seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, user_id TEXT NOT NULL REFERENCES users(id),"
    " chat_id TEXT NOT NULL, turn_id TEXT NOT NULL, merchant_origin TEXT NOT NULL, checkout_id TEXT NOT NULL,"
    " state TEXT NOT NULL CHECK(state IN ('pending','approved','completing','completed','failed','unknown','refused','expired','superseded')),"
    " terms_jcs TEXT NOT NULL, terms_hash TEXT NOT NULL, total_minor INTEGER NOT NULL, currency TEXT NOT NULL,"
    " instrument_id TEXT NOT NULL, instrument_kind TEXT NOT NULL, demo_profile INTEGER NOT NULL,"
    " created_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL, decided_by TEXT, decided_ms INTEGER, signature TEXT,"
    " failure TEXT, order_id TEXT) STRICT;"
    "CREATE INDEX approvals_by_turn ON approvals(turn_id);"
    "CREATE INDEX approvals_by_chat ON approvals(chat_id);"
    "CREATE INDEX approvals_by_state ON approvals(state);"
    "CREATE TRIGGER approvals_terms_fixed BEFORE UPDATE OF id, user_id, merchant_origin, checkout_id, terms_jcs, terms_hash,"
    " total_minor, currency, instrument_id, instrument_kind, created_ms, expires_ms ON approvals"
    " BEGIN SELECT RAISE(ABORT, 'the terms of an approval never change'); END;"
    "CREATE TRIGGER approvals_signed_once BEFORE UPDATE OF signature ON approvals WHEN OLD.signature IS NOT NULL"
    " BEGIN SELECT RAISE(ABORT, 'an approval is signed once'); END;"
    "CREATE TRIGGER approvals_kept BEFORE DELETE ON approvals BEGIN SELECT RAISE(ABORT, 'approvals are never deleted'); END;"

    "CREATE TABLE payment_intents(id TEXT PRIMARY KEY, user_id TEXT NOT NULL REFERENCES users(id),"
    " approval_id TEXT NOT NULL REFERENCES approvals(id), attempt INTEGER NOT NULL, idempotency_key TEXT NOT NULL UNIQUE,"
    " amount_minor INTEGER NOT NULL, currency TEXT NOT NULL, body TEXT NOT NULL, created_ms INTEGER NOT NULL,"
    " UNIQUE(approval_id, attempt)) STRICT;"
    "CREATE TRIGGER intents_fixed BEFORE UPDATE ON payment_intents BEGIN SELECT RAISE(ABORT, 'payment intents are append-only'); END;"
    "CREATE TRIGGER intents_kept BEFORE DELETE ON payment_intents BEGIN SELECT RAISE(ABORT, 'payment intents are append-only'); END;"

    "CREATE TABLE orders(seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, user_id TEXT NOT NULL REFERENCES users(id),"
    " approval_id TEXT NOT NULL UNIQUE REFERENCES approvals(id), merchant_origin TEXT NOT NULL, merchant_order_id TEXT NOT NULL,"
    " status TEXT NOT NULL CHECK(status IN ('placed','processing','fulfilled','canceled','refunded')),"
    " receipt_json TEXT NOT NULL, chat_id TEXT NOT NULL, turn_id TEXT NOT NULL, placed_ms INTEGER NOT NULL,"
    " UNIQUE(merchant_origin, merchant_order_id)) STRICT;"
    "CREATE INDEX orders_by_user ON orders(user_id, seq);"
    "CREATE TRIGGER orders_fixed BEFORE UPDATE OF id, user_id, approval_id, merchant_origin, merchant_order_id, receipt_json, placed_ms ON orders"
    " BEGIN SELECT RAISE(ABORT, 'only the status of an order changes'); END;"
    "CREATE TRIGGER orders_kept BEFORE DELETE ON orders BEGIN SELECT RAISE(ABORT, 'orders are never deleted'); END;"

    "CREATE TABLE ledger(seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, user_id TEXT NOT NULL REFERENCES users(id),"
    " time_ms INTEGER NOT NULL, kind TEXT NOT NULL CHECK(kind IN ('opening','authorize','capture','void','refund')),"
    " approval_id TEXT REFERENCES approvals(id), order_id TEXT REFERENCES orders(id), instrument_id TEXT NOT NULL,"
    " merchant_origin TEXT, amount_minor INTEGER NOT NULL, currency TEXT NOT NULL,"
    " CHECK((kind='opening') = (approval_id IS NULL)), CHECK(kind='opening' OR amount_minor >= 0)) STRICT;"
    "CREATE INDEX ledger_by_instrument ON ledger(user_id, instrument_id);"
    "CREATE UNIQUE INDEX ledger_authorized_once ON ledger(approval_id) WHERE kind='authorize';"
    "CREATE UNIQUE INDEX ledger_ended_once ON ledger(approval_id) WHERE kind IN ('capture','void');"
    "CREATE TRIGGER ledger_ends_what_was_authorized BEFORE INSERT ON ledger WHEN NEW.kind IN ('capture','void') AND NOT EXISTS("
    "  SELECT 1 FROM ledger WHERE approval_id=NEW.approval_id AND kind='authorize' AND amount_minor=NEW.amount_minor AND currency=NEW.currency)"
    " BEGIN SELECT RAISE(ABORT, 'a capture or void ends an authorization of the same amount'); END;"
    "CREATE TRIGGER ledger_refunds_what_was_charged BEFORE INSERT ON ledger WHEN NEW.kind='refund' AND"
    "  NEW.amount_minor + (SELECT COALESCE(SUM(amount_minor),0) FROM ledger WHERE approval_id=NEW.approval_id AND kind='refund')"
    "  > (SELECT COALESCE(SUM(amount_minor),0) FROM ledger WHERE approval_id=NEW.approval_id AND kind='capture')"
    " BEGIN SELECT RAISE(ABORT, 'a refund is at most what was charged'); END;"
    "CREATE TRIGGER ledger_fixed BEFORE UPDATE ON ledger BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;"
    "CREATE TRIGGER ledger_kept BEFORE DELETE ON ledger BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;";

/* Why a purchase failed, as a code: the words for it are in the user's language. */
static const char v2[] = "ALTER TABLE approvals ADD COLUMN failure_code TEXT;";

/* Double entry. An entry of the ledger posts itself: leg 0 adds its amount to
 * one account, leg 1 takes it from another, so that every entry, and with it
 * the sum over all accounts of a currency, is zero.
 *
 *   opening    +funds:INSTRUMENT  -equity:opening
 *   authorize  +held:INSTRUMENT   -funds:INSTRUMENT
 *   capture    +spent:MERCHANT    -held:INSTRUMENT
 *   void       +funds:INSTRUMENT  -held:INSTRUMENT
 *   refund     +funds:INSTRUMENT  -spent:MERCHANT */
static const char v3[] =
    "CREATE TABLE accounts(id INTEGER PRIMARY KEY, user_id TEXT NOT NULL REFERENCES users(id),"
    " kind TEXT NOT NULL CHECK(kind IN ('funds','held','spent','equity')), name TEXT NOT NULL, currency TEXT NOT NULL,"
    " balance_minor INTEGER NOT NULL DEFAULT 0, UNIQUE(user_id, kind, name, currency)) STRICT;"
    "CREATE TABLE postings(entry INTEGER NOT NULL REFERENCES ledger(seq), leg INTEGER NOT NULL CHECK(leg IN (0,1)),"
    " account INTEGER NOT NULL REFERENCES accounts(id), amount_minor INTEGER NOT NULL, PRIMARY KEY(entry, leg)) STRICT, WITHOUT ROWID;"
    "CREATE VIEW ledger_legs AS"
    " SELECT seq, user_id, currency, 0 AS leg, CASE kind WHEN 'authorize' THEN 'held' WHEN 'capture' THEN 'spent' ELSE 'funds' END AS kind,"
    "  CASE kind WHEN 'capture' THEN COALESCE(merchant_origin,'') ELSE instrument_id END AS name, amount_minor FROM ledger"
    " UNION ALL SELECT seq, user_id, currency, 1, CASE kind WHEN 'opening' THEN 'equity' WHEN 'authorize' THEN 'funds' WHEN 'refund' THEN 'spent' ELSE 'held' END,"
    "  CASE kind WHEN 'opening' THEN 'opening' WHEN 'refund' THEN COALESCE(merchant_origin,'') ELSE instrument_id END, -amount_minor FROM ledger;"
    "CREATE TRIGGER postings_balance AFTER INSERT ON postings BEGIN"
    " UPDATE accounts SET balance_minor=balance_minor+NEW.amount_minor WHERE id=NEW.account; END;"
    "CREATE TRIGGER postings_of_the_entry BEFORE INSERT ON postings WHEN NEW.amount_minor IS NOT"
    "  (SELECT CASE NEW.leg WHEN 0 THEN amount_minor ELSE -amount_minor END FROM ledger WHERE seq=NEW.entry)"
    " BEGIN SELECT RAISE(ABORT, 'a posting is the amount of its entry'); END;"
    "CREATE TRIGGER postings_fixed BEFORE UPDATE ON postings BEGIN SELECT RAISE(ABORT, 'postings are append-only'); END;"
    "CREATE TRIGGER postings_kept BEFORE DELETE ON postings BEGIN SELECT RAISE(ABORT, 'postings are append-only'); END;"
    "CREATE TRIGGER accounts_fixed BEFORE UPDATE OF id, user_id, kind, name, currency ON accounts"
    " BEGIN SELECT RAISE(ABORT, 'only the balance of an account changes'); END;"
    "CREATE TRIGGER accounts_kept BEFORE DELETE ON accounts BEGIN SELECT RAISE(ABORT, 'accounts are never deleted'); END;"
    "INSERT INTO accounts(user_id, kind, name, currency) SELECT DISTINCT user_id, kind, name, currency FROM ledger_legs;"
    "INSERT INTO postings SELECT l.seq, l.leg, a.id, l.amount_minor FROM ledger_legs l JOIN accounts a USING(user_id, kind, name, currency);"
    "CREATE TRIGGER ledger_posts AFTER INSERT ON ledger BEGIN"
    " INSERT INTO accounts(user_id, kind, name, currency) SELECT user_id, kind, name, currency FROM ledger_legs WHERE seq=NEW.seq"
    "  ON CONFLICT DO NOTHING;"
    " INSERT INTO postings SELECT l.seq, l.leg, a.id, l.amount_minor FROM ledger_legs l JOIN accounts a USING(user_id, kind, name, currency)"
    "  WHERE l.seq=NEW.seq; END;"
    "CREATE INDEX ledger_by_order ON ledger(order_id);"

    /* what an approval is about, where it came from, and what the merchant asked for later */
    "ALTER TABLE approvals ADD COLUMN kind TEXT NOT NULL DEFAULT 'purchase' CHECK(kind IN ('purchase','cancel','return','change'));"
    "ALTER TABLE approvals ADD COLUMN supersedes TEXT REFERENCES approvals(id);"
    "ALTER TABLE approvals ADD COLUMN plan_id TEXT;"
    "ALTER TABLE approvals ADD COLUMN plan_position INTEGER;"
    "ALTER TABLE approvals ADD COLUMN subject_order_id TEXT REFERENCES orders(id);"
    "ALTER TABLE approvals ADD COLUMN category_claimed TEXT;"   /* by the merchant: may deny, never allow */
    "ALTER TABLE approvals ADD COLUMN category_own TEXT;"       /* by the user's own words */
    "ALTER TABLE approvals ADD COLUMN asked_json TEXT;"         /* what the merchant was asked for: the start of an edit */
    "ALTER TABLE approvals ADD COLUMN fresh_json TEXT;"         /* the merchant's terms when they were no longer these */
    "CREATE INDEX approvals_by_plan ON approvals(plan_id) WHERE plan_id IS NOT NULL;"
    "CREATE TRIGGER approvals_origin_fixed BEFORE UPDATE OF kind, supersedes, plan_position, subject_order_id, category_claimed,"
    " category_own, asked_json ON approvals BEGIN SELECT RAISE(ABORT, 'what an approval is about never changes'); END;"
    "CREATE TRIGGER approvals_plan_fixed BEFORE UPDATE OF plan_id ON approvals WHEN OLD.plan_id IS NOT NULL"
    " BEGIN SELECT RAISE(ABORT, 'an approval stays in its plan'); END;"
    "CREATE TABLE plans(seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, user_id TEXT NOT NULL REFERENCES users(id),"
    " chat_id TEXT NOT NULL, turn_id TEXT NOT NULL, title TEXT NOT NULL,"
    " state TEXT NOT NULL CHECK(state IN ('pending','approved','refused','expired')),"
    " sheet_hash TEXT, created_ms INTEGER NOT NULL, decided_by TEXT, decided_ms INTEGER) STRICT;"
    "CREATE TRIGGER plans_kept BEFORE DELETE ON plans BEGIN SELECT RAISE(ABORT, 'plans are never deleted'); END;"

    /* standing permissions; NULL: no limit of that kind */
    "CREATE TABLE permissions(seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, user_id TEXT NOT NULL REFERENCES users(id),"
    " label TEXT NOT NULL, merchant_origin TEXT, instrument_id TEXT, currency TEXT NOT NULL, per_order_minor INTEGER NOT NULL,"
    " per_day_minor INTEGER, per_month_minor INTEGER, allow_json TEXT NOT NULL, deny_json TEXT NOT NULL,"
    " created_ms INTEGER NOT NULL, created_by TEXT NOT NULL, revoked_ms INTEGER) STRICT;"
    "CREATE TRIGGER permissions_fixed BEFORE UPDATE OF id, user_id, merchant_origin, instrument_id, currency, per_order_minor, per_day_minor,"
    " per_month_minor, allow_json, deny_json, created_ms, created_by ON permissions"
    " BEGIN SELECT RAISE(ABORT, 'a permission is only revoked'); END;"
    "CREATE TRIGGER permissions_revoked_once BEFORE UPDATE OF revoked_ms ON permissions WHEN OLD.revoked_ms IS NOT NULL"
    " BEGIN SELECT RAISE(ABORT, 'a permission is revoked once'); END;"
    "CREATE TRIGGER permissions_kept BEFORE DELETE ON permissions BEGIN SELECT RAISE(ABORT, 'permissions are never deleted'); END;"
    "CREATE TABLE permission_uses(permission_id TEXT NOT NULL REFERENCES permissions(id), approval_id TEXT NOT NULL REFERENCES approvals(id),"
    " amount_minor INTEGER NOT NULL CHECK(amount_minor >= 0), day TEXT NOT NULL, time_ms INTEGER NOT NULL, released_ms INTEGER,"
    " PRIMARY KEY(permission_id, approval_id)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX permission_uses_by_approval ON permission_uses(approval_id);"
    "CREATE TRIGGER permission_uses_fixed BEFORE UPDATE OF permission_id, approval_id, amount_minor, day, time_ms ON permission_uses"
    " BEGIN SELECT RAISE(ABORT, 'a use of a permission never changes'); END;"
    "CREATE TRIGGER permission_uses_kept BEFORE DELETE ON permission_uses BEGIN SELECT RAISE(ABORT, 'uses of permissions are never deleted'); END;";

/* An approval gets its place in a plan once, when the plan is made. */
static const char v4[] =
    "DROP TRIGGER approvals_origin_fixed;"
    "CREATE TRIGGER approvals_origin_fixed BEFORE UPDATE OF kind, supersedes, subject_order_id, category_claimed, category_own, asked_json"
    " ON approvals BEGIN SELECT RAISE(ABORT, 'what an approval is about never changes'); END;"
    "DROP TRIGGER approvals_plan_fixed;"
    "CREATE TRIGGER approvals_plan_fixed BEFORE UPDATE OF plan_id, plan_position ON approvals WHEN OLD.plan_id IS NOT NULL"
    " BEGIN SELECT RAISE(ABORT, 'an approval stays in its plan'); END;"
    "CREATE INDEX approvals_by_subject ON approvals(subject_order_id) WHERE subject_order_id IS NOT NULL;"
    "CREATE INDEX permissions_by_user ON permissions(user_id) WHERE revoked_ms IS NULL;";

/* What a plan's sheet says beside its parts, and how far the plan has come. Plans that were answered before there was a
 * choice keep what was bought. */
static const char v5[] =
    "CREATE TABLE plans_of_v5(seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, user_id TEXT NOT NULL REFERENCES users(id),"
    " chat_id TEXT NOT NULL, turn_id TEXT NOT NULL, title TEXT NOT NULL,"
    " state TEXT NOT NULL CHECK(state IN ('pending','approved','completing','undoing','completed','undone','partial','refused','expired')),"
    " on_failure TEXT NOT NULL DEFAULT 'undo' CHECK(on_failure IN ('undo','keep')), sheet_hash TEXT, signature TEXT,"
    " notes_json TEXT NOT NULL DEFAULT '{}', undo_ms INTEGER, created_ms INTEGER NOT NULL, decided_by TEXT, decided_ms INTEGER) STRICT;"
    "INSERT INTO plans_of_v5(seq, id, user_id, chat_id, turn_id, title, state, on_failure, sheet_hash, created_ms, decided_by, decided_ms)"
    " SELECT seq, id, user_id, chat_id, turn_id, title, state, CASE state WHEN 'pending' THEN 'undo' ELSE 'keep' END, sheet_hash,"
    " created_ms, decided_by, decided_ms FROM plans;"
    "DROP TABLE plans;"
    "ALTER TABLE plans_of_v5 RENAME TO plans;"
    "CREATE INDEX plans_by_state ON plans(state);"
    "CREATE TRIGGER plans_fixed BEFORE UPDATE OF id, user_id, chat_id, turn_id, title, created_ms ON plans"
    " BEGIN SELECT RAISE(ABORT, 'what a plan is about never changes'); END;"
    "CREATE TRIGGER plans_signed BEFORE UPDATE OF on_failure, sheet_hash, signature ON plans WHEN OLD.state<>'pending'"
    " BEGIN SELECT RAISE(ABORT, 'a sheet never changes after its answer'); END;"
    "CREATE TRIGGER plans_kept BEFORE DELETE ON plans BEGIN SELECT RAISE(ABORT, 'plans are never deleted'); END;";

/* Where the page may have a picture from: only what stood on an offer that the agent has seen. */
static const char v6[] =
    "CREATE TABLE pictures(seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, user_id TEXT NOT NULL REFERENCES users(id),"
    " merchant_origin TEXT NOT NULL, url TEXT NOT NULL, seen_ms INTEGER NOT NULL, UNIQUE(user_id, merchant_origin, url)) STRICT;"

    "ALTER TABLE profiles ADD COLUMN coupons_json TEXT NOT NULL DEFAULT '[]';"

    /* what the user finishes at a merchant's own page; nothing of it is paid here */
    "CREATE TABLE hand_overs(seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, user_id TEXT NOT NULL REFERENCES users(id), chat_id TEXT NOT NULL,"
    " turn_id TEXT NOT NULL, merchant_origin TEXT NOT NULL, checkout_id TEXT NOT NULL, state TEXT NOT NULL CHECK(state IN ('open','completed','canceled','gone')),"
    " data_json TEXT NOT NULL, merchant_order_id TEXT, order_url TEXT, created_ms INTEGER NOT NULL, checked_ms INTEGER,"
    " UNIQUE(merchant_origin, checkout_id)) STRICT;"
    "CREATE INDEX hand_overs_by_user ON hand_overs(user_id, seq);";

const struct rk_migration rk_store_migrations[] = {{v1}, {v2}, {v3}, {v4}, {v5}, {v6}};
const int32_t rk_store_n_migrations = sizeof rk_store_migrations / sizeof *rk_store_migrations;
