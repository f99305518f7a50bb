// All kernels of the instruction set that this file is compiled for.
#include "backward.h"
#include "forward.h"
#include "gru.h"
#include "int8.h"
#include "kernels.h"
#include "lstm.h"
#include "rnn.h"
#include "small_batch.h"
#include "stream.h"

namespace recurra::RECURRA_TARGET {

// Calls f<S, C>() for the cell.
template <class S, class F>
static auto dispatch_cell(CellKind cell, F&& f) {
    switch (cell) {
        case kRnnTanh: return f.template operator()<S, RnnTanh>();
        case kRnnRelu: return f.template operator()<S, RnnRelu>();
        case kLstm: return f.template operator()<S, Lstm>();
        default: return f.template operator()<S, Gru>();
    }
}

template <class F>
static auto dispatch(CellKind cell, bool is_double, F&& f) {
    return is_double ? dispatch_cell<double>(cell, f) : dispatch_cell<float>(cell, f);
}

static void run_sequence(const SequenceCall& call, bool backward) {
    dispatch(call.cell, call.is_double, [&]<class S, template <class> class C>() {
        backward ? Backward<S, C>::run(call) : Forward<S, C>::run(call);
    });
}

static void run_small(const SmallCall& call) {
    dispatch(call.cell, call.is_double, [&]<class S, template <class> class C>() { SmallBatch<S, C>::run(call); });
}

static void run_step(const StepCall& call, Index begin, Index end) {
    if (call.quantized)
        return dispatch_cell<float>(call.cell, [&]<class, template <class> class C>() { Int8<C>::run(call, begin, end); });
    dispatch(call.cell, call.is_double, [&]<class S, template <class> class C>() { Stream<S, C>::run(call, begin, end); });
}

static Index packed_size(CellKind cell, bool is_double, Index K, Index H) {
    return dispatch(cell, is_double, [&]<class S, template <class> class C>() { return Forward<S, C>::packed_size(K, H); });
}

static void pack(CellKind cell, bool is_double, const void* weight, Index K, Index H, void* packed) {
    dispatch(cell, is_double, [&]<class S, template <class> class C>() { Stream<S, C>::pack(weight, K, H, packed); });
}

static Index packed_int8_size(CellKind cell, Index K, Index H) {
    return dispatch_cell<float>(cell, [&]<class, template <class> class C>() { return Int8<C>::packed_size(K, H); });
}

static void pack_int8(CellKind cell, const float* weight, Index K, Index H, std::int8_t* packed, float* scale) {
    dispatch_cell<float>(cell, [&]<class, template <class> class C>() { Int8<C>::pack(weight, K, H, packed, scale); });
}

static bool is_supported() {
#if RECURRA_BYTES == 64
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#elif RECURRA_BYTES == 32
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
    return true;
#endif
}

#define RECURRA_TEXT(name) #name
#define RECURRA_NAME(name) RECURRA_TEXT(name)
extern const Kernels kernels;
const Kernels kernels{.name = RECURRA_NAME(RECURRA_TARGET),
                      .is_supported = &is_supported,
                      .run_sequence = &run_sequence,
                      .run_small = &run_small,
                      .run_step = &run_step,
                      .packed_size = &packed_size,
                      .pack = &pack,
                      .packed_int8_size = &packed_int8_size,
                      .pack_int8 = &pack_int8};

}  // namespace recurra::RECURRA_TARGET
