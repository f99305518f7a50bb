// Where the values of a SequenceCall lie in memory, and how its batch is divided among threads.
//
// A thread owns its sequences for all time steps, so no thread waits for another at a time step. The sequences are sorted by
// length, longest first: the sequences that are still running at a step are the first ones, padding costs nothing, and in the
// reverse direction a sequence begins at its own last step.
#pragma once

#include "partition.h"
#include "product.h"

namespace recurra::RECURRA_TARGET {

// The time steps `begin` to `end` of one direction, and the gradients of the pre-activations there.
template <class S>
struct Window {
    int d;
    Index begin, end;
    S* pre_activation_grads;  // (valid rows of these steps, grad_stride())
};

template <class S, template <class> class C>
struct Layout {
    using X = Vec<S>;
    using V = typename X::V;
    using Cell = C<X>;
    static constexpr int W = X::width, G = Cell::kGates, P = Cell::kStateComponents;

    // The size, in numbers, of packed weights: whole vectors of `columns`, with `terms` rows for each gate.
    static Index packed_size(Index terms, Index columns) { return (columns + W - 1) / W * W * G * terms; }

    const SequenceCall& call;
    Buffer<Index> bounds;  // part k has the sequences bounds[k] to bounds[k + 1]
    Index num_parts = 0;

    explicit Layout(const SequenceCall& sequence_call) : call(sequence_call), bounds(sequence_call.B + 1) {}

    void partition(Index max_parts, Index begin_step, Index end_step) {
        num_parts = partition_batch(call, begin_step, end_step, max_parts, bounds.data);
    }

    // The n-th time step that direction d processes.
    Index time_step(int d, Index n) const { return d == 0 ? n : call.T - 1 - n; }

    // How many of the sequences `begin` to `end` are valid at time step t.
    Index active_batch_size(Index begin, Index end, Index t) const {
        return call.batch_sizes[t] > begin ? smaller(end, call.batch_sizes[t]) - begin : 0;
    }

    // The index of sequence r at step t of direction d in a packed tensor (N, D, ...).
    Index packed_index(int d, Index t, Index r) const { return (call.step_offsets[t] + r) * call.D + d; }

    // Rows are padded by one vector. Otherwise the rows that weight_grads.h reads together would share one cache set whenever
    // H is a power of two.
    Index grad_stride() const { return Cell::kPreActivationGrads * call.H + W; }
    S* pre_activation_grads(const Window<S>& window, Index t, Index r) const {
        return window.pre_activation_grads + (call.step_offsets[t] - call.step_offsets[window.begin] + r) * grad_stride();
    }
    S* saved(int d, Index t, Index r) const {
        return static_cast<S*>(call.saved) + packed_index(d, t, r) * Cell::kSaved * call.H;
    }
    Index offset(const Strides& strides, Index t, Index r) const {
        return call.batch_indices[r] * strides.batch + t * strides.time;
    }
    S* y(int d, Index t, Index r) const { return static_cast<S*>(call.y) + offset(call.y_strides, t, r) + d * call.H; }
    Index state_offset(int d, int p, Index r) const {
        return ((p * call.D + d) * call.B + call.batch_indices[r]) * call.H;
    }

    bool is_first_step(int d, Index t, Index r) const { return d == 0 ? t == 0 : t == call.lengths[r] - 1; }

    // Component p of the state before step t of direction d. The cell state is read from the values saved for the backward
    // pass.
    const S* state_before(int d, int p, Index t, Index r) const {
        if (is_first_step(d, t, r)) return static_cast<const S*>(call.initial_state) + state_offset(d, p, r);
        const Index previous = d == 0 ? t - 1 : t + 1;
        return p == 0 ? y(d, previous, r) : saved(d, previous, r) + (Cell::kSaved - 1) * call.H;
    }

    // The zoneout mask of component p, or null.
    const S* zoneout_mask(int d, int p, Index t, Index r) const {
        const ZoneoutMask& mask = call.zoneout_mask[d][p];
        return mask.data ? static_cast<const S*>(mask.data) + t * mask.time_stride + call.batch_indices[r] * mask.batch_stride
                         : nullptr;
    }

    // The recurrent dropout mask, or null.
    const S* recurrent_mask(int d, Index r) const {
        return call.recurrent_dropout_mask[d]
                   ? static_cast<const S*>(call.recurrent_dropout_mask[d]) + call.batch_indices[r] * call.H
                   : nullptr;
    }
};

// W x does not depend on the state, so it is computed for about this many rows (one sequence at one time step each) at a
// time. The weights are read once for all of them, and the results are still in cache when their time step comes.
inline constexpr Index kProjectRows = 64;

// Rows of scratch memory for a part of the batch: one time step, or as many as fit into kProjectRows.
inline Index scratch_rows(Index sequences) { return sequences < kProjectRows ? kProjectRows : sequences; }

}  // namespace recurra::RECURRA_TARGET
