// One step of a cell for one or many streams: the state is changed in place, nothing is allocated.
//
// With few rows a step is as fast as its weights can be read, so each is read once, in the order in which it lies.
#pragma once

#include "call.h"
#include "forward.h"

namespace recurra::RECURRA_TARGET {

template <class S, template <class> class C>
struct Stream {
    using Q = Forward<S, C>;
    using X = typename Q::X;
    using V = typename Q::V;
    using Cell = typename Q::Cell;
    static constexpr int W = Q::W, G = Q::G, P = Q::P;

    template <int R, int U>
    static void tile(const Step& q, Index row, Index unit, const S* w_x, const S* w_h) {
        const S *x[R], *h[R];
#pragma GCC unroll 24
        for (int r = 0; r < R; ++r) {
            x[r] = static_cast<const S*>(q.x) + (row + r) * q.x_stride;
            h[r] = static_cast<const S*>(q.state) + (row + r) * q.H;
        }
        V of_x[R][U * G], of_h[R][U * G];
#pragma GCC unroll 24
        for (int u = 0; u < U; ++u)
#pragma GCC unroll 24
            for (int g = 0; g < G; ++g) {
                const Index at = g * q.H + unit + u * W, n = q.H - unit - u * W;
                const V b = q.bias_x ? X::load(static_cast<const S*>(q.bias_x) + at, n) : V{};
                const V c = q.bias_h ? X::load(static_cast<const S*>(q.bias_h) + at, n) : V{};
#pragma GCC unroll 24
                for (int r = 0; r < R; ++r) of_x[r][u * G + g] = b, of_h[r][u * G + g] = c;
            }
        product<R, U * G, X>(x, w_x, q.I, of_x);
        product<R, U * G, X>(h, w_h, q.H, of_h);
#pragma GCC unroll 24
        for (int r = 0; r < R; ++r)
#pragma GCC unroll 24
            for (int u = 0; u < U; ++u) {
                const Index at = unit + u * W, n = q.H - at;
                V before[P], after[P], kept[Cell::saved];
#pragma GCC unroll 24
                for (int p = 0; p < P; ++p) before[p] = X::load(part(q, p, row + r) + at, n);
                Cell::forward(&of_x[r][u * G], &of_h[r][u * G], before, after, kept);
                X::store(static_cast<S*>(q.spare) + (row + r) * q.H + at, after[0], n);  // others still read h
                for (int p = 1; p < P; ++p) X::store(part(q, p, row + r) + at, after[p], n);
            }
    }

    static S* part(const Step& q, int p, Index row) { return static_cast<S*>(q.state) + (p * q.B + row) * q.H; }

    static void rows(const Step& q, Index begin, Index end) {
        const S *w_x = static_cast<const S*>(q.packed_x), *w_h = static_cast<const S*>(q.packed_h);
        for (Index unit = 0; unit < q.H;) {
            const Index units = at_once(Q::most_units, (q.H - unit + W - 1) / W);
            constant<Q::most_units>(units, [&](auto U) {
                for (Index r = begin, size; r < end; r += size) {
                    size = at_once(Q::most_rows, end - r);
                    constant<Q::most_rows>(size, [&](auto R) {
                        tile<decltype(R)::value, decltype(U)::value>(q, r, unit, w_x, w_h);
                    });
                }
            });
            w_x += units * W * G * q.I;
            w_h += units * W * G * q.H;
            unit += units * W;
        }
        copy(static_cast<const S*>(q.spare) + begin * q.H, (end - begin) * q.H, part(q, 0, begin));
    }

    static void pack(const void* weight, Index K, Index H, void* to) {
        Q::pack(static_cast<const S*>(weight), K, H, static_cast<S*>(to));
    }
};

}  // namespace recurra::RECURRA_TARGET
