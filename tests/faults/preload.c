/* Calls to the disk that fail, are cut short, skipped or fatal, and a clock that jumps, in the processes of the fault
 * tests alone: LD_PRELOAD names this library, FAULTS_CONTROL a file that `control.py` describes and steers.
 * Only what lies under the folder named there is touched. Linux with glibc. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum kind { FSYNC, FDATASYNC, WRITE, RENAME, LINK, FTRUNCATE, UNLINK, MKDIR, OPEN, KINDS };
enum action { NOTHING, FAIL, CUT_SHORT, SKIP, KILL_BEFORE, KILL_AFTER };

struct control {
    char folder[512];
    char part[64];       /* of a path; empty: any */
    int64_t kinds;       /* a bit for each kind that counts */
    int64_t first;       /* the first call that is harmed, from 1 */
    int64_t times;       /* how many calls are harmed; 0: all from the first on */
    int64_t action;
    int64_t error;
    int64_t clock;       /* nanoseconds added to the time of day */
    int64_t passed;      /* calls of these kinds so far */
    int64_t harmed;
};

static struct control *control;

#define REAL(name) ((__typeof__(name) *)real(#name))
static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }

__attribute__((constructor)) static void start(void) {
    const char *path = getenv("FAULTS_CONTROL");
    int descriptor = path ? REAL(open)(path, O_RDWR) : -1;
    if (descriptor < 0)
        return;
    void *found = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    close(descriptor);
    control = found == MAP_FAILED ? NULL : found;
}

static int meant(const char *path) {
    size_t length = strlen(control->folder);
    return path && length && !strncmp(path, control->folder, length) &&
           (!control->part[0] || strstr(path, control->part));
}

/* What is to be done with this call: it is counted here, and ends the process here if it is to. */
static enum action met(enum kind kind, const char *path) {
    if (!control || !(control->kinds >> kind & 1) || !meant(path))
        return NOTHING;
    int64_t number = __atomic_add_fetch(&control->passed, 1, __ATOMIC_SEQ_CST);
    if (!control->action || number < control->first || (control->times && number >= control->first + control->times))
        return NOTHING;
    __atomic_add_fetch(&control->harmed, 1, __ATOMIC_SEQ_CST);
    if (control->action == KILL_BEFORE)
        kill(getpid(), SIGKILL);
    errno = (int)control->error;
    return (enum action)control->action;
}

static enum action met_open(enum kind kind, int descriptor) {
    char link[64], path[1024];
    if (!control || !(control->kinds >> kind & 1))
        return NOTHING;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return NOTHING;
    path[length] = 0;
    return met(kind, path);
}

#define DO(what, call, failed, skipped)                                                                              \
    do {                                                                                                             \
        enum action action_ = (what);                                                                                \
        if (action_ == FAIL || action_ == CUT_SHORT)                                                                 \
            return failed;                                                                                           \
        if (action_ == SKIP)                                                                                         \
            return skipped;                                                                                          \
        __typeof__(call) answer_ = (call);                                                                           \
        if (action_ == KILL_AFTER)                                                                                   \
            kill(getpid(), SIGKILL);                                                                                 \
        return answer_;                                                                                              \
    } while (0)

/* Half of it is written; the rest, which the caller then tries to write, fails. */
#define WRITING(descriptor, size, call, half)                                                                        \
    do {                                                                                                             \
        enum action met_ = met_open(WRITE, descriptor);                                                              \
        if (met_ == CUT_SHORT && (size) > 1)                                                                         \
            return half;                                                                                             \
        DO(met_, call, -1, (ssize_t)(size));                                                                         \
    } while (0)

int fsync(int fd) { DO(met_open(FSYNC, fd), REAL(fsync)(fd), -1, 0); }
int fdatasync(int fd) { DO(met_open(FDATASYNC, fd), REAL(fdatasync)(fd), -1, 0); }

