// The kernels for single and a few time steps of one instruction set.
#include "small_batch.h"
#include "stream.h"
#include "target.h"

namespace recurra::RECURRA_TARGET {

void run_small(const SmallCall& call) {
    dispatch(call.cell, call.is_double, [&]<class S, template <class> class C>() { SmallBatch<S, C>::run(call); });
}

void run_step(const StepCall& call, Index begin, Index end) {
    dispatch(call.cell, call.is_double, [&]<class S, template <class> class C>() { Stream<S, C>::run(call, begin, end); });
}

Index packed_size(CellKind cell, bool is_double, Index K, Index H) {
    return dispatch(cell, is_double, [&]<class S, template <class> class C>() { return Stream<S, C>::F::packed_size(K, H); });
}

void pack(CellKind cell, bool is_double, const void* weight, Index K, Index H, void* packed) {
    dispatch(cell, is_double, [&]<class S, template <class> class C>() { Stream<S, C>::pack(weight, K, H, packed); });
}

}  // namespace recurra::RECURRA_TARGET
