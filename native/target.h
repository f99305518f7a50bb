// The functions of one instruction set. Each file that defines some is compiled once for each instruction set.
#pragma once

#include "call.h"
#include "gru.h"
#include "lstm.h"
#include "rnn.h"

namespace recurra::RECURRA_TARGET {

void run_sequence(const SequenceCall& call, bool backward);
void run_small(const SmallCall& call);
void run_step(const StepCall& call, Index begin, Index end);
Index packed_size(CellKind cell, bool is_double, Index K, Index H);
void pack(CellKind cell, bool is_double, const void* weight, Index K, Index H, void* packed);
void run_int8_sequence(const SequenceCall& call);
void run_int8_step(const StepCall& call, Index begin, Index end);

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

}  // namespace recurra::RECURRA_TARGET
