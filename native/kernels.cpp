#include "kernels.h"

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

}  // namespace

void step_all(const Kernels& kernels, const StepCall* layers, Index count, const Team& team) {
    for (Index k = 0; k < count; ++k) {
        const Index B = layers[k].B, num_parts = B / team.threads < kMinStreamsPerThread ? 1 : team.threads;
        const Index streams = ((B + num_parts - 1) / num_parts + kTileRows - 1) / kTileRows * kTileRows;
        LayerStep layer{kernels, layers[k], streams};
        in_parallel(team, (B + streams - 1) / streams, &LayerStep::worker, &layer);
    }
}

}  // namespace recurra
