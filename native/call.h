// What one call of a cell over time is, how its rows are shared among threads, and what an instruction set offers.
// Compiled once, for any machine: nothing here may be a template that kernels of different instruction sets share.
#pragma once

#include <cstdint>

namespace recurra {

using Index = std::int64_t;

enum Kind { kRnnTanh, kRnnRelu, kLstm, kGru };

// Threads that share the work: `parallel` is GOMP_parallel of the OpenMP that torch has loaded, so that both have one team;
// null: threads of our own.
struct Team {
    Index threads;
    void (*parallel)(void (*)(void*), void*, unsigned, unsigned);
};

// How much of a part of the state stays what it was at each step: numbers (T, B, H), `step` and `row` apart.
struct Keep {
    const void* data;
    Index step, row;
};

// Numbers (B, T, *): where a row and a step begin.
struct Strides {
    Index row, step;
};

// B rows, T steps, H units, D directions. Rows are sorted, longest first; what has an axis N holds live steps only, one
// step after the other: step t begins at `offset[t]` and has `alive[t]` rows.
struct Call {
    Kind kind;
    bool is_double;
    bool keep;  // what the backward pass will need
    Index T, B, I, H, D;
    const Index *offset, *alive;      // (T)
    const Index *length, *row;        // (B): of each sorted row, and where it stands in x, y and in the states
    Strides of_x, of_y, of_grad_x, of_grad_y;
    const void* x;                    // (B, T, I)
    void* gates;                      // (N, D, saved*H): what is kept for the backward pass; only with `keep`
    void* y;                          // (B, T, D, H)
    const void* first;                // (parts, D, B, H)
    void* last;                       // the same
    const void *weight_x[2], *weight_h[2];  // (gates*H, I) and (gates*H, H), by direction
    const void *bias_x[2], *bias_h[2];      // (gates*H) or null
    // the backward pass
    const void *grad_y, *grad_last;   // as y and last; null: zeros
    void *grad_first, *grad_x;        // as first, as x; or null
    void *grad_weight_x[2], *grad_weight_h[2], *grad_bias_x[2], *grad_bias_h[2];  // are added to; or null
    Team team;
    // what a layer does to each step; null: nothing
    const void* read[2];              // (B, H) by direction: h times this is what the gates read
    Keep stays[2][2];                 // by direction and part of the state
};

// A few steps of few rows, all T long, forward only; x need not be contiguous.
struct FewSteps {
    Kind kind;
    bool is_double;
    Index T, B, I, H, D, x_row, x_step;           // strides in numbers
    const void* x;                                // (B, T, I)
    void* y;                                      // (T, B, D, H)
    const void* first[4];                         // (B, H), by direction, then part; null: zeros
    void* last[4];
    const void *weight_x[2], *weight_h[2], *bias_x[2], *bias_h[2];  // by direction; biases may be null
    Team team;
};

// One step of B streams. All memory is the caller's, and none is taken.
struct Step {
    Kind kind;
    bool is_double;
    Index B, I, H, x_stride;
    const void *x;                     // (B, I), rows `x_stride` apart
    void* state;                       // (parts, B, H), in place
    void* spare;                       // (B, H)
    const void *packed_x, *packed_h;   // of `Kernels::pack`
    const void *bias_x, *bias_h;       // (gates*H) or null
    // with weights of 8 bits, see int8.h; null: none
    const float *scale_x, *scale_h;    // (gates*H)
    std::int16_t* rounded;             // (B, I + H, each rounded up to 64), zeros
};

// Cuts the sorted rows into at most `pieces` with about as many live steps from `begin` to `end` each: cuts[0] = 0, ...,
// cuts[result] = B.
Index share(const Call& q, Index begin, Index end, Index pieces, Index* cuts);

// task(self, 0), ..., task(self, tasks - 1) on the threads of the team, the caller's among them; returns when all are done.
void in_parallel(const Team& team, Index tasks, void (*task)(void* self, Index), void* self);

// The kernels of one instruction set.
struct Kernels {
    const char* name;
    bool (*here)();  // whether this machine has it
    void (*run)(const Call&, bool back);
    void (*step)(const Step&, Index begin, Index end);  // rows
    Index (*packed_size)(Kind, bool is_double, Index K, Index H);  // numbers
    // weights (gates*H, K) in the order in which `step` reads them; `to` is zeroed, and begins a cache line
    void (*pack)(Kind, bool is_double, const void* weight, Index K, Index H, void* to);
    Index (*packed_int8_size)(Kind, Index K, Index H);  // bytes
    void (*pack_int8)(Kind, const float* weight, Index K, Index H, std::int8_t* to, float* scale);  // `to` is zeroed
    void (*few)(const FewSteps&);
};

// One layer after the other; many streams are shared out among the team.
void step_all(const Kernels& kernels, const Step* layers, Index count, const Team& team);

extern const Kernels* const all_kernels[];  // the widest first, null at the end

}  // namespace recurra
