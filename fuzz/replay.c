/* replay.c - runs a fuzz target over files given on the command line (the
 * corpus), without libFuzzer: each file whole, cut at every 1/16, and with
 * single bits flipped by a fixed sequence. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void replay(const uint8_t *data, size_t size) {
  LLVMFuzzerTestOneInput(data, size);
  for (size_t i = 0; i < 16; i++) LLVMFuzzerTestOneInput(data, size * i / 16);
  if (size == 0) return;
  uint8_t *copy = malloc(size);
  if (!copy) abort();
  uint64_t seed = 1;
  for (int i = 0; i < 200; i++) {
    memcpy(copy, data, size);
    for (int k = 0; k < 1 + i % 4; k++) {
      seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
      copy[(seed >> 33) % size] ^= (uint8_t)(1u << (seed >> 60 & 7));
    }
    LLVMFuzzerTestOneInput(copy, size);
  }
  free(copy);
}

int main(int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    FILE *f = fopen(argv[i], "rb");
    if (!f) { perror(argv[i]); return 1; }
    static uint8_t data[1 << 20];
    size_t n = fread(data, 1, sizeof data, f);
    fclose(f);
    uint8_t *exact = malloc(n ? n : 1); /* so that a read past the end is seen */
    if (!exact) return 1;
    memcpy(exact, data, n);
    replay(exact, n);
    free(exact);
  }
  printf("replayed %d files\n", argc - 1);
  return 0;
}
