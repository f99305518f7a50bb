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

constexpr Index few_streams = 32;  // for a thread: with fewer, waking it costs more than it does

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

Index share(const Call& q, Index begin, Index end, Index pieces, Index* cuts) {
    const auto live = [&](Index r) { return q.length[r] <= begin ? 0 : double((q.length[r] < end ? q.length[r] : end) - begin); };
    double steps = 0, sum = 0;
    for (Index r = 0; r < q.B; ++r) steps += live(r);
    Index count = 1;
    cuts[0] = 0;
    for (Index r = 0; r < q.B; ++r) {
        if (count < pieces && r > cuts[count - 1] && sum >= steps * double(count) / double(pieces)) cuts[count++] = r;
        sum += live(r);
    }
    cuts[count] = q.B;
    return count;
}

void in_parallel(const Team& team, Index tasks, void (*task)(void*, Index), void* self) {
    Work work{tasks, task, self};
    const Index threads = team.threads < tasks ? team.threads : tasks;
    if (threads <= 1) {
        Work::some(&work);
    } else if (team.parallel) {
        team.parallel(&Work::some, &work, unsigned(threads), 0);
    } else {
        std::vector<std::thread> others;
        for (Index k = 1; k < threads; ++k) others.emplace_back(&Work::some, &work);
        Work::some(&work);
        for (auto& other : others) other.join();
    }
}

void step_all(const Kernels& kernels, const Step* layers, Index count, const Team& team) {
    struct Layer {
        const Kernels& kernels;
        const Step& step;
        Index rows;

        static void some(void* me, Index n) {
            const auto& layer = *static_cast<Layer*>(me);
            const Index begin = n * layer.rows, end = begin + layer.rows;
            layer.kernels.step(layer.step, begin, end < layer.step.B ? end : layer.step.B);
        }
    };
    for (Index k = 0; k < count; ++k) {
        const Index B = layers[k].B, pieces = B / team.threads < few_streams ? 1 : team.threads;
        const Index rows = ((B + pieces - 1) / pieces + 7) / 8 * 8;  // whole tiles
        Layer layer{kernels, layers[k], rows};
        in_parallel(team, (B + rows - 1) / rows, &Layer::some, &layer);
    }
}

}  // namespace recurra
