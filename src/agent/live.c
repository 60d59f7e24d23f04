#include "agent/live.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/utf8.h"

enum { MAX_TEXT_BYTES = 1 << 20 };

struct run {
  char user_id[37], chat_id[37], turn_id[37], message_id[37];
  struct rk_buf text, reasoning;
  int32_t n_done, n_total;
  atomic_int cancel;
  bool used;
};

struct rk_listener {
  char user_id[37];
  void (*fn)(void *);
  void *ud;
  struct rk_listener *next;
};

struct rk_live {
  pthread_mutex_t lock;
  struct run runs[RK_MAX_TURNS_AT_ONCE];
  struct rk_listener *listeners;
  atomic_bool stopping;
};

struct rk_live *rk_live_new(void) {
  struct rk_live *l = calloc(1, sizeof *l);
  if (l) pthread_mutex_init(&l->lock, NULL);
  return l;
}

static void release(struct run *r) {
  rk_buf_release(&r->text);
  rk_buf_release(&r->reasoning);
  r->used = false;
}

void rk_live_free(struct rk_live *l) {
  if (!l) return;
  for (int i = 0; i < RK_MAX_TURNS_AT_ONCE; i++)
    if (l->runs[i].used) release(&l->runs[i]);
  for (struct rk_listener *li = l->listeners, *next; li; li = next) {
    next = li->next;
    free(li);
  }
  pthread_mutex_destroy(&l->lock);
  free(l);
}

static struct run *find(struct rk_live *l, const char *turn_id) {
  for (int i = 0; i < RK_MAX_TURNS_AT_ONCE; i++)
    if (l->runs[i].used && strcmp(l->runs[i].turn_id, turn_id) == 0) return &l->runs[i];
  return NULL;
}

bool rk_live_begin(struct rk_live *l, const char *user_id, const char *chat_id, const char *turn_id) {
  pthread_mutex_lock(&l->lock);
  if (find(l, turn_id)) {
    pthread_mutex_unlock(&l->lock);
    return false;
  }
  struct run *r = NULL;
  for (int i = 0; i < RK_MAX_TURNS_AT_ONCE && !r; i++)
    if (!l->runs[i].used) r = &l->runs[i];
  RK_ASSERT(r); /* as many as there are workers */
  memset(r, 0, sizeof *r);
  rk_utf8_copy(r->user_id, sizeof r->user_id, rk_str_c(user_id));
  rk_utf8_copy(r->chat_id, sizeof r->chat_id, rk_str_c(chat_id));
  rk_utf8_copy(r->turn_id, sizeof r->turn_id, rk_str_c(turn_id));
  rk_buf_init(&r->text, MAX_TEXT_BYTES);
  rk_buf_init(&r->reasoning, MAX_TEXT_BYTES);
  r->used = true;
  if (atomic_load(&l->stopping)) atomic_store(&r->cancel, 1);
  pthread_mutex_unlock(&l->lock);
  return true;
}

void rk_live_end(struct rk_live *l, const char *turn_id) {
  pthread_mutex_lock(&l->lock);
  struct run *r = find(l, turn_id);
  if (r) release(r);
  pthread_mutex_unlock(&l->lock);
}

atomic_int *rk_live_cancel_flag(struct rk_live *l, const char *turn_id) {
  pthread_mutex_lock(&l->lock);
  struct run *r = find(l, turn_id);
  pthread_mutex_unlock(&l->lock);
  return r ? &r->cancel : NULL;
}

bool rk_live_cancel(struct rk_live *l, const char *turn_id) {
  pthread_mutex_lock(&l->lock);
  struct run *r = find(l, turn_id);
  if (r) atomic_store(&r->cancel, 1);
  pthread_mutex_unlock(&l->lock);
  return r != NULL;
}

bool rk_live_stopping(const struct rk_live *l) { return atomic_load(&l->stopping); }

void rk_live_stop(struct rk_live *l) {
  atomic_store(&l->stopping, true);
  pthread_mutex_lock(&l->lock);
  for (int i = 0; i < RK_MAX_TURNS_AT_ONCE; i++) atomic_store(&l->runs[i].cancel, 1);
  pthread_mutex_unlock(&l->lock);
}

