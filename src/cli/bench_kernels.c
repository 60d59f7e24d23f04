/* bench_kernels.c - `rukou bench kernels`: every compute kernel beside what this machine can do.
 *
 * The limits are measured in the same run: read bandwidth (pinned threads sum a buffer of 1 GiB with 32-byte
 * loads, each its own stretch) and int8 dot products from registers. One token is bounded by the first, its
 * weights are read from memory; many tokens by the second, their weights stand in the cache. Attention is bounded
 * by fused float multiplications, 256 bits wide as it makes them. A time is the best of PASSES, from the first thread's start to the last one's end. */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "cli/bench.h"
#include "engine/kernels/kernels.h"
#include "engine/pool.h"

enum { PASSES = 5, MAX_THREADS = 64, N_BLOCKS = 64, MAX_DIM = 128, MAX_HEADS = 7, DEPTH = 4096, DOT_ROUNDS = 1 << 18 };
static const size_t buffer_bytes = (size_t)1 << 30;
static const char *const format_names[RK_W_COUNT] = {
  [RK_W_F32] = "F32", [RK_W_F16] = "F16", [RK_W_BF16] = "BF16", [RK_W_4S] = "Q4_0", [RK_W_4M] = "Q4_1", [RK_W_5S] = "Q5_0",
  [RK_W_5M] = "Q5_1", [RK_W_8S] = "Q8_0", [RK_W_4K] = "Q4_K", [RK_W_5K] = "Q5_K", [RK_W_6K] = "Q6_K",
  [RK_W_2K] = "Q2_K", [RK_W_3K] = "Q3_K", [RK_W_4N] = "IQ4_NL", [RK_W_4X] = "IQ4_XS",
};

struct bench {
  const struct rk_kernels *kern;
  uint8_t *buffer;           /* [buffer_bytes] */
  uint8_t *act;              /* inputs of any kernel */
  enum rk_wformat format;
  enum rk_tcount tc;
  size_t n_repeat;
  int32_t head_dim, heads;   /* attention: queries that share a key head */
  _Atomic int64_t sink;      /* results are used */
};

/* ---- threads and time ---- */

typedef void work_fn(struct bench *b, int thread, int n_threads);

struct crew {
  struct bench *b;
  work_fn *work;
  int n_threads;
  pthread_barrier_t line;
  double start[MAX_THREADS], end[MAX_THREADS];
};

struct member {
  struct crew *crew;
  int index;
};

static double now_s(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void pin_to(int index) {
  cpu_set_t have, one;
  if (sched_getaffinity(0, sizeof have, &have) != 0) return;
  for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
    if (!CPU_ISSET(cpu, &have) || index-- > 0) continue;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    pthread_setaffinity_np(pthread_self(), sizeof one, &one);
    return;
  }
}

static void *member_main(void *arg) {
  struct member m = *(struct member *)arg;
  struct crew *c = m.crew;
  pin_to(m.index);
  for (int pass = 0; pass < PASSES; pass++) {
    pthread_barrier_wait(&c->line);
    c->start[m.index] = now_s();
    c->work(c->b, m.index, c->n_threads);
    c->end[m.index] = now_s();
    pthread_barrier_wait(&c->line);
  }
  return NULL;
}

/* Seconds of the best pass; 0 when the threads can not be had. */
static double time_s(struct bench *b, work_fn *work, int n_threads) {
  struct crew c = {.b = b, .work = work, .n_threads = n_threads};
  struct member members[MAX_THREADS];
  pthread_t threads[MAX_THREADS];
  double best = 0;
  if (pthread_barrier_init(&c.line, NULL, (unsigned)n_threads + 1) != 0) return 0;
  for (int i = 0; i < n_threads; i++) {
    members[i] = (struct member){&c, i};
    if (pthread_create(&threads[i], NULL, member_main, &members[i]) != 0) abort();
  }
  for (int pass = 0; pass < PASSES; pass++) {
    pthread_barrier_wait(&c.line);
    pthread_barrier_wait(&c.line);
    double start = c.start[0], end = c.end[0];
    for (int i = 1; i < n_threads; i++) {
      if (c.start[i] < start) start = c.start[i];
      if (c.end[i] > end) end = c.end[i];
    }
    if (pass == 0 || end - start < best) best = end - start;
  }
  for (int i = 0; i < n_threads; i++) pthread_join(threads[i], NULL);
  pthread_barrier_destroy(&c.line);
  return best;
}

