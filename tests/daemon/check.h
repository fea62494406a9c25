/* cmocka beside our own fail(): what its fail_msg() does under another name. */
#ifndef TESTS_DAEMON_CHECK_H
#define TESTS_DAEMON_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail

#define failed(...) (print_error(__VA_ARGS__), print_error("\n"), _fail(__FILE__, __LINE__))

#endif