static void wake_locked(struct rk_live *l, const char *user_id) {
  for (struct rk_listener *li = l->listeners; li; li = li->next)
    if (strcmp(li->user_id, user_id) == 0) li->fn(li->ud);
}

void rk_live_message(struct rk_live *l, const char *turn_id, const char *message_id) {
  pthread_mutex_lock(&l->lock);
  struct run *r = find(l, turn_id);
  if (r) {
    rk_utf8_copy(r->message_id, sizeof r->message_id, rk_str_c(message_id));
    rk_buf_clear(&r->text);
    rk_buf_clear(&r->reasoning);
    r->n_done = r->n_total = 0;
  }
  pthread_mutex_unlock(&l->lock);
}

static void add(struct rk_live *l, const char *turn_id, rk_str text, bool reasoning) {
  pthread_mutex_lock(&l->lock);
  struct run *r = find(l, turn_id);
  if (r) {
    rk_buf_addstr(reasoning ? &r->reasoning : &r->text, text);
    wake_locked(l, r->user_id);
  }
  pthread_mutex_unlock(&l->lock);
}

void rk_live_text(struct rk_live *l, const char *turn_id, rk_str text) { add(l, turn_id, text, false); }
void rk_live_reasoning(struct rk_live *l, const char *turn_id, rk_str text) { add(l, turn_id, text, true); }

void rk_live_progress(struct rk_live *l, const char *turn_id, int32_t n_done, int32_t n_total) {
  pthread_mutex_lock(&l->lock);
  struct run *r = find(l, turn_id);
  if (r) {
    r->n_done = n_done;
    r->n_total = n_total;
    wake_locked(l, r->user_id);
  }
  pthread_mutex_unlock(&l->lock);
}

static json_t *one(const struct run *r, const json_t *since) {
  int64_t at = rk_json_i64(since, r->message_id, 0);
  size_t skip = at > 0 && (uint64_t)at <= r->text.n ? (size_t)at : 0;
  json_t *v = json_pack("{s:s, s:s, s:s, s:I, s:s%, s:s%}", "turn_id", r->turn_id, "chat_id", r->chat_id, "message_id", r->message_id,
                        "offset_bytes", (json_int_t)skip, "text", r->text.p ? r->text.p + skip : "", r->text.n - skip, "reasoning",
                        r->reasoning.p ? r->reasoning.p : "", r->reasoning.n);
  if (v && r->n_total > 0 && r->n_done < r->n_total)
    json_object_set_new(v, "progress", json_pack("{s:i, s:i}", "n_done", r->n_done, "n_total", r->n_total));
  return v;
}

json_t *rk_live_running(struct rk_live *l, const char *user_id, const json_t *since) {
  json_t *all = json_array();
  pthread_mutex_lock(&l->lock);
  for (int i = 0; i < RK_MAX_TURNS_AT_ONCE; i++) {
    const struct run *r = &l->runs[i];
    if (r->used && strcmp(r->user_id, user_id) == 0 && (r->message_id[0] || r->n_done < r->n_total)) json_array_append_new(all, one(r, since));
  }
  pthread_mutex_unlock(&l->lock);
  return all;
}

struct rk_listener *rk_live_listen(struct rk_live *l, const char *user_id, void (*fn)(void *), void *ud) {
  struct rk_listener *li = calloc(1, sizeof *li);
  if (!li) return NULL;
  rk_utf8_copy(li->user_id, sizeof li->user_id, rk_str_c(user_id));
  li->fn = fn;
  li->ud = ud;
  pthread_mutex_lock(&l->lock);
  li->next = l->listeners;
  l->listeners = li;
  pthread_mutex_unlock(&l->lock);
  return li;
}

void rk_live_unlisten(struct rk_live *l, struct rk_listener *li) {
  if (!li) return;
  pthread_mutex_lock(&l->lock);
  for (struct rk_listener **p = &l->listeners; *p; p = &(*p)->next) {
    if (*p != li) continue;
    *p = li->next;
    break;
  }
  pthread_mutex_unlock(&l->lock);
  free(li);
}

void rk_live_wake(struct rk_live *l, const char *user_id) {
  pthread_mutex_lock(&l->lock);
  wake_locked(l, user_id);
  pthread_mutex_unlock(&l->lock);
}
