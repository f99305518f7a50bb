#include "threads.h"

#include <atomic>
#include <system_error>
#include <thread>
#include <vector>
#if defined(__SSE__)
#include <xmmintrin.h>
#endif

namespace recurra {

namespace {

// Treats denormal numbers as zero: they are about a hundred times slower and have no meaning here.
class FlushDenormals {
#if defined(__SSE__)
    unsigned control_register_ = _mm_getcsr();

   public:
    FlushDenormals() { _mm_setcsr(control_register_ | 0x8040); }
    ~FlushDenormals() { _mm_setcsr(control_register_); }
    FlushDenormals(const FlushDenormals&) = delete;
#else
   public:
    FlushDenormals() {}
#endif
};

// Every worker takes the next task until none is left, so any number of workers completes all tasks.
struct TaskQueue {
    Index tasks;
    void (*task)(void*, Index);
    void* context;
    std::atomic<Index> next{0};

    static void worker(void* context) {
        const FlushDenormals flush;
        auto& queue = *static_cast<TaskQueue*>(context);
        for (Index n; (n = queue.next++) < queue.tasks;) queue.task(queue.context, n);
    }
};

void run_on_own_threads(TaskQueue& queue, Index threads) {
    std::vector<std::thread> helpers;
    helpers.reserve(std::size_t(threads - 1));  // may throw, so it comes before the first thread starts
    try {
        while (Index(helpers.size()) < threads - 1) helpers.emplace_back(&TaskQueue::worker, &queue);
    } catch (const std::system_error&) {
        // The system has no more threads to give. Those that run, and this one, do all the tasks.
    }
    TaskQueue::worker(&queue);
    for (auto& helper : helpers) helper.join();
}

}  // namespace

void in_parallel(const Team& team, Index tasks, void (*task)(void*, Index), void* context) {
    TaskQueue queue{tasks, task, context};
    const Index threads = team.threads < tasks ? team.threads : tasks;
    if (threads <= 1) {
        TaskQueue::worker(&queue);
    } else if (team.gomp_parallel) {
        team.gomp_parallel(&TaskQueue::worker, &queue, unsigned(threads), 0);
    } else {
        run_on_own_threads(queue, threads);
    }
}

}  // namespace recurra
