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

template <int R, int vectors, class X>
inline void product(const typename X::Scalar* const* rows, const typename X::Scalar* w, Index K,
                    typename X::V (&sum)[R][vectors]) {
    typename X::V local[R][vectors];  // nobody else sees these, so they stay in registers
#pragma GCC unroll 24
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 24
        for (int v = 0; v < vectors; ++v) local[r][v] = sum[r][v];
    for (Index k = 0; k < K; ++k, w += vectors * X::width) {
        typename X::V weight[vectors];
#pragma GCC unroll 24
        for (int v = 0; v < vectors; ++v) weight[v] = X::load(w + v * X::width);
#pragma GCC unroll 24
        for (int r = 0; r < R; ++r) {
            const typename X::V a = X::all(rows[r][k]);
#pragma GCC unroll 24
            for (int v = 0; v < vectors; ++v) local[r][v] += a * weight[v];
        }
    }
#pragma GCC unroll 24
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 24
        for (int v = 0; v < vectors; ++v) sum[r][v] = local[r][v];
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