/* ---- the machine's limits ---- */

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void read_stretch(struct bench *b, int thread, int n_threads) {
  const size_t n = buffer_bytes / (size_t)n_threads / 128;
  const __m256i *p = (const __m256i *)(const void *)(b->buffer + n * 128 * (size_t)thread);
  __m256i sum[4] = {_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256()};
  for (size_t i = 0; i < n; i++, p += 4)
    for (int k = 0; k < 4; k++) sum[k] = _mm256_add_epi64(sum[k], _mm256_load_si256(p + k));
  sum[0] = _mm256_add_epi64(_mm256_add_epi64(sum[0], sum[1]), _mm256_add_epi64(sum[2], sum[3]));
  b->sink += _mm256_extract_epi64(sum[0], 0) + _mm256_extract_epi64(sum[0], 3);
}

/* 12 independent sums hide the latency; the asm keeps what is constant from being computed once. */
__attribute__((target("avx512f,avx512vnni"))) static void dot_avx512(struct bench *b, int thread, int n_threads) {
  __m512i sum[12], w = _mm512_set1_epi8(3), x = _mm512_set1_epi8((char)(thread + n_threads));
  _Pragma("GCC unroll 12") for (int i = 0; i < 12; i++) sum[i] = _mm512_setzero_si512();
  for (int k = 0; k < DOT_ROUNDS; k++)
    _Pragma("GCC unroll 12") for (int i = 0; i < 12; i++) {
      __asm__ volatile("" : "+v"(w));
      sum[i] = _mm512_dpbusd_epi32(sum[i], w, x);
    }
  _Pragma("GCC unroll 12") for (int i = 1; i < 12; i++) sum[0] = _mm512_add_epi32(sum[0], sum[i]);
  b->sink += _mm512_reduce_add_epi32(sum[0]);
}

/* Products added in pairs of int16, as 4-bit weights allow. Eight sums, and the asm keeps them in registers. */
__attribute__((target("avx2"))) static void dot_avx2(struct bench *b, int thread, int n_threads) {
  __m256i sum[8], w = _mm256_set1_epi8(3), x = _mm256_set1_epi8((char)(thread + n_threads));
  _Pragma("GCC unroll 8") for (int i = 0; i < 8; i++) sum[i] = _mm256_setzero_si256();
  for (int k = 0; k < DOT_ROUNDS; k++)
    _Pragma("GCC unroll 8") for (int i = 0; i < 8; i++) {
      __asm__ volatile("" : "+x"(w));
      sum[i] = _mm256_add_epi16(sum[i], _mm256_maddubs_epi16(w, x));
      __asm__ volatile("" : "+x"(sum[i]));
    }
  _Pragma("GCC unroll 8") for (int i = 1; i < 8; i++) sum[0] = _mm256_add_epi16(sum[0], sum[i]);
  b->sink += _mm256_extract_epi16(sum[0], 0);
}

__attribute__((target("avx2,fma"))) static void multiply_floats(struct bench *b, int thread, int n_threads) {
  __m256 sum[12], w = _mm256_set1_ps(1e-3f), x = _mm256_set1_ps((float)(thread + n_threads));
  _Pragma("GCC unroll 12") for (int i = 0; i < 12; i++) sum[i] = _mm256_setzero_ps();
  for (int k = 0; k < DOT_ROUNDS; k++)
    _Pragma("GCC unroll 12") for (int i = 0; i < 12; i++) {
      __asm__ volatile("" : "+x"(w));
      sum[i] = _mm256_fmadd_ps(w, x, sum[i]);
    }
  _Pragma("GCC unroll 12") for (int i = 1; i < 12; i++) sum[0] = _mm256_add_ps(sum[0], sum[i]);
  b->sink += (int64_t)_mm256_cvtss_f32(sum[0]);
}

