// One time step of a cell for one or many streams. The state is updated in place and nothing is allocated.
//
// With few streams a step is limited by reading the weights, so each weight is read once and in order.
#pragma once

#include "call.h"
#include "forward.h"

namespace recurra::RECURRA_TARGET {

template <class S, template <class> class C>
struct Stream {
    using F = Forward<S, C>;
    using X = typename F::X;
    using V = typename F::V;
    using Cell = typename F::Cell;
    static constexpr int W = F::W, G = F::G, P = F::P;

    // R streams from `row` on, U vectors of units from `unit` on.
    template <int R, int U>
    static void tile(const StepCall& call, Index row, Index unit, const S* weight_ih, const S* weight_hh) {
        const S *x[R], *h[R];
#pragma GCC unroll 24
        for (int r = 0; r < R; ++r) {
            x[r] = static_cast<const S*>(call.x) + (row + r) * call.x_stride;
            h[r] = static_cast<const S*>(call.state) + (row + r) * call.H;
        }
        V projected[R][U * G], recurrent[R][U * G];
#pragma GCC unroll 24
        for (int u = 0; u < U; ++u)
#pragma GCC unroll 24
            for (int g = 0; g < G; ++g) {
                const Index at = g * call.H + unit + u * W, n = call.H - unit - u * W;
                const V bias_ih = call.bias_ih ? X::load(static_cast<const S*>(call.bias_ih) + at, n) : V{};
                const V bias_hh = call.bias_hh ? X::load(static_cast<const S*>(call.bias_hh) + at, n) : V{};
#pragma GCC unroll 24
                for (int r = 0; r < R; ++r) projected[r][u * G + g] = bias_ih, recurrent[r][u * G + g] = bias_hh;
            }
        product<R, U * G, X>(x, weight_ih, call.I, projected);
        product<R, U * G, X>(h, weight_hh, call.H, recurrent);
#pragma GCC unroll 24
        for (int r = 0; r < R; ++r)
#pragma GCC unroll 24
            for (int u = 0; u < U; ++u) {
                const Index at = unit + u * W, n = call.H - at;
                V state[P], new_state[P], saved[Cell::kSaved];
#pragma GCC unroll 24
                for (int p = 0; p < P; ++p) state[p] = X::load(component(call, p, row + r) + at, n);
                Cell::forward(&projected[r][u * G], &recurrent[r][u * G], state, new_state, saved);
                // The other units still read h, so the new h goes to scratch memory first.
                X::store(static_cast<S*>(call.scratch) + (row + r) * call.H + at, new_state[0], n);
                for (int p = 1; p < P; ++p) X::store(component(call, p, row + r) + at, new_state[p], n);
            }
    }

    static S* component(const StepCall& call, int p, Index row) {
        return static_cast<S*>(call.state) + (p * call.B + row) * call.H;
    }

    // Streams `begin` to `end`.
    static void run(const StepCall& call, Index begin, Index end) {
        const S* weight_ih = static_cast<const S*>(call.weight_ih);
        const S* weight_hh = static_cast<const S*>(call.weight_hh);
        for (Index unit = 0; unit < call.H;) {
            const Index units = chunk_size(F::kMaxUnitVectors, (call.H - unit + W - 1) / W);
            with_constant<F::kMaxUnitVectors>(units, [&](auto U) {
                for (Index r = begin, size; r < end; r += size) {
                    size = chunk_size(F::kMaxRows, end - r);
                    with_constant<F::kMaxRows>(size, [&](auto R) {
                        tile<decltype(R)::value, decltype(U)::value>(call, r, unit, weight_ih, weight_hh);
                    });
                }
            });
            weight_ih += units * W * G * call.I;
            weight_hh += units * W * G * call.H;
            unit += units * W;
        }
        copy(static_cast<const S*>(call.scratch) + begin * call.H, (end - begin) * call.H, component(call, 0, begin));
    }

    static void pack(const void* weight, Index K, Index H, void* packed) {
        F::pack(static_cast<const S*>(weight), K, H, static_cast<S*>(packed));
    }
};

}  // namespace recurra::RECURRA_TARGET
