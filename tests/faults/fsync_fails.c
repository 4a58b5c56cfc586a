/* Preloaded into a process, makes fsync and fdatasync of chosen files fail,
 * and writes down in which order files are synced, linked, renamed and unlinked.
 *
 *   FAULT_PREFIX   only files whose path begins so (default: all)
 *   FAULT_AFTER    how many of their syncs succeed first (default 0)
 *   FAULT_TIMES    how many fail then (default: all that follow)
 *   FAULT_ERRNO    what they fail with (default EIO)
 *   FAULT_LOG      file that gets one line per call: "<verb> <path> [<other path>] <result>"
 *
 * Without FAULT_AFTER nothing fails. A failing sync does not sync: what the process wrote is
 * still in the page cache, as after a real one, so the caller must not believe a second try.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static atomic_long syncs;

static long setting(const char *name, long otherwise) {
    const char *text = getenv(name);
    return text && *text ? strtol(text, NULL, 10) : otherwise;
}

static void path_of(int fd, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    path[length < 0 ? 0 : length] = 0;
}

static int concerns(const char *path) {
    const char *prefix = getenv("FAULT_PREFIX");
    return !prefix || strncmp(path, prefix, strlen(prefix)) == 0;
}

static void note(const char *verb, const char *path, const char *other, int result) {
    const char *log = getenv("FAULT_LOG");
    if (!log || (!concerns(path) && !concerns(other)))
        return;
    char line[2 * PATH_MAX + 64];
    int length = snprintf(line, sizeof line, "%s %s%s%s %s\n", verb, path, *other ? " " : "",
                          other, result == 0 ? "ok" : "failed");
    int saved = errno;
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd >= 0) {
        if (write(fd, line, length) != length)
            abort();
        close(fd);
    }
    errno = saved;
}

static int fails(const char *path) {
    long after = setting("FAULT_AFTER", -1);
    if (after < 0 || !concerns(path))
        return 0;
    long count = atomic_fetch_add(&syncs, 1);
    return count >= after && count - after < setting("FAULT_TIMES", LONG_MAX);
}

static int synced(const char *verb, int fd) {
    char path[PATH_MAX];
    path_of(fd, path);
    int result;
    if (fails(path)) {
        errno = (int)setting("FAULT_ERRNO", EIO);
        result = -1;
    } else {
        int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, verb);
        result = real(fd);
    }
    note(verb, path, "", result);
    return result;
}

int fsync(int fd) { return synced("fsync", fd); }
int fdatasync(int fd) { return synced("fdatasync", fd); }

int link(const char *from, const char *to) {
    int (*real)(const char *, const char *) =
        (int (*)(const char *, const char *))dlsym(RTLD_NEXT, "link");
    int result = real(from, to);
    note("link", from, to, result);
    return result;
}

int linkat(int from_fd, const char *from, int to_fd, const char *to, int flags) {
    int (*real)(int, const char *, int, const char *, int) =
        (int (*)(int, const char *, int, const char *, int))dlsym(RTLD_NEXT, "linkat");
    int result = real(from_fd, from, to_fd, to, flags);
    note("link", from, to, result);
    return result;
}

int rename(const char *from, const char *to) {
    int (*real)(const char *, const char *) =
        (int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename");
    int result = real(from, to);
    note("rename", from, to, result);
    return result;
}

int unlink(const char *path) {
    int (*real)(const char *) = (int (*)(const char *))dlsym(RTLD_NEXT, "unlink");
    int result = real(path);
    note("unlink", path, "", result);
    return result;
}
