/* Preloaded under SQLite: records what reaches the file system, and refuses it on demand.
 *
 * Only files whose path contains the marker given to fault_watch() are looked at. Recorded are
 * writes with offset and content, truncations, deletions and syncs, in order, to one log:
 *   kind (1) | file name length (2) | file name | offset (8) | length (8) | content
 * in the machine's byte order; kind is W, T, D or S. fault_note() adds a line of the test's own
 * (kind N), so that the log shows what had been acknowledged at each point.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static char marker[256];
static int log_fd = -1;
static long countdown = -1; /* writes that still succeed; below 0: all do */
static int refusal = ENOSPC;
static long seen;

void fault_watch(const char *text) { snprintf(marker, sizeof marker, "%s", text); }
void fault_record(const char *path) {
    if (log_fd >= 0) close(log_fd);
    log_fd = path ? REAL(open)(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600) : -1;
}
void fault_arm(long writes, int error) { countdown = writes; refusal = error; }
void fault_disarm(void) { countdown = -1; }
long fault_seen(void) { return seen; }

static const char *watched(int fd, char *path, size_t size) {
    char link[64];
    if (!marker[0] || fd == log_fd) return NULL;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, size - 1);
    if (length <= 0) return NULL;
    path[length] = 0;
    return strstr(path, marker) ? path : NULL;
}

static void put(char kind, const char *path, uint64_t offset, const void *content, uint64_t length) {
    if (log_fd < 0) return;
    const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    uint16_t size = (uint16_t)strlen(name);
    size_t total = 1 + 2 + size + 8 + 8 + (content ? length : 0);
    char *entry = malloc(total), *at = entry;
    *at++ = kind;
    memcpy(at, &size, 2), at += 2;
    memcpy(at, name, size), at += size;
    memcpy(at, &offset, 8), at += 8;
    memcpy(at, &length, 8), at += 8;
    if (content) memcpy(at, content, length);
    if (REAL(write)(log_fd, entry, total) != (ssize_t)total) abort();
    free(entry);
}

void fault_note(const char *text) { put('N', "note", 0, text, strlen(text)); }

/* 1 when this step must be refused. */
static int refused(void) {
    seen++;
    if (countdown < 0) return 0;
    if (countdown > 0) { countdown--; return 0; }
    errno = refusal;
    return 1;
}

static ssize_t put_write(int fd, const void *content, size_t length, off_t offset) {
    char path[4096];
    const char *found = watched(fd, path, sizeof path);
    if (!found) return REAL(pwrite64)(fd, content, length, offset);
    if (refused()) return -1;
    ssize_t done = REAL(pwrite64)(fd, content, length, offset);
    if (done > 0) put('W', found, (uint64_t)offset, content, (uint64_t)done);
    return done;
}
ssize_t pwrite(int fd, const void *content, size_t length, off_t offset) {
    return put_write(fd, content, length, offset);
}
ssize_t pwrite64(int fd, const void *content, size_t length, off64_t offset) {
    return put_write(fd, content, length, offset);
}
ssize_t write(int fd, const void *content, size_t length) {
    char path[4096];
    const char *found = watched(fd, path, sizeof path);
    if (!found) return REAL(write)(fd, content, length);
    if (refused()) return -1;
    off_t offset = lseek(fd, 0, SEEK_CUR);
    ssize_t done = REAL(write)(fd, content, length);
    if (done > 0) put('W', found, (uint64_t)offset, content, (uint64_t)done);
    return done;
}

static int put_truncate(int fd, off_t length) {
    char path[4096];
    const char *found = watched(fd, path, sizeof path);
    if (found && refused()) return -1;
    int result = REAL(ftruncate64)(fd, length);
    if (found && result == 0) put('T', found, (uint64_t)length, NULL, 0);
    return result;
}
int ftruncate(int fd, off_t length) { return put_truncate(fd, length); }
int ftruncate64(int fd, off64_t length) { return put_truncate(fd, length); }

static void put_sync(int fd) {
    char path[4096];
    const char *found = watched(fd, path, sizeof path);
    if (found) put('S', found, 0, NULL, 0);
}
/* Not passed on: what survives is decided when the log is replayed, and waiting costs time. */
int fsync(int fd) { put_sync(fd); return 0; }
int fdatasync(int fd) { put_sync(fd); return 0; }

int unlink(const char *path) {
    int mine = marker[0] && strstr(path, marker) != NULL;
    if (mine && refused()) return -1;
    int result = REAL(unlink)(path);
    if (mine && result == 0) put('D', path, 0, NULL, 0);
    return result;
}

static int opens_for_writing(const char *path, int flags) {
    return marker[0] && strstr(path, marker) && (flags & (O_WRONLY | O_RDWR | O_CREAT));
}
#define OPEN(name)                                                       \
    int name(const char *path, int flags, ...) {                         \
        va_list rest;                                                    \
        va_start(rest, flags);                                           \
        mode_t mode = (flags & O_CREAT) ? va_arg(rest, mode_t) : 0;      \
        va_end(rest);                                                    \
        if (opens_for_writing(path, flags) && refused()) return -1;      \
        return REAL(name)(path, flags, mode);                            \
    }
OPEN(open)
OPEN(open64)
