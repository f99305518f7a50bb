// A few time steps of a small batch without gradients. The weights are not packed, because packing them would take longer
// than the steps.
//
// A pre-activation is a dot product along a contiguous row of the weights, so each weight is read once and in order. As many
// dot products as a vector has lanes run together; their partial sums are then added across lanes.
#pragma once

#include <utility>

#include "call.h"
#include "vec.h"

namespace recurra::RECURRA_TARGET {

template <class S, template <class> class C>
struct SmallBatch {
    using X = Vec<S>;
    using V = typename X::V;
    using B = typename X::B;
    using Cell = C<X>;
    static constexpr int W = X::width, G = Cell::kGates, P = Cell::kStateComponents;
    static constexpr int kGroup = W < 8 ? W : 8;  // dot products that run together; more would need too many registers

    // a0 + a1, a2 + a3, ..., b0 + b1, b2 + b3, ...
    template <int... k>
    static V add_pairs(V a, V b, std::integer_sequence<int, k...>) {
        return __builtin_shuffle(a, b, B{(2 * k)...}) + __builtin_shuffle(a, b, B{(2 * k + 1)...});
    }

    // Lane k of the result is the sum of the lanes of vector k; n is W.
    template <int n>
    static V sum_lanes(const V* vectors) {
        if constexpr (n == 1) {
            return vectors[0];
        } else {
            V half[n / 2];
#pragma GCC unroll 16
            for (int k = 0; k < n / 2; ++k)
                half[k] = add_pairs(vectors[2 * k], vectors[2 * k + 1], std::make_integer_sequence<int, W>{});
            return sum_lanes<n / 2>(half);
        }
    }

    // The dot products of `input` (K) with W rows of weights, of which the first n exist.
    static V dot_products(const S* input, const S* weight, Index K, Index n) {
        V sum[W];
#pragma GCC unroll 16
        for (int first = 0; first < W; first += kGroup) {
            const S* rows[kGroup];
#pragma GCC unroll 16
            for (int j = 0; j < kGroup; ++j) rows[j] = weight + smaller(first + j, n - 1) * K;
            V partial[kGroup]{};
            Index k = 0;
            for (; k + W <= K; k += W) {
                const V a = X::load(input + k);
#pragma GCC unroll 16
                for (int j = 0; j < kGroup; ++j) partial[j] += a * X::load(rows[j] + k);
            }
            if (k < K) {
                const V a = X::load(input + k, K - k);
#pragma GCC unroll 16
                for (int j = 0; j < kGroup; ++j) partial[j] += a * X::load(rows[j] + k, K - k);
            }
#pragma GCC unroll 16
            for (int j = 0; j < kGroup; ++j) sum[first + j] = partial[j];
        }
        return sum_lanes<W>(sum);
    }

    // Time step t of direction d for the units `begin` to `end`.
    static void run_units(const SmallCall& call, int d, Index t, Index begin, Index end) {
        const Index H = call.H;
        const bool is_first_step = d == 0 ? t == 0 : t == call.T - 1;
        const S *weight_ih = static_cast<const S*>(call.weight_ih[d]), *weight_hh = static_cast<const S*>(call.weight_hh[d]);
        const S *bias_ih = static_cast<const S*>(call.bias_ih[d]), *bias_hh = static_cast<const S*>(call.bias_hh[d]);
        for (Index unit = begin; unit < end; unit += W) {
            const Index n = H - unit;
            for (Index r = 0; r < call.B; ++r) {
                const S* x = static_cast<const S*>(call.x) + r * call.x_strides.batch + t * call.x_strides.time;
                const S* h = is_first_step ? initial_state(call, d, 0, r) : y(call, d, d == 0 ? t - 1 : t + 1, r);
                V projected[G], recurrent[G], state[P], new_state[P], saved[Cell::kSaved];
                for (int g = 0; g < G; ++g) {
                    projected[g] = dot_products(x, weight_ih + (g * H + unit) * call.I, call.I, n);
                    recurrent[g] = h ? dot_products(h, weight_hh + (g * H + unit) * H, H, n) : V{};
                    if (bias_ih) projected[g] += X::load(bias_ih + g * H + unit, n);
                    if (bias_hh) recurrent[g] += X::load(bias_hh + g * H + unit, n);
                }
                state[0] = h ? X::load(h + unit, n) : V{};
                for (int p = 1; p < P; ++p) {
                    const S* source = is_first_step ? initial_state(call, d, p, r) : final_state(call, d, p, r);
                    state[p] = source ? X::load(source + unit, n) : V{};
                }
                Cell::forward(projected, recurrent, state, new_state, saved);
                X::store(y(call, d, t, r) + unit, new_state[0], n);
                for (int p = 1; p < P; ++p) X::store(final_state(call, d, p, r) + unit, new_state[p], n);
            }
        }
    }

    static S* y(const SmallCall& call, int d, Index t, Index r) {
        return static_cast<S*>(call.y) + ((t * call.B + r) * call.D + d) * call.H;
    }
    static const S* initial_state(const SmallCall& call, int d, int p, Index r) {
        const auto* component = static_cast<const S*>(call.initial_state[d * P + p]);
        return component ? component + r * call.H : nullptr;
    }
    static S* final_state(const SmallCall& call, int d, int p, Index r) {
        return static_cast<S*>(call.final_state[d * P + p]) + r * call.H;
    }

    struct TimeStep {
        const SmallCall& call;
        int d;
        Index t, units;  // units for each task

        static void worker(void* context, Index n) {
            const auto& step = *static_cast<TimeStep*>(context);
            run_units(step.call, step.d, step.t, n * step.units, smaller((n + 1) * step.units, step.call.H));
        }
    };

    // The batch is small, so the threads partition the units, if one time step is enough work for several threads.
    static void run(const SmallCall& call) {
        const bool use_threads = call.B * G * call.H * (call.I + call.H) >= kMinParallelWork;
        const Index num_parts = use_threads ? call.team.threads : 1, H = call.H;
        const Index units = ((H + num_parts - 1) / num_parts + W - 1) / W * W;
        for (int d = 0; d < call.D; ++d) {
            for (Index n = 0; n < call.T; ++n) {
                TimeStep step{call, d, d == 0 ? n : call.T - 1 - n, units};
                in_parallel(call.team, (H + units - 1) / units, &TimeStep::worker, &step);
            }
            const Index last = d == 0 ? call.T - 1 : 0;
            for (Index r = 0; r < call.B; ++r) copy(y(call, d, last, r), H, final_state(call, d, 0, r));
        }
    }

    static constexpr Index kMinParallelWork = 1 << 18;  // multiplications in one time step
};

}  // namespace recurra::RECURRA_TARGET