static double float_limit(struct bench *b) {
  if (b->kern == &rk_kernels_scalar) return 0;
  return 12.0 * DOT_ROUNDS * 8 / time_s(b, multiply_floats, 1) / 1e9;
}

static double dot_limit(struct bench *b, int n_threads) {
  bool wide = b->kern == &rk_kernels_avx512;
  if (!wide && b->kern != &rk_kernels_avx2) return 0;
  double s = time_s(b, wide ? dot_avx512 : dot_avx2, n_threads);
  return DOT_ROUNDS * (wide ? 12.0 * 64 : 8.0 * 32) * n_threads / s / 1e9;
}
#else
static void read_stretch(struct bench *b, int thread, int n_threads) {
  const uint64_t *p = (const uint64_t *)(const void *)b->buffer;
  const size_t n = buffer_bytes / 8 / (size_t)n_threads;
  uint64_t sum = 0;
  for (size_t i = n * (size_t)thread; i < n * (size_t)(thread + 1); i++) sum += p[i];
  b->sink += (int64_t)sum;
}

static double dot_limit(struct bench *b, int n_threads) { return (void)b, (void)n_threads, 0; }
static double float_limit(struct bench *b) { return (void)b, 0; }
#endif

static double read_limit(struct bench *b, int n_threads) {
  return (double)buffer_bytes / time_s(b, read_stretch, n_threads) / 1e9;
}

/* ---- kernels ---- */

/* Neighbouring tiles out of memory, one token. */
static void stream_tiles(struct bench *b, int thread, int n_threads) {
  const size_t bytes = rk_tile_bytes(b->format, N_BLOCKS), n = buffer_bytes / bytes / (size_t)n_threads;
  const uint8_t *w = b->buffer + n * bytes * (size_t)thread;
  float out[RK_TILE];
  for (size_t i = 0; i < n; i++, w += bytes) {
    b->kern->tile[b->format][RK_T1](w, b->act, N_BLOCKS, out);
    if (out[0] == 12345.0f) b->sink++;
  }
}

/* One tile again and again. */
static void repeat_tile(struct bench *b, int thread, int n_threads) {
  (void)n_threads;
  float out[RK_MAX_T * RK_TILE];
  for (size_t i = 0; i < b->n_repeat; i++) {
    b->kern->tile[b->format][b->tc](b->buffer + ((size_t)thread << 20), b->act, N_BLOCKS, out);
    if (out[0] == 12345.0f) b->sink++;
  }
}

/* n tokens at the end of DEPTH positions, n_heads times over. */
static void attend(struct bench *b, int thread, int32_t n, size_t n_heads) {
  static const float q[MAX_DIM];
  enum { MAX_Q = RK_MAX_T * MAX_HEADS };
  float *out = malloc(sizeof *out * (MAX_Q * MAX_DIM + rk_attn_scratch_floats(MAX_Q, MAX_DIM)));
  const uint8_t *blocks[DEPTH / RK_ATTN_BLOCK];
  const float *qs[MAX_Q];
  float *outs[MAX_Q];
  int32_t n_pos[MAX_Q];
  const size_t half = (size_t)RK_ATTN_BLOCK * (size_t)b->head_dim * 2, head = 2 * half * (DEPTH / RK_ATTN_BLOCK);
  if (!out) return;
  for (int32_t i = 0; i < n * b->heads; i++)
    qs[i] = q, outs[i] = out + i * b->head_dim, n_pos[i] = DEPTH - n + 1 + i / b->heads;
  for (size_t h = 0; h < n_heads; h++) {
    const uint8_t *at = b->buffer + head * (n_heads * (size_t)thread + h);
    for (size_t i = 0; i < DEPTH / RK_ATTN_BLOCK; i++) blocks[i] = at + 2 * half * i;
    struct rk_attn a = {.head_dim = b->head_dim, .n_q = n * b->heads, .n_pos = n_pos, .q = qs, .out = outs, .blocks = blocks,
                        .k_at = 0, .v_at = half, .scratch = out + MAX_Q * MAX_DIM};
    b->kern->attn(&a);
    if (out[0] == 12345.0f) b->sink++;
  }
  free(out);
}

