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

const struct rk_migration rk_store_migrations[] = {{v1}, {v2}};
const int32_t rk_store_n_migrations = sizeof rk_store_migrations / sizeof *rk_store_migrations;
