/* A wall clock that was set back by CLOCK_BACK_S seconds; nothing else is touched. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

int clock_gettime(clockid_t which, struct timespec *found) {
    static int (*real)(clockid_t, struct timespec *);
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
    int done = real(which, found);
    const char *back = getenv("CLOCK_BACK_S");
    if (done == 0 && which == CLOCK_REALTIME && back != NULL)
        found->tv_sec -= atol(back);
    return done;
}
