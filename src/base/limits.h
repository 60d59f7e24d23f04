/* limits.h - every named limit of the program, printed by `rukou limits`.
 *
 * One row: name, value, unit, what it bounds. Tested at n-1, n and n+1. */
#ifndef RK_BASE_LIMITS_H
#define RK_BASE_LIMITS_H

/*   name                     value        unit       what */
#define RK_LIMITS(X) \
  X(MAX_MESSAGE_BYTES,        262144,      "bytes",   "one message of a user") \
  X(MAX_HTTP_BODY_BYTES,      4194304,     "bytes",   "body of an incoming request") \
  X(MAX_HTTP_HEADER_BYTES,    16384,       "bytes",   "headers of an incoming request") \
  X(MAX_HTTP_CONNECTIONS,     512,         "",        "connections at once") \
  X(MAX_HTTP_PER_IP,          256,         "",        "connections at once from one address") \
  X(HTTP_IDLE_TIMEOUT_S,      30,          "s",       "idle time of an incoming connection") \
  X(HTTP_RECEIVE_TIMEOUT_S,   60,          "s",       "until a whole request has arrived") \
  X(MAX_SSE_STREAMS,          64,          "",        "open event streams") \
  X(MAX_SSE_BUFFER_BYTES,     1048576,     "bytes",   "unread by one event stream before it is cut") \
  X(SSE_HEARTBEAT_MS,         5000,        "ms",      "between heartbeats of an event stream") \
  X(MAX_FETCH_BYTES,          8388608,     "bytes",   "body of an outgoing request's reply") \
  X(MAX_FETCH_HEADER_BYTES,   65536,       "bytes",   "headers of an outgoing request's reply") \
  X(FETCH_CONNECT_TIMEOUT_MS, 5000,        "ms",      "connecting to another host") \
  X(FETCH_TIMEOUT_MS,         10000,       "ms",      "one outgoing request, models excepted") \
  X(MAX_FETCH_AT_ONCE,        64,          "",        "outgoing requests at once") \
  X(MAX_JSON_BYTES,           4194304,     "bytes",   "one JSON text from outside") \
  X(MAX_JSON_DEPTH,           64,          "levels",  "nesting of JSON from outside") \
  X(MAX_TURNS_AT_ONCE,        4,           "",        "turns computing at once") \
  X(MAX_TURNS_QUEUED,         64,          "",        "turns waiting to compute") \
  X(MAX_RUNS_QUEUED,          256,         "",        "model calls waiting for the engine; three quarters of it for one user") \
  X(MAX_COMPLETIONS,          16,          "",        "requests to /v1 computing at once") \
  X(MAX_RESPONSES,            64,          "",        "responses of /v1/responses kept to be gone on with") \
  X(MAX_PLAN_STEPS,           8,           "",        "steps of a plan of the agent") \
  X(MAX_TURN_STEPS,           8,           "",        "model calls in one turn") \
  X(MAX_TURN_TOKENS,          4096,        "tokens",  "written by the model in one turn") \
  X(MAX_TOOLS,                128,         "",        "tools in one request") \
  X(MAX_SHOPS,                32,          "",        "shops asked at once") \
  X(MAX_UCP_PROFILE_BYTES,    131072,      "bytes",   "UCP profile of a merchant or an agent") \
  X(MAX_PRODUCTS,             20000,       "",        "products of a shop that we run") \
  X(MAX_QUERY_BYTES,          1024,        "bytes",   "a search at a shop that we run; the rest is cut") \
  X(MAX_OFFERS_PER_SHOP,      1000,        "",        "offers taken from one shop for a query, variants counted") \
  X(MAX_CARDS,                8,           "",        "offer cards shown for a query") \
  X(MAX_PICTURES,             20000,       "",        "pictures of offers that are remembered") \
  X(MAX_PICTURE_BYTES,        1048576,     "bytes",   "one picture of an offer") \
  X(MAX_PICTURE_CACHE_BYTES,  16777216,    "bytes",   "pictures kept in memory") \
  X(MAX_LINE_ITEMS,           50,          "",        "line items of a checkout") \
  X(MAX_QUANTITY,             999,         "",        "quantity of a line item") \
  X(MAX_TOTAL_MINOR,          100000000000LL, "minor units", "total of a checkout") \
  X(APPROVAL_TTL_MS,          900000,      "ms",      "life of an approval request") \
  X(MAX_PLAN_PARTS,           16,          "",        "checkouts answered together") \
  X(MAX_DISCOUNT_CODES,       10,          "",        "codes tried for a checkout") \
  X(SESSION_TTL_MS,           2592000000LL,"ms",      "life of a page session") \
  X(MAX_GGUF_TENSORS,         65536,       "",        "tensors in a model file") \
  X(MAX_GGUF_KEYS,            65536,       "",        "metadata keys in a model file") \
  X(MAX_GGUF_STRING_BYTES,    16777216,    "bytes",   "one string in a model file") \
  X(MAX_GGUF_ARRAY,           16777216,    "",        "elements of an array in a model file") \
  X(MAX_MODEL_LAYERS,         512,         "",        "layers of a model") \
  X(MAX_MODEL_DIM,            65536,       "",        "width of a model's layers") \
  X(MAX_EXPERTS,              4096,        "",        "experts in a layer of a model") \
  X(MAX_MODEL_CONTEXT,        1048576,     "tokens",  "context a model file may claim") \
  X(MAX_VOCAB,                1048576,     "tokens",  "vocabulary of a model") \
  X(MAX_KV_SLOTS,             64,          "",        "conversations kept in the engine's KV") \
  X(MAX_KV_FILES,             64,          "",        "fixed prefixes whose KV is kept on disk") \
  X(MAX_KV_CACHE_BYTES,       1073741824,  "bytes",   "KV kept on disk, all prefixes together") \
  X(MAX_ENGINE_CHUNK,         4096,        "tokens",  "computed together by the engine") \
  X(MAX_TOKEN_BYTES,          1024,        "bytes",   "one token of a vocabulary") \
  X(MAX_SPECIAL_TOKENS,       4096,        "tokens",  "special and user-defined tokens of a vocabulary") \
  X(MAX_TOKENIZE_BYTES,       67108864,    "bytes",   "one text turned into tokens") \
  X(MAX_MODEL_BYTES,          1099511627776LL, "bytes", "a model file from a URL") \
  X(MAX_REPACK_BYTES,         17179869184LL, "bytes", "repacked weights of all models kept on disk") \
  X(MAX_IDENTITIES,           64,          "",        "model files whose hash is remembered") \
  X(MAX_STOP_STRINGS,         16,          "",        "stop strings of a request") \
  X(MAX_STOP_BYTES,           256,         "bytes",   "one stop string") \
  X(MAX_LOGIT_BIAS,           1024,        "",        "biased tokens of a request") \
  X(MAX_TOP_LOGPROBS,         20,          "",        "alternatives reported for a token") \
  X(MAX_GRAMMAR_DEPTH,        32,          "levels",  "nesting of a constrained JSON value") \
  X(MAX_SCHEMA_BYTES,         65536,       "bytes",   "one JSON Schema")

/* RK_MAX_MESSAGE_BYTES and so on: constants, usable as array sizes. */
enum {
#define X(name, value, unit, what) RK_##name = value,
  RK_LIMITS(X)
#undef X
};

#endif