enum { ATTN_HEADS = 64 }; /* 64 or 128 MiB of keys and values */
static void attend_one(struct bench *b, int thread, int n_threads) { attend(b, thread, 1, (size_t)(ATTN_HEADS / n_threads)); }
static void attend_eight(struct bench *b, int thread, int n_threads) { attend(b, thread, 8, (size_t)(ATTN_HEADS / n_threads)); }

/* ---- report ---- */

struct row {
  const char *name;
  double gb[2];   /* GB/s on one and on all threads */
  double gmac[2]; /* 10^9 multiplications and additions a second on one thread: few and most tokens at once */
};

static struct row tile_row(struct bench *b, enum rk_wformat f, int n_threads) {
  struct row r = {.name = format_names[f] ? format_names[f] : "?"};
  const double bytes = (double)rk_tile_bytes(f, N_BLOCKS), macs = (double)N_BLOCKS * RK_BLOCK * RK_TILE;
  b->format = f;
  for (int i = 0; i < 2; i++) {
    int n = i ? n_threads : 1;
    r.gb[i] = (double)((size_t)((double)buffer_bytes / bytes) / (size_t)n * (size_t)n) * bytes / time_s(b, stream_tiles, n) / 1e9;
    b->tc = i ? RK_T_COUNT - 1 : RK_T4;
    b->n_repeat = b->kern == &rk_kernels_scalar ? 20 : 2000;
    const double T = rk_tcount_n(b->tc);
    r.gmac[i] = macs * T * (double)b->n_repeat / time_s(b, repeat_tile, 1) / 1e9;
  }
  return r;
}

static struct row attention_row(struct bench *b, const char *name, int32_t head_dim, int32_t heads, int n_threads) {
  struct row r = {.name = name};
  const double elements = 2.0 * DEPTH * head_dim * ATTN_HEADS;
  b->head_dim = head_dim, b->heads = heads;
  for (int i = 0; i < 2; i++) {
    int n = i ? n_threads : 1;
    r.gb[i] = 2 * elements / time_s(b, attend_one, n) / 1e9;
  }
  r.gmac[0] = r.gb[0] / 2 * heads;
  r.gmac[1] = elements * heads * 8 / time_s(b, attend_eight, 1) / 1e9;
  return r;
}

