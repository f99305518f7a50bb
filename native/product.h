// A tile of a matrix product: R rows times a slice of packed weights, with all sums in registers.
//
// For each k, a slice has `vectors` vectors next to each other. One step of the loop reads these and one number of each row,
// and does R * vectors multiply-adds. With 24 independent sums the multiply units are always busy.
#pragma once

#include "vec.h"

namespace recurra::RECURRA_TARGET {

#if RECURRA_BYTES == 64
inline constexpr int kAccumulators = 24;  // vector sums, of 32 registers
#else
inline constexpr int kAccumulators = 12;  // of 16 registers
#endif

// A multiply-add waits for the previous one on the same sum, so fewer independent sums than this would leave the multiply
// units idle. Small tiles therefore use several partial sums for each sum.
inline constexpr int kMinChains = 8;

// The number of terms by which weights are prefetched. Without it, weights outside the first-level cache would come late.
inline constexpr Index kPrefetchDistance = 8;

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
                prefetch(w, (kPrefetchDistance * vectors + v) * X::width);
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
    constexpr int ways = (kMinChains + R * vectors - 1) / (R * vectors);
    typename X::V part[ways][R][vectors]{};  // local, so the compiler keeps them in registers
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

// How many of n items to process at once: `most`, or a power of two below it. Few sizes mean few template instances.
inline constexpr Index chunk_size(Index most, Index n) {
    if (n >= most) return most;
    Index size = 1;
    while (2 * size <= n) size *= 2;
    return size;
}

// Calls f with n, which chunk_size returned, as a compile-time constant.
template <int most, class F>
inline void with_constant(Index n, F&& f) {
    if constexpr (most > 1) {
        constexpr int below = int(chunk_size(most, most - 1));
        if (n < most) return with_constant<below>(n, f);
    }
    f(std::integral_constant<int, most>{});
}

}  // namespace recurra::RECURRA_TARGET
