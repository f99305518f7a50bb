#include "partition.h"

namespace recurra {

Index partition_batch(const SequenceCall& call, Index begin_step, Index end_step, Index num_parts, Index* bounds) {
    const auto valid_steps = [&](Index r) {
        const Index length = call.lengths[r];
        return length <= begin_step ? 0 : double((length < end_step ? length : end_step) - begin_step);
    };
    double total = 0, sum = 0;
    for (Index r = 0; r < call.B; ++r) total += valid_steps(r);
    Index count = 1;
    bounds[0] = 0;
    for (Index r = 0; r < call.B; ++r) {
        if (count < num_parts && r > bounds[count - 1] && sum >= total * double(count) / double(num_parts)) bounds[count++] = r;
        sum += valid_steps(r);
    }
    bounds[count] = call.B;
    return count;
}

}  // namespace recurra
