// The kernels with 8-bit weights of one instruction set.
#include "int8.h"
#include "target.h"

namespace recurra::RECURRA_TARGET {

void run_int8_sequence(const SequenceCall& call) {
    dispatch_cell<float>(call.cell, [&]<class, template <class> class C>() { Int8<C>::run(call); });
}

void run_int8_step(const StepCall& call, Index begin, Index end) {
    dispatch_cell<float>(call.cell, [&]<class, template <class> class C>() { Int8<C>::run(call, begin, end); });
}

}  // namespace recurra::RECURRA_TARGET
