// How the sequences of a batch are divided among threads.
#pragma once

#include "call.h"

namespace recurra {

// Divides the sorted sequences into at most `num_parts` parts with about the same number of valid time steps between
// `begin_step` and `end_step`. Part k has the sequences bounds[k] to bounds[k + 1]; returns the number of parts.
Index partition_batch(const SequenceCall& call, Index begin_step, Index end_step, Index num_parts, Index* bounds);

}  // namespace recurra
