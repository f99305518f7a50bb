#include "call.h"

#include <atomic>
#include <thread>
#include <vector>
#if defined(__SSE__)
#include <xmmintrin.h>
#endif

namespace recurra {

namespace {

// Numbers too small to be normal count as zero: they cost a hundred times as much and mean nothing here.
class Flush {
#if defined(__SSE__)
    unsigned before_ = _mm_getcsr();

   public:
    Flush() { _mm_setcsr(before_ | 0x8040); }
    ~Flush() { _mm_setcsr(before_); }
    Flush(const Flush&) = delete;
#else
   public:
    Flush() {}
#endif
};

struct Work {
    Index tasks;
    void (*task)(void*, Index);
    void* self;
    std::atomic<Index> next{0};

    static void some(void* me) {
        const Flush flush;
        auto& work = *static_cast<Work*>(me);
        for (Index n; (n = work.next++) < work.tasks;) work.task(work.self, n);
    }
};

}  // namespace

Index share(const Call& q, Index pieces, Index* cuts) {
    double steps = 0, sum = 0;
    for (Index r = 0; r < q.B; ++r) steps += double(q.length[r]);
    Index count = 1;
    cuts[0] = 0;
    for (Index r = 0; r < q.B; ++r) {
        if (r > cuts[count - 1] && sum >= steps * double(count) / double(pieces)) cuts[count++] = r;
        sum += double(q.length[r]);
    }
    cuts[count] = q.B;
    return count;
}

void in_parallel(const Call& q, Index tasks, void (*task)(void*, Index), void* self) {
    Work work{tasks, task, self};
    const Index threads = q.threads < tasks ? q.threads : tasks;
    if (threads <= 1) {
        Work::some(&work);
    } else if (q.parallel) {
        q.parallel(&Work::some, &work, unsigned(threads), 0);
    } else {
        std::vector<std::thread> others;
        for (Index k = 1; k < threads; ++k) others.emplace_back(&Work::some, &work);
        Work::some(&work);
        for (auto& other : others) other.join();
    }
}

void step_all(const Kernels& kernels, const Step* layers, Index count) {
    const Flush flush;
    for (Index k = 0; k < count; ++k) kernels.step(layers[k]);
}

}  // namespace recurra
