/* err.h - operating errors.
 *
 * Three kinds of fault, never mixed: a bug is an assertion (RK_ASSERT, always
 * on), an operating error is an rk_err that the caller must use, a limit is an
 * error with its own code. struct rk_error carries the text: what was wrong,
 * where, and what to do about it.
 */
#ifndef RK_BASE_ERR_H
#define RK_BASE_ERR_H

#include <stddef.h>

/*   name         HTTP  API string                 default text */
#define RK_ERRORS(X) \
  X(OK,           200, "ok",                      "ok") \
  X(EINVAL,       400, "invalid_request",         "the request is not valid") \
  X(ECONTEXT,     400, "context_length_exceeded", "the conversation does not fit the model's context") \
  X(EAUTH,        401, "unauthorized",            "sign in first") \
  X(EPAYMENT,     402, "payment_failed",          "the payment was refused") \
  X(EFORBIDDEN,   403, "forbidden",               "this is not allowed") \
  X(ENOTFOUND,    404, "not_found",               "there is no such thing") \
  X(ENOMODEL,     404, "model_not_found",         "the model is not on this machine") \
  X(EMETHOD,      405, "method_not_allowed",      "this method is not served here") \
  X(ECONFLICT,    409, "conflict",                "this conflicts with what is stored") \
  X(EGONE,        410, "gone",                    "this has expired or was used") \
  X(ETOOBIG,      413, "too_large",               "this is larger than the limit") \
  X(EFORMAT,      422, "malformed",               "the bytes are not in the expected format") \
  X(EBUSY,        429, "busy",                    "too many at once, try again") \
  X(ECANCELLED,   499, "cancelled",               "this was cancelled") \
  X(EIO,          500, "io_error",                "reading or writing failed") \
  X(EINTERNAL,    500, "internal_error",          "an internal error") \
  X(EUPSTREAM,    502, "upstream_error",          "the other side answered with an error") \
  X(ENOMEM,       503, "out_of_memory",           "out of memory") \
  X(EUNAVAIL,     503, "unavailable",             "this is not available now") \
  X(ETIMEOUT,     504, "timeout",                 "the other side did not answer in time") \
  X(ENOSPC,       507, "disk_full",               "no space left on the disk")

typedef enum rk_err {
#define X(name, http, api, text) RK_##name,
  RK_ERRORS(X)
#undef X
} rk_err;

struct rk_error {
  rk_err code;
  char msg[480]; /* one line, NUL-terminated, always valid UTF-8 */
};

#define RK_MUST_USE __attribute__((warn_unused_result))
#define RK_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* Fills e (may be NULL) and returns code, so that `return rk_fail(...)` reads well. */
rk_err rk_fail(struct rk_error *e, rk_err code, const char *fmt, ...) RK_PRINTF(3, 4);

int rk_err_http(rk_err code);            /* HTTP status */
const char *rk_err_api(rk_err code);     /* API string, e.g. "not_found" */
const char *rk_err_text(rk_err code);    /* default English text */

/* A broken invariant: prints file, line and expression, then aborts. */
#define RK_ASSERT(cond) ((cond) ? (void)0 : rk_assert_failed(#cond, __FILE__, __LINE__))
_Noreturn void rk_assert_failed(const char *expr, const char *file, int line);

#endif
