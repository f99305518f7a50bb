// A few steps of few rows, without gradients, on weights as they lie: packing them would cost more than the steps.
//
// A sum is a dot product along a row of the weights, which lies in one piece, so that each weight is read once and in
// order. As many of them as a vector has lanes are taken at once; their partial sums are then added up across lanes.
#pragma once

#include <utility>

#include "call.h"
#include "vec.h"

namespace recurra::RECURRA_TARGET {

template <class S, template <class> class C>
struct Few {
    using X = Vec<S>;
    using V = typename X::V;
    using B = typename X::B;
    using Cell = C<X>;
    static constexpr int W = X::width, G = Cell::gates, P = Cell::parts;
    static constexpr int group = W < 8 ? W : 8;  // dot products at once: more would want more registers than there are

    // a0 + a1, a2 + a3, ..., b0 + b1, b2 + b3, ...
    template <int... k>
    static V pairs(V a, V b, std::integer_sequence<int, k...>) {
        return __builtin_shuffle(a, b, B{(2 * k)...}) + __builtin_shuffle(a, b, B{(2 * k + 1)...});
    }

    // The sum of vector k of n in lane k, where n is W.
    template <int n>
    static V across(const V* part) {
        if constexpr (n == 1) {
            return part[0];
        } else {
            V half[n / 2];
#pragma GCC unroll 16
            for (int k = 0; k < n / 2; ++k)
                half[k] = pairs(part[2 * k], part[2 * k + 1], std::make_integer_sequence<int, W>{});
            return across<n / 2>(half);
        }
    }

    // The dot products of `row` (K) with W rows of weights, of which n are there.
    static V dots(const S* row, const S* w, Index K, Index n) {
        V sum[W];
#pragma GCC unroll 16
        for (int first = 0; first < W; first += group) {
            const S* of[group];
#pragma GCC unroll 16
            for (int j = 0; j < group; ++j) of[j] = w + least(first + j, n - 1) * K;
            V part[group]{};
            Index k = 0;
            for (; k + W <= K; k += W) {
                const V a = X::load(row + k);
#pragma GCC unroll 16
                for (int j = 0; j < group; ++j) part[j] += a * X::load(of[j] + k);
            }
            if (k < K) {
                const V a = X::load(row + k, K - k);
#pragma GCC unroll 16
                for (int j = 0; j < group; ++j) part[j] += a * X::load(of[j] + k, K - k);
            }
#pragma GCC unroll 16
            for (int j = 0; j < group; ++j) sum[first + j] = part[j];
        }
        return across<W>(sum);
    }

    // Step t of direction d for the units from `begin` to `end`.
    static void units(const FewSteps& q, int d, Index t, Index begin, Index end) {
        const Index H = q.H, stride = q.D * H;
        const bool is_first = d == 0 ? t == 0 : t == q.T - 1;
        const S *w_x = static_cast<const S*>(q.weight_x[d]), *w_h = static_cast<const S*>(q.weight_h[d]);
        const S *b_x = static_cast<const S*>(q.bias_x[d]), *b_h = static_cast<const S*>(q.bias_h[d]);
        S* y = static_cast<S*>(q.y) + t * q.B * stride + d * H;
        const S* earlier = d == 0 ? y - q.B * stride : y + q.B * stride;
        for (Index unit = begin; unit < end; unit += W) {
            const Index n = H - unit;
            for (Index r = 0; r < q.B; ++r) {
                const S* x = static_cast<const S*>(q.x) + r * q.x_row + t * q.x_step;
                const S* h = is_first ? first(q, d, 0, r) : earlier + r * stride;
                V of_x[G], of_h[G], before[P], after[P], kept[Cell::saved];
                for (int g = 0; g < G; ++g) {
                    of_x[g] = dots(x, w_x + (g * H + unit) * q.I, q.I, n);
                    of_h[g] = h ? dots(h, w_h + (g * H + unit) * H, H, n) : V{};
                    if (b_x) of_x[g] += X::load(b_x + g * H + unit, n);
                    if (b_h) of_h[g] += X::load(b_h + g * H + unit, n);
                }
                before[0] = h ? X::load(h + unit, n) : V{};
                for (int p = 1; p < P; ++p) {
                    const S* from = is_first ? first(q, d, p, r) : last(q, d, p, r);
                    before[p] = from ? X::load(from + unit, n) : V{};
                }
                Cell::forward(of_x, of_h, before, after, kept);
                X::store(y + r * stride + unit, after[0], n);
                for (int p = 1; p < P; ++p) X::store(last(q, d, p, r) + unit, after[p], n);
            }
        }
    }

    static const S* first(const FewSteps& q, int d, int p, Index r) {
        const auto* from = static_cast<const S*>(q.first[d * P + p]);
        return from ? from + r * q.H : nullptr;
    }
    static S* last(const FewSteps& q, int d, int p, Index r) { return static_cast<S*>(q.last[d * P + p]) + r * q.H; }

    struct One {
        const FewSteps& q;
        int d;
        Index t, share;

        static void task(void* me, Index n) {
            const One& one = *static_cast<One*>(me);
            units(one.q, one.d, one.t, n * one.share, least((n + 1) * one.share, one.q.H));
        }
    };

    // With few rows it is the units that are shared out, where there is enough to do for all threads at a step.
    static void run(const FewSteps& q) {
        const bool many = q.B * G * q.H * (q.I + q.H) >= worth_threads;
        const Index pieces = many ? q.team.threads : 1, H = q.H;
        const Index share = ((H + pieces - 1) / pieces + W - 1) / W * W;
        for (int d = 0; d < q.D; ++d) {
            for (Index n = 0; n < q.T; ++n) {
                One one{q, d, d == 0 ? n : q.T - 1 - n, share};
                in_parallel(q.team, (H + share - 1) / share, &One::task, &one);
            }
            const S* y = static_cast<const S*>(q.y) + (d == 0 ? q.T - 1 : 0) * q.B * q.D * H + d * H;
            for (Index r = 0; r < q.B; ++r) copy(y + r * q.D * H, H, last(q, d, 0, r));
        }
    }

    static constexpr Index worth_threads = 1 << 18;  // multiplications at a step
};

}  // namespace recurra::RECURRA_TARGET
