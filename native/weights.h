// The gradients by the weights and biases: sums over all live steps, from the deltas of backward.h, a window of steps at a
// time.
//
// No step waits for another here, so what threads share is not rows but units: each number has one thread that adds up
// all its terms of a window in the order of time, however many threads there are.
#pragma once

#include "layout.h"

namespace recurra::RECURRA_TARGET {

template <class S, template <class> class C>
struct Weights : Layout<S, C> {
    using L = Layout<S, C>;
    using X = typename L::X;
    using V = typename L::V;
    using Cell = typename L::Cell;
    using L::q, L::W, L::G;
    static constexpr int most_units = 4, most_rows = registers / most_units;

    // So many terms are added up in registers, from zero: added to a large sum one by one they would lose their last digits.
    // What they are multiplied with, four vectors for each, stays in the first cache meanwhile.
    static constexpr Index depth = 128;

    // Some units of one of the two matrices: that which sees x, or h.
    struct Part {
        bool hidden;
        Index begin, end;  // of its deltas
        S *weight, *bias;  // where the gradients go; or null
    };

    Window<S> window{};
    Index blocks;  // that the units of a matrix are cut into

    explicit Weights(const Call& call) : L(call) {
        const Index most = G * q.H / most_rows;
        blocks = most < 1 ? 1 : least(q.team.threads, most);
    }

    Part part(Index n) const {
        const bool hidden = n >= blocks;
        const Index size = (G * q.H + blocks * most_rows - 1) / (blocks * most_rows) * most_rows;
        const Index begin = least(n % blocks * size, G * q.H);
        return {hidden, begin, least(begin + size, G * q.H),
                static_cast<S*>((hidden ? q.grad_weight_h : q.grad_weight_x)[window.d]),
                static_cast<S*>((hidden ? q.grad_bias_h : q.grad_bias_x)[window.d])};
    }

    // Where the weights of a delta are: gates may be turned against the deltas.
    Index unit(const Part& of, Index delta) const {
        return of.hidden ? delta : (delta + (G - Cell::turned) * q.H) % (G * q.H);
    }

    // to[r] (left) += the sum over n of delta[n][r] terms[n], for U vectors.
    template <int R, int U>
    [[gnu::noinline]] static void tile(const S* delta, Index apart, const S* terms, Index count, S* const* to, Index left) {
        V sum[R][U]{};
        for (Index n = 0; n < count; ++n, delta += apart, terms += U * W) {
            V term[U];
#pragma GCC unroll 24
            for (int u = 0; u < U; ++u) term[u] = X::load(terms + u * W);
#pragma GCC unroll 24
            for (int r = 0; r < R; ++r) {
                const V a = X::all(delta[r]);
#pragma GCC unroll 24
                for (int u = 0; u < U; ++u) sum[r][u] += a * term[u];
            }
        }
#pragma GCC unroll 24
        for (int r = 0; r < R; ++r)
#pragma GCC unroll 24
            for (int u = 0; u < U; ++u) {
                S* at = to[r] + u * W;
                X::store(at, X::load(at, left - u * W) + sum[r][u], left - u * W);
            }
    }

    // add(k, the sum over n of delta[n][k]) for U vectors, `left` numbers. Summed in four ways, for what is added to a small
    // sum loses less. This is the first look at these deltas, which are far apart: they are asked for ahead.
    template <int U, class F>
    static void total(const S* delta, Index apart, Index count, Index left, F&& add) {
        V sum[4][U]{};
        for (Index n = 0; n < count;)
#pragma GCC unroll 4
            for (int way = 0; way < 4 && n < count; ++way, ++n, delta += apart)
#pragma GCC unroll 24
                for (int u = 0; u < U; ++u) {
                    __builtin_prefetch(delta + ahead * apart + u * W);
                    sum[way][u] += X::load(delta + u * W, left - u * W);
                }
#pragma GCC unroll 24
        for (int u = 0; u < U; ++u) sum[0][u] = (sum[0][u] + sum[1][u]) + (sum[2][u] + sum[3][u]);
        for (Index k = 0; k < least(U * W, left); ++k) add(k, sum[0][k / W][k % W]);
    }

    // Adds what `count` rows of steps give; from[n] (columns) is x or h, mask[n] what multiplies it, or null.
    void add_rows(const Part& of, const S* delta, const S* const* from, const S* const* mask, Index count) const {
        const Index columns = of.hidden ? q.H : q.I, apart = this->delta_row();
        for (Index at = of.begin; at < of.end && of.bias;) {
            const Index units = at_once(most_units, (of.end - at + W - 1) / W);
            constant<most_units>(units, [&](auto U) {
                total<decltype(U)::value>(delta + at, apart, count, of.end - at, [&](Index k, S sum) { of.bias[unit(of, at + k)] += sum; });
            });
            at += units * W;
        }
        alignas(64) S terms[depth * most_units * W];
        for (Index column = 0; column < columns && of.weight;) {
            const Index units = at_once(most_units, (columns - column + W - 1) / W), left = columns - column;
            for (Index n = 0; n < count; ++n)
                for (Index u = 0; u < units; ++u) {
                    const Index at = column + u * W;
                    if (n + ahead < count) __builtin_prefetch(from[n + ahead] + at);
                    V term = X::load(from[n] + at, columns - at);
                    if (mask[n]) term *= X::load(mask[n] + at, columns - at);
                    X::store(terms + (n * units + u) * W, term);
                }
            constant<most_units>(units, [&](auto U) {
                for (Index at = of.begin, size; at < of.end; at += size) {
                    size = at_once(most_rows, of.end - at);
                    S* to[most_rows];
                    for (Index r = 0; r < size; ++r) to[r] = of.weight + unit(of, at + r) * columns + column;
                    constant<most_rows>(size, [&](auto R) {
                        tile<decltype(R)::value, decltype(U)::value>(delta + at, apart, terms, count, to, left);
                    });
                }
            });
            column += units * W;
        }
    }

    void over_time(const Part& of) const {
        const S *from[depth], *mask[depth];
        for (Index t = window.begin, r = 0; t < window.end && q.alive[t] > 0;) {
            const S* delta = this->delta(window, t, r) + (of.hidden ? Cell::recurrent * q.H : 0);
            Index count = 0;
            for (; count < depth && t < window.end && q.alive[t] > 0; ++count) {
                from[count] = of.hidden ? this->before(window.d, 0, t, r) : static_cast<const S*>(q.x) + this->at(q.of_x, t, r);
                mask[count] = of.hidden ? this->mask(window.d, r) : nullptr;
                if (++r == q.alive[t]) ++t, r = 0;
            }
            add_rows(of, delta, from, mask, count);
        }
    }

    static void task(void* me, Index n) {
        const auto& pass = *static_cast<const Weights*>(me);
        const Part of = pass.part(n);
        if (of.weight || of.bias) pass.over_time(of);
    }

    void add(const Window<S>& steps) {
        window = steps;
        in_parallel(q.team, 2 * blocks, &Weights::task, this);
    }
};

}  // namespace recurra::RECURRA_TARGET
