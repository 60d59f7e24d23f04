/* v1_job.h - one request to /v1 on its way, and what a form of the API adds (internal).
 * A worker owns a job; nothing of it is shared. */
#ifndef RK_SERVER_V1_JOB_H
#define RK_SERVER_V1_JOB_H

#include "server/v1.h"
#include "server/v1_request.h"

/* A reply as a row of blocks, one after the other: words, thoughts, calls. */
enum rk_block_kind { RK_BLOCK_NONE, RK_BLOCK_TEXT, RK_BLOCK_REASONING, RK_BLOCK_CALL };

struct rk_v1_job {
  struct rk_v1 *v1;
  const struct rk_v1_form *form;
  struct rk_http_req *http;
  uint64_t who;                    /* asks: whose turn it is, and whose responses are kept */
  struct rk_v1_request ask;
  struct rk_http_stream *stream;   /* NULL until the first event of a streamed reply */
  bool gone;                       /* the client has left, or there was no room for its stream */
  bool answered;                   /* without a stream of ours */
  char id[64];
  int64_t created_s;
  json_t *blocks;                  /* [{kind, id, text | call_id, name, args}] that are complete */
  enum rk_block_kind open;         /* of the block after them; its text: */
  struct rk_buf text;
  char block_id[64];
  json_t *logprobs;                /* array; not yet sent when streaming */
  int64_t n_events;                /* of a stream that numbers them */
};

struct rk_v1_form {
  const char *prefix;              /* of the ids */
  rk_err (*read)(struct rk_v1_job *j, json_t *body, const char *model_name, struct rk_error *e); /* takes body; fills ask */
  /* A streamed reply: its beginning, what happens to the open block (or to the one just complete), its end. False: the reader has left. */
  bool (*begin)(struct rk_v1_job *j);
  bool (*block_begin)(struct rk_v1_job *j);
  bool (*block_add)(struct rk_v1_job *j, rk_str text);
  bool (*block_end)(struct rk_v1_job *j, const json_t *block);
  void (*end)(struct rk_v1_job *j, const struct rk_chat_result *res);
  void (*fail)(struct rk_v1_job *j, const struct rk_error *e); /* after the beginning */
  json_t *(*whole)(struct rk_v1_job *j, const struct rk_chat_result *res);
  void (*refuse)(struct rk_http_req *r, const struct rk_error *e); /* an answer that is an error */
};
extern const struct rk_v1_form rk_form_chat, rk_form_text, rk_form_messages, rk_form_responses;

const char *rk_v1_name(const struct rk_v1 *v); /* of the model */
/* One event of a stream; name NULL: data alone. Takes v. */
bool rk_v1_send(struct rk_v1_job *j, const char *name, json_t *v);
/* Log-probabilities that have gathered, in the form of chat completions; they are forgotten. */
json_t *rk_v1_take_logprobs(struct rk_v1_job *j);
void rk_v1_id(const char *prefix, char out[64]); /* PREFIX and a UUID */
json_t *rk_v1_text(const struct rk_v1_job *j, const char *kind); /* all blocks of a kind as one string */
json_t *rk_v1_calls(const struct rk_v1_job *j); /* [{id, type, function{name, arguments}}], as chat completions have them */
size_t rk_v1_count(const struct rk_v1_job *j, const char *kind);

/* ---- responses that are kept ---- */
/* messages: of the conversation so far, the reply included. Takes both. */
void rk_v1_keep(struct rk_v1_job *j, json_t *response, json_t *messages);
/* The conversation that ends with this response of the same asker; NULL: it is not kept. New reference. */
json_t *rk_v1_conversation(struct rk_v1 *v, uint64_t who, rk_str id);

#endif
