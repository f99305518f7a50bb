#include "kernels.h"

#include <chrono>

namespace recurra {

#if defined(RECURRA_X86)
namespace avx512 { extern const Kernels kernels; }
namespace avx2 { extern const Kernels kernels; }
#endif
namespace portable { extern const Kernels kernels; }

const Kernels* const all_kernels[] = {
#if defined(RECURRA_X86)
    &avx512::kernels, &avx2::kernels,
#endif
    &portable::kernels, nullptr};

namespace {

constexpr Index kMinStreamsPerThread = 32;  // with fewer streams, waking a thread costs more than it saves
constexpr Index kTileRows = 8;

struct LayerStep {
    const Kernels& kernels;
    const StepCall& call;
    Index streams;  // for each task

    static void worker(void* context, Index n) {
        const auto& layer = *static_cast<LayerStep*>(context);
        const Index begin = n * layer.streams, end = begin + layer.streams;
        layer.kernels.run_step(layer.call, begin, end < layer.call.B ? end : layer.call.B);
    }
};

// A step by the kernel for small batches. Its output goes to scratch memory, because the other units still read h.
SmallCall small_call(const StepCall& step, const Team& team) {
    const std::size_t component = std::size_t(step.B * step.H) * (step.is_double ? sizeof(double) : sizeof(float));
    SmallCall call{};
    call.cell = step.cell, call.is_double = step.is_double;
    call.T = 1, call.B = step.B, call.I = step.I, call.H = step.H, call.D = 1;
    call.x = step.x, call.x_strides = {.batch = step.x_stride, .time = 0}, call.y = step.scratch;
    for (Index p = 0; p < num_state_components(step.cell); ++p)
        call.initial_state[p] = call.final_state[p] = static_cast<char*>(step.state) + std::size_t(p) * component;
    call.weight_ih[0] = step.weight_ih, call.weight_hh[0] = step.weight_hh;
    call.bias_ih[0] = step.bias_ih, call.bias_hh[0] = step.bias_hh;
    call.team = team;
    return call;
}

struct PeakLoop {
    const Kernels& kernels;
    Index rounds;

    static void worker(void* context, Index) {
        const auto& loop = *static_cast<PeakLoop*>(context);
        float sum;
        loop.kernels.multiply_adds(loop.rounds, &sum);
    }
};

}  // namespace

double peak_operations(const Kernels& kernels, const Team& team, double seconds) {
    using Clock = std::chrono::steady_clock;
    const auto since = [](Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); };
    PeakLoop loop{kernels, 500000};  // about a millisecond
    float sum;
    const double operations = double(kernels.multiply_adds(loop.rounds, &sum)) * double(team.threads);
    double best = 0;
    for (const auto begin = Clock::now(); since(begin) < seconds;) {
        const auto start = Clock::now();
        in_parallel(team, team.threads, &PeakLoop::worker, &loop);
        const double speed = operations / since(start);
        best = speed > best ? speed : best;
    }
    return best;
}

void step_all(const Kernels& kernels, const StepCall* layers, Index count, const Team& team) {
    for (Index k = 0; k < count; ++k) {
        if (layers[k].unpacked) {
            kernels.run_small(small_call(layers[k], team));
            continue;
        }
        const Index B = layers[k].B, num_parts = B / team.threads < kMinStreamsPerThread ? 1 : team.threads;
        const Index streams = ((B + num_parts - 1) / num_parts + kTileRows - 1) / kTileRows * kTileRows;
        LayerStep layer{kernels, layers[k], streams};
        in_parallel(team, (B + streams - 1) / streams, &LayerStep::worker, &layer);
    }
}

}  // namespace recurra
