// in_parallel on a system that runs out of threads.
#include <atomic>
#include <vector>

#include "reference.h"
#if defined(__linux__)
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#endif

namespace recurra::test {

namespace {

struct Counts {
    std::vector<std::atomic<int>> done = std::vector<std::atomic<int>>(1000);

    static void task(void* context, Index n) { ++static_cast<Counts*>(context)->done[size_t(n)]; }
};

bool all_tasks_are_done_once() {
    Counts counts;
    in_parallel({.threads = 8, .gomp_parallel = nullptr}, Index(counts.done.size()), &Counts::task, &counts);
    for (const auto& done : counts.done)
        if (done != 1) return false;
    return true;
}

}  // namespace

// Allows address space for two more threads and a half, so the third thread cannot start. Later none can.
bool threads_may_fail() {
#if defined(__linux__) && defined(__GLIBC__)
    constexpr size_t kStack = size_t(1) << 30;
    long pages = 0;
    if (FILE* file = std::fopen("/proc/self/statm", "r")) {
        if (std::fscanf(file, "%ld", &pages) != 1) pages = 0;
        std::fclose(file);
    }
    pthread_attr_t usual, large;
    rlimit limit;
    if (!pages || getrlimit(RLIMIT_AS, &limit) || pthread_getattr_default_np(&usual)) return all_tasks_are_done_once();
    pthread_attr_init(&large);
    pthread_attr_setstacksize(&large, kStack);
    pthread_setattr_default_np(&large);
    bool passed = true;
    for (const size_t more : {2 * kStack + kStack / 2, kStack / 2}) {
        rlimit lower = limit;
        lower.rlim_cur = rlim_t(pages) * rlim_t(sysconf(_SC_PAGESIZE)) + more;
        setrlimit(RLIMIT_AS, &lower);
        passed = all_tasks_are_done_once() && passed;
        setrlimit(RLIMIT_AS, &limit);
    }
    pthread_setattr_default_np(&usual);
    pthread_attr_destroy(&large);
    pthread_attr_destroy(&usual);
    return passed;
#else
    return all_tasks_are_done_once();
#endif
}

}  // namespace recurra::test
