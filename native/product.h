// The tiled product: R rows times a slice of packed weights, all sums in registers.
//
// A slice holds, for each k, `vectors` vectors side by side. One step of the loop reads those, and one number of each
// row, for R * vectors multiply-adds: with 24 sums in flight the multipliers never wait for each other.
#pragma once

#include "vec.h"

namespace recurra::RECURRA_TARGET {

#if RECURRA_BYTES == 64
inline constexpr int registers = 24;  // sums, of 32 registers
#else
inline constexpr int registers = 12;  // of 16
#endif

// Each sum waits for the one before it, so fewer than this many would leave the multipliers idle: then the terms are
// dealt out to several ways.
inline constexpr int in_flight = 8;

// Weights are asked for so many terms ahead: from the second cache on they would come late.
inline constexpr Index ahead = 8;

template <int ways, int R, int vectors, class X>
inline void add_terms(const typename X::Scalar* const* rows, const typename X::Scalar* w, Index begin, Index end,
                      typename X::V (&sum)[ways][R][vectors]) {
    for (Index k = begin; k < end; k += ways)
#pragma GCC unroll 24
        for (int way = 0; way < ways; ++way, w += vectors * X::width) {
            typename X::V weight[vectors];
#pragma GCC unroll 24
            for (int v = 0; v < vectors; ++v) {
                weight[v] = X::load(w + v * X::width);
                __builtin_prefetch(w + (ahead * vectors + v) * X::width);
            }
#pragma GCC unroll 24
            for (int r = 0; r < R; ++r) {
                const typename X::V a = X::all(rows[r][k + way]);
#pragma GCC unroll 24
                for (int v = 0; v < vectors; ++v) sum[way][r][v] += a * weight[v];
            }
        }
}

// sum[r][v] += rows[r] (K) times the slice `w`.
template <int R, int vectors, class X>
inline void product(const typename X::Scalar* const* rows, const typename X::Scalar* w, Index K,
                    typename X::V (&sum)[R][vectors]) {
    constexpr int ways = (in_flight + R * vectors - 1) / (R * vectors);
    typename X::V part[ways][R][vectors]{};  // nobody else sees these, so they stay in registers
    const Index whole = K / ways * ways;
    add_terms<ways, R, vectors, X>(rows, w, 0, whole, part);
#pragma GCC unroll 24
    for (int way = 0; way < ways; ++way)
#pragma GCC unroll 24
        for (int r = 0; r < R; ++r)
#pragma GCC unroll 24
            for (int v = 0; v < vectors; ++v) sum[r][v] += part[way][r][v];
    if constexpr (ways > 1) {
        typename X::V rest[1][R][vectors]{};
        add_terms<1, R, vectors, X>(rows, w + whole * vectors * X::width, whole, K, rest);
#pragma GCC unroll 24
        for (int r = 0; r < R; ++r)
#pragma GCC unroll 24
            for (int v = 0; v < vectors; ++v) sum[r][v] += rest[0][r][v];
    }
}

// How many of n to take at once, of at most `most`: that many, or a power of two below. Few sizes are few kernels.
inline constexpr Index at_once(Index most, Index n) {
    if (n >= most) return most;
    Index size = 1;
    while (2 * size <= n) size *= 2;
    return size;
}

// Calls f with n, one of the sizes of `at_once`, as a constant.
template <int most, class F>
inline void constant(Index n, F&& f) {
    if constexpr (most > 1) {
        constexpr int below = int(at_once(most, most - 1));
        if (n < most) return constant<below>(n, f);
    }
    f(std::integral_constant<int, most>{});
}

}  // namespace recurra::RECURRA_TARGET
