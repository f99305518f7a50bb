// The passes over time of one instruction set.
#include "backward.h"
#include "forward.h"
#include "target.h"

namespace recurra::RECURRA_TARGET {

void run_sequence(const SequenceCall& call, bool backward) {
    dispatch(call.cell, call.is_double, [&]<class S, template <class> class C>() {
        backward ? Backward<S, C>::run(call) : Forward<S, C>::run(call);
    });
}

}  // namespace recurra::RECURRA_TARGET
