// The table of the kernels of one instruction set.
#include "kernels.h"
#include "peak.h"
#include "target.h"

namespace recurra::RECURRA_TARGET {

static bool is_supported() {
#if RECURRA_BYTES == 64
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#elif RECURRA_BYTES == 32
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
    return true;
#endif
}

static void run_any_sequence(const SequenceCall& call, bool backward) {
    call.scale_ih[0] ? run_int8_sequence(call) : run_sequence(call, backward);
}

static void run_any_step(const StepCall& call, Index begin, Index end) {
    call.quantized ? run_int8_step(call, begin, end) : run_step(call, begin, end);
}

#define RECURRA_TEXT(name) #name
#define RECURRA_NAME(name) RECURRA_TEXT(name)
extern const Kernels kernels;
const Kernels kernels{.name = RECURRA_NAME(RECURRA_TARGET),
                      .is_supported = &is_supported,
                      .run_sequence = &run_any_sequence,
                      .run_small = &run_small,
                      .run_step = &run_any_step,
                      .packed_size = &packed_size,
                      .pack = &pack,
                      .multiply_adds = &multiply_adds};

}  // namespace recurra::RECURRA_TARGET