ssize_t write(int fd, const void *data, size_t size) {
    WRITING(fd, size, REAL(write)(fd, data, size), REAL(write)(fd, data, size / 2));
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
    WRITING(fd, size, REAL(pwrite)(fd, data, size, at), REAL(pwrite)(fd, data, size / 2, at));
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
    WRITING(fd, size, REAL(pwrite64)(fd, data, size, at), REAL(pwrite64)(fd, data, size / 2, at));
}
ssize_t writev(int fd, const struct iovec *parts, int count) {
    size_t size = 0;
    for (int number = 0; number < count; number++)
        size += parts[number].iov_len;
    WRITING(fd, size, REAL(writev)(fd, parts, count), REAL(write)(fd, parts[0].iov_base, parts[0].iov_len / 2));
}
ssize_t sendfile(int to, int from, off_t *at, size_t size) {
    WRITING(to, size, REAL(sendfile)(to, from, at, size), REAL(sendfile)(to, from, at, 1));
}
ssize_t sendfile64(int to, int from, off64_t *at, size_t size) {
    WRITING(to, size, REAL(sendfile64)(to, from, at, size), REAL(sendfile64)(to, from, at, 1));
}
ssize_t copy_file_range(int from, off64_t *from_at, int to, off64_t *to_at, size_t size, unsigned flags) {
    WRITING(to, size, REAL(copy_file_range)(from, from_at, to, to_at, size, flags),
            REAL(copy_file_range)(from, from_at, to, to_at, 1, flags));
}

int ftruncate(int fd, off_t size) { DO(met_open(FTRUNCATE, fd), REAL(ftruncate)(fd, size), -1, 0); }
int ftruncate64(int fd, off64_t size) { DO(met_open(FTRUNCATE, fd), REAL(ftruncate64)(fd, size), -1, 0); }
int posix_fallocate(int fd, off_t at, off_t size) {
    DO(met_open(FTRUNCATE, fd), REAL(posix_fallocate)(fd, at, size), errno, 0);
}

int rename(const char *from, const char *to) { DO(met(RENAME, to), REAL(rename)(from, to), -1, 0); }
int renameat(int from_folder, const char *from, int to_folder, const char *to) {
    DO(met(RENAME, to), REAL(renameat)(from_folder, from, to_folder, to), -1, 0);
}
int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags) {
    DO(met(RENAME, to), REAL(renameat2)(from_folder, from, to_folder, to, flags), -1, 0);
}
int link(const char *from, const char *to) { DO(met(LINK, to), REAL(link)(from, to), -1, 0); }
int linkat(int from_folder, const char *from, int to_folder, const char *to, int flags) {
    DO(met(LINK, to), REAL(linkat)(from_folder, from, to_folder, to, flags), -1, 0);
}
int unlink(const char *path) { DO(met(UNLINK, path), REAL(unlink)(path), -1, 0); }
int unlinkat(int folder, const char *path, int flags) {
    DO(met(UNLINK, path), REAL(unlinkat)(folder, path, flags), -1, 0);
}
int mkdir(const char *path, mode_t mode) { DO(met(MKDIR, path), REAL(mkdir)(path, mode), -1, 0); }

/* Only opening that may create a file counts. */
#define OPENING(name, ...)                                                                                   \
    mode_t mode = 0;                                                                                                 \
    if (flags & (O_CREAT | O_TMPFILE)) {                                                                             \
        va_list rest;                                                                                                \
        va_start(rest, flags);                                                                                       \
        mode = va_arg(rest, mode_t);                                                                                 \
        va_end(rest);                                                                                                \
    }                                                                                                                \
    if (!(flags & O_CREAT))                                                                                          \
        return REAL(name)(__VA_ARGS__, mode);                                                                        \
    DO(met(OPEN, path), REAL(name)(__VA_ARGS__, mode), -1, -1)

int open(const char *path, int flags, ...) { OPENING(open, path, flags); }
int open64(const char *path, int flags, ...) { OPENING(open64, path, flags); }
int openat(int folder, const char *path, int flags, ...) { OPENING(openat, folder, path, flags); }
int openat64(int folder, const char *path, int flags, ...) { OPENING(openat64, folder, path, flags); }

static void shift(struct timespec *time) {
    int64_t whole = time->tv_sec * 1000000000LL + time->tv_nsec + control->clock;
    time->tv_sec = whole / 1000000000LL;
    time->tv_nsec = whole % 1000000000LL;
}
int clock_gettime(clockid_t clock, struct timespec *found) {
    int answer = REAL(clock_gettime)(clock, found);
    if (!answer && control && control->clock && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        shift(found);
    return answer;
}
int gettimeofday(struct timeval *restrict found, void *restrict zone) {
    struct timespec time;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &time))
        return -1;
    found->tv_sec = time.tv_sec;
    found->tv_usec = time.tv_nsec / 1000;
    return 0;
}
time_t time(time_t *found) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (found)
        *found = now.tv_sec;
    return now.tv_sec;
}