/* Scales that are numbers: every second byte is the upper half of an f16 near 0.02. */
static bool fill(struct bench *b) {
  b->buffer = mmap(NULL, buffer_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  b->act = aligned_alloc(64, (size_t)N_BLOCKS * RK_BLOCK * RK_MAX_T * 4);
  if (b->buffer == MAP_FAILED || !b->act) return false;
  madvise(b->buffer, buffer_bytes, MADV_HUGEPAGE);
  for (size_t i = 0; i < buffer_bytes; i += 2) {
    b->buffer[i] = (uint8_t)(i * 2654435761u >> 13);
    b->buffer[i + 1] = (uint8_t)(i * 2654435761u >> 21 & 0x83) | 0x24;
  }
  for (size_t i = 0; i < (size_t)N_BLOCKS * RK_BLOCK * RK_MAX_T * 4; i += 4) memcpy(b->act + i, "\x01\x02\x83\x3c", 4);
  return true;
}

static void print_row(const struct rk_cli *c, const struct row *r, bool first, const double gb[2], double dot) {
  if (c->json) {
    printf("%s{\"name\":\"%s\",\"gb_s_1\":%.2f,\"gb_s_n\":%.2f,\"gmac_s_few\":%.2f,\"gmac_s_most\":%.2f}", first ? "" : ",", r->name,
           r->gb[0], r->gb[1], r->gmac[0], r->gmac[1]);
    return;
  }
  printf("%-10s %6.1f (%3.0f %%) %7.1f (%3.0f %%)", r->name, r->gb[0], 100 * r->gb[0] / gb[0], r->gb[1], 100 * r->gb[1] / gb[1]);
  for (int i = 0; i < 2; i++)
    if (r->gmac[i] > 0 && dot > 0) printf(" %8.1f (%3.0f %%)", r->gmac[i], 100 * r->gmac[i] / dot);
    else if (r->gmac[i] > 0) printf(" %8.2f        ", r->gmac[i]);
    else printf(" %8s        ", "");
  printf("\n");
}

static void report_rows(struct rk_cli *c, struct bench *b, int n_threads, const double gb[2], double dot, double floats) {
  if (!c->json)
    printf("%-10s %14s %15s %17s %17s\n", "", "GB/s, 1 thread", "all threads", "GMAC/s, 4 tokens", "most tokens");
  for (int f = 0; f < RK_W_COUNT; f++) {
    struct row r = tile_row(b, (enum rk_wformat)f, n_threads);
    print_row(c, &r, f == 0, gb, rk_wformat_is_float((enum rk_wformat)f) ? 0 : dot);
  }
  if (!c->json) printf("%-10s %14s %15s %17s %17s\n", "attention", "", "", "one token", "eight tokens");
  const struct row rows[] = {attention_row(b, "att 6x128", 128, 6, n_threads), attention_row(b, "att 7x64", 64, 7, n_threads)};
  for (int i = 0; i < 2; i++) print_row(c, &rows[i], false, gb, floats);
}

static void report(struct rk_cli *c, struct bench *b, int n_threads, bool only_limits) {
  const double gb[2] = {read_limit(b, 1), read_limit(b, n_threads)}, dot = dot_limit(b, 1), dots = dot_limit(b, n_threads);
  const double floats = float_limit(b);
  if (c->json)
    printf("{\"kernels\":\"%s\",\"threads\":%d,\"read_gb_s_1\":%.2f,\"read_gb_s_n\":%.2f,\"dot_gmac_s_1\":%.2f,\"dot_gmac_s_n\":%.2f,"
           "\"float_gmac_s_1\":%.2f,\"rows\":[", b->kern->name, n_threads, gb[0], gb[1], dot, dots, floats);
  else
    printf("%s: reads %.1f GB/s on one thread, %.1f on %d; int8 dot products %.0f GMAC/s on one, %.0f on %d;\n"
           "fused float multiplications %.1f GMAC/s on one\n", b->kern->name, gb[0], gb[1], n_threads, dot, dots, n_threads, floats);
  if (!only_limits) report_rows(c, b, n_threads, gb, dot, floats);
  if (c->json) printf("]}\n");
}

int rk_bench_kernels(struct rk_cli *c) {
  const char *kernels = NULL;
  bool only_limits = false;
  struct rk_opt opts[] = {{"kernels", 's', &kernels}, {"limits", 'b', &only_limits}};
  if (!rk_opts(c, opts, 2)) return RK_EXIT_USAGE;
  if (c->argc) return fprintf(stderr, "rukou: unexpected argument \"%s\"\n", c->argv[0]), RK_EXIT_USAGE;
  struct bench b = {.kern = rk_kernels_select(kernels)};
  if (!b.kern) {
    if (c->json) printf("{\"kernels\":\"%s\",\"run\":false}\n", kernels);
    else printf("%s: not run, this processor lacks it\n", kernels);
    return RK_EXIT_OK;
  }
  int n_threads = c->cfg.threads > 0 ? c->cfg.threads : rk_usable_cores();
  if (n_threads > MAX_THREADS) n_threads = MAX_THREADS;
  bool filled = fill(&b);
  if (filled) report(c, &b, n_threads, only_limits);
  else fputs("rukou: no memory for a buffer of 1 GiB\n", stderr);
  if (b.buffer != MAP_FAILED) munmap(b.buffer, buffer_bytes);
  free(b.act);
  return filled ? RK_EXIT_OK : RK_EXIT_FAILED;
}
