// The table of kernels: one entry for each instruction set, chosen at run time.
#pragma once

#include "call.h"

namespace recurra {

struct Kernels {
    const char* name;
    bool (*is_supported)();  // whether this machine has the instruction set
    void (*run_sequence)(const SequenceCall&, bool backward);
    void (*run_small)(const SmallCall&);
    void (*run_step)(const StepCall&, Index begin, Index end);  // streams `begin` to `end`
    Index (*packed_size)(CellKind, bool is_double, Index K, Index H);  // in numbers
    // Packs weights (gates*H, K) in the order in which run_step reads them. `packed` is zero on entry and starts a cache line.
    void (*pack)(CellKind, bool is_double, const void* weight, Index K, Index H, void* packed);
    Index (*multiply_adds)(Index n, float* sum);  // see peak.h
};

extern const Kernels* const all_kernels[];  // the widest instruction set first, null at the end

// One step of a stack of layers, one after the other. A team shares large batches of streams.
void step_all(const Kernels& kernels, const StepCall* layers, Index count, const Team& team);

// The largest number of floating-point operations per second that the threads reach within `seconds`.
double peak_operations(const Kernels& kernels, const Team& team, double seconds);

}  // namespace recurra
