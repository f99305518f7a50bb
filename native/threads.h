// Threads that share the tasks of one call.
#pragma once

#include <cstdint>

namespace recurra {

using Index = std::int64_t;

// `gomp_parallel` is GOMP_parallel of the OpenMP library that torch has loaded, so that torch and the kernels use the same
// threads. If it is null, in_parallel starts threads of its own.
struct Team {
    Index threads;
    void (*gomp_parallel)(void (*)(void*), void*, unsigned, unsigned);
};

// Calls task(context, 0), ..., task(context, tasks - 1) on the threads of the team, including the calling thread, and returns
// when all are done. If the system cannot start as many threads, fewer threads do the same tasks.
void in_parallel(const Team& team, Index tasks, void (*task)(void* context, Index), void* context);

}  // namespace recurra
