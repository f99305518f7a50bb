// The arguments of the kernels: a sequence with variable lengths, a small batch, and one step of streams.
//
// This file is compiled for every instruction set, so it has no functions that the linker could merge (see vec.h).
#pragma once

#include "threads.h"

namespace recurra {

enum CellKind { kRnnTanh, kRnnRelu, kLstm, kGru };

[[maybe_unused]] static constexpr Index num_gates(CellKind cell) { return cell == kLstm ? 4 : cell == kGru ? 3 : 1; }
[[maybe_unused]] static constexpr Index num_state_components(CellKind cell) { return cell == kLstm ? 2 : 1; }

// Zoneout: the fraction of one state component that keeps its old value, (T, B, H); null: none.
struct ZoneoutMask {
    const void* data;
    Index time_stride, batch_stride;
};

// The strides, in numbers, of the first two axes of a tensor (B, T, *).
struct Strides {
    Index batch, time;
};

// One layer over a padded batch: B sequences, T time steps, I inputs, H units, D directions. The kernels sort the sequences by
// length, longest first. N is the number of valid time steps; step t of the packed order begins at `step_offsets[t]` and has
// `batch_sizes[t]` sequences, as in torch's PackedSequence.
struct SequenceCall {
    CellKind cell;
    bool is_double;
    bool save_for_backward;
    Index T, B, I, H, D;
    const Index *step_offsets, *batch_sizes;  // (T)
    const Index *lengths, *batch_indices;     // (B): of each sorted sequence its length, and its index in the batch
    Strides x_strides, y_strides, grad_x_strides, grad_y_strides;
    const void* x;                            // (B, T, I)
    void* saved;                              // (N, D, saved*H): values for the backward pass, with `save_for_backward`
    void* y;                                  // (B, T, D, H)
    const void* initial_state;                // (components, D, B, H)
    void* final_state;                        // the same
    const void *weight_ih[2], *weight_hh[2];  // (gates*H, I) and (gates*H, H), by direction
    const void *bias_ih[2], *bias_hh[2];      // (gates*H) or null
    const float *scale_ih[2], *scale_hh[2];   // (gates*H) for 8-bit weights (see int8.h), which are forward only; else null
    // The backward pass only.
    const void *grad_y, *grad_final_state;    // as y and final_state; null: zero
    void *grad_initial_state, *grad_x;        // as initial_state and x, or null
    void *grad_weight_ih[2], *grad_weight_hh[2], *grad_bias_ih[2], *grad_bias_hh[2];  // are added to; may be null
    Team team;
    const void* recurrent_dropout_mask[2];    // (B, H) by direction, or null: the gates read h times this
    ZoneoutMask zoneout_mask[2][2];           // by direction and state component
};

// A few time steps of a small batch without padding, forward only. x need not be contiguous.
struct SmallCall {
    CellKind cell;
    bool is_double;
    Index T, B, I, H, D;
    Strides x_strides;
    const void* x;                            // (B, T, I)
    void* y;                                  // (T, B, D, H)
    const void* initial_state[4];             // (B, H) each, by direction, then component; null: zero
    void* final_state[4];
    const void *weight_ih[2], *weight_hh[2], *bias_ih[2], *bias_hh[2];  // by direction; biases may be null
    Team team;
};

// One time step of B streams. The caller owns all memory; the kernel allocates none.
struct StepCall {
    CellKind cell;
    bool is_double;
    bool unpacked;                            // the weights are (gates*H, K), as small_batch.h reads them
    Index B, I, H, x_stride;
    const void* x;                            // (B, I), `x_stride` numbers from one stream to the next
    void* state;                              // (components, B, H), updated in place
    void* scratch;                            // (B, H); with 8-bit weights (B, gates*H)
    const void *weight_ih, *weight_hh;        // from Kernels::pack, or (gates*H, K) if `unpacked` or 8-bit
    const void *bias_ih, *bias_hh;            // (gates*H) or null
    // With 8-bit weights (see int8.h), else null.
    const float *scale_ih, *scale_hh;         // (gates*H)
    std::int16_t* quantized;                  // (B, I + H, each rounded up to 64), zero at the start
};

}  // namespace recurra
