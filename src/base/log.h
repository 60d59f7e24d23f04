/* log.h - one line per event on stderr: time level module text.
 * Any thread. Level from RUKOU_LOG=error|warn|info|debug, default warn.
 * Never log secrets, message text or instrument data. */
#ifndef RK_BASE_LOG_H
#define RK_BASE_LOG_H

#include "base/err.h"

enum rk_log_level { RK_LOG_ERROR, RK_LOG_WARN, RK_LOG_INFO, RK_LOG_DEBUG };

void rk_log_level_set(enum rk_log_level level);
void rk_log(enum rk_log_level level, const char *module, const char *fmt, ...) RK_PRINTF(3, 4);

#endif
