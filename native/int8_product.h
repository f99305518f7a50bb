// Dot products of inputs, rounded to 16 bits, with rows of 8-bit weights. The sums are exact modulo 2^32.
//
// AVX2 extends 16 weights to 16 bits and multiplies pairs. VNNI multiplies an unsigned byte by a signed one and processes 64
// weights without extending them. There a weight q is read as q + 128, and an input is stored as two bytes,
// a = 256 high + low, in two rows:
//     sum q a = 256 sum (q + 128) high + sum (q + 128) low - 128 sum a.
// Weights are read in blocks of 64, also beyond the end of a row: the inputs are zero there.
#pragma once

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "vec.h"

namespace recurra::RECURRA_TARGET {

inline constexpr Index kInt8Block = 64;
inline constexpr int kInt8Rows = 4;  // rows of weights that are multiplied together

inline Index int8_padded(Index K) { return (K + kInt8Block - 1) / kInt8Block * kInt8Block; }

// An input (K), rounded to integers; scale * integer is its value.
struct Int8Input {
    const std::int16_t* data;  // int8_padded(K) numbers, zero beyond K
    float scale;               // NaN if a value is not finite
    std::uint32_t total;       // the sum of the integers
};

#if RECURRA_BYTES == 64
inline bool int8_has_vnni() {
    static const bool has_vnni = __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vnni");
    return has_vnni;
}
#else
constexpr bool int8_has_vnni() { return false; }
#endif

#if defined(__AVX2__)
using Int8Sums = __m256i;

inline __m256i int8_zero() { return _mm256_setzero_si256(); }

// Adds the terms of the columns `begin` to `end`. `w` points to the weights of column `begin`.
template <int R>
inline void int8_add_terms(const std::int8_t* const* w, const Int8Input* inputs, Index begin, Index end,
                           __m256i (&sum)[R][kInt8Rows]) {
    for (Index k = begin; k < end; k += 16) {
        __m256i a[R];
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) a[r] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(inputs[r].data + k));
#pragma GCC unroll 8
        for (int j = 0; j < kInt8Rows; ++j) {
            const auto* from = reinterpret_cast<const __m128i*>(w[j] + (k - begin));
            const __m256i weight = _mm256_cvtepi8_epi16(_mm_loadu_si128(from));
#pragma GCC unroll 8
            for (int r = 0; r < R; ++r) sum[r][j] = _mm256_add_epi32(sum[r][j], _mm256_madd_epi16(weight, a[r]));
        }
    }
}

// Stores the sums of the lanes of four vectors, modulo 2^32.
inline void int8_store_sums(const __m256i* sum, std::int32_t* to) {
    const __m256i pairs = _mm256_hadd_epi32(_mm256_hadd_epi32(sum[0], sum[1]), _mm256_hadd_epi32(sum[2], sum[3]));
    const __m128i sums = _mm_add_epi32(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256(pairs, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), sums);
}
#else
using Int8Sums = std::int32_t;

inline std::int32_t int8_zero() { return 0; }

template <int R>
inline void int8_add_terms(const std::int8_t* const* w, const Int8Input* inputs, Index begin, Index end,
                           std::int32_t (&sum)[R][kInt8Rows]) {
    for (int r = 0; r < R; ++r)
        for (int j = 0; j < kInt8Rows; ++j)
            for (Index k = begin; k < end; ++k)
                sum[r][j] += std::int32_t(w[j][k - begin]) * std::int32_t(inputs[r].data[k]);
}

inline void int8_store_sums(const std::int32_t* sum, std::int32_t* to) { copy(sum, kInt8Rows, to); }
#endif

// Four rows of weights, and the end of their memory.
struct Int8Rows {
    const std::int8_t* row[kInt8Rows];
    const std::int8_t* end;

    // The rows at the columns from `k` on. A row whose last block would pass the end of the memory is copied to `copies`.
    void last_block(Index k, Index K, std::int8_t (*copies)[kInt8Block], const std::int8_t** block) const {
        for (int j = 0; j < kInt8Rows; ++j) {
            block[j] = row[j] + k;
            if (end - block[j] >= kInt8Block) continue;
            std::memset(copies[j], 0, std::size_t(kInt8Block));
            copy(block[j], K - k, copies[j]);
            block[j] = copies[j];
        }
    }
};

template <int R>
inline void int8_dot_products_16(const Int8Rows& w, const Int8Input* inputs, Index K, std::int32_t (&result)[R][kInt8Rows]) {
    Int8Sums sum[R][kInt8Rows];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
        for (int j = 0; j < kInt8Rows; ++j) sum[r][j] = int8_zero();
    const Index whole = K / kInt8Block * kInt8Block;
    int8_add_terms<R>(w.row, inputs, 0, whole, sum);
    if (whole < K) {
        std::int8_t copies[kInt8Rows][kInt8Block];
        const std::int8_t* block[kInt8Rows];
        w.last_block(whole, K, copies, block);
        int8_add_terms<R>(block, inputs, whole, whole + kInt8Block, sum);
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) int8_store_sums(sum[r], result[r]);
}

#if RECURRA_BYTES == 64
#define RECURRA_VNNI gnu::target("avx512f,avx512bw,avx512vnni")

// The same for machines with VNNI, which not every machine with AVX-512 has. The two bytes have separate sums, so that they
// do not wait for each other.
template <int R>
[[RECURRA_VNNI, gnu::always_inline]] inline void int8_add_terms_vnni(const std::int8_t* const* w, const Int8Input* inputs,
                                                                     Index begin, Index end, Index K,
                                                                     __m512i (&low)[R][kInt8Rows],
                                                                     __m512i (&high)[R][kInt8Rows]) {
    const __m512i offset = _mm512_set1_epi8(-128);
    for (Index k = begin; k < end; k += kInt8Block) {
        __m512i weight[kInt8Rows];
#pragma GCC unroll 8
        for (int j = 0; j < kInt8Rows; ++j) weight[j] = _mm512_xor_si512(_mm512_loadu_si512(w[j] + (k - begin)), offset);
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) {
            const auto* bytes = reinterpret_cast<const std::int8_t*>(inputs[r].data) + k;
            const __m512i a = _mm512_loadu_si512(bytes), b = _mm512_loadu_si512(bytes + int8_padded(K));
#pragma GCC unroll 8
            for (int j = 0; j < kInt8Rows; ++j) low[r][j] = _mm512_dpbusd_epi32(low[r][j], weight[j], a);
#pragma GCC unroll 8
            for (int j = 0; j < kInt8Rows; ++j) high[r][j] = _mm512_dpbusd_epi32(high[r][j], weight[j], b);
        }
    }
}

template <int R>
[[RECURRA_VNNI]] void int8_dot_products_vnni(const Int8Rows& w, const Int8Input* inputs, Index K,
                                             std::int32_t (&result)[R][kInt8Rows]) {
    __m512i low[R][kInt8Rows], high[R][kInt8Rows];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
        for (int j = 0; j < kInt8Rows; ++j) low[r][j] = high[r][j] = _mm512_setzero_si512();
    const Index whole = K / kInt8Block * kInt8Block;
    int8_add_terms_vnni<R>(w.row, inputs, 0, whole, K, low, high);
    if (whole < K) {
        std::int8_t copies[kInt8Rows][kInt8Block];
        const std::int8_t* block[kInt8Rows];
        w.last_block(whole, K, copies, block);
        int8_add_terms_vnni<R>(block, inputs, whole, whole + kInt8Block, K, low, high);
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
        __m256i sum[kInt8Rows];
#pragma GCC unroll 8
        for (int j = 0; j < kInt8Rows; ++j) {
            using Lanes [[gnu::vector_size(64)]] = std::uint32_t;
            const Lanes both = (Lanes(high[r][j]) << 8) + Lanes(low[r][j]);
            __m256i half[2];
            std::memcpy(half, &both, sizeof half);
            sum[j] = _mm256_add_epi32(half[0], half[1]);
        }
        int8_store_sums(sum, result[r]);
        for (int j = 0; j < kInt8Rows; ++j)
            result[r][j] = static_cast<std::int32_t>(std::uint32_t(result[r][j]) - (inputs[r].total << 7));
    }
}
#endif

// result[r][j] = the dot product (K) of input r with row j.
template <int R>
inline void int8_dot_products(const Int8Rows& w, const Int8Input* inputs, Index K, std::int32_t (&result)[R][kInt8Rows]) {
#if RECURRA_BYTES == 64
    if (int8_has_vnni()) return int8_dot_products_vnni<R>(w, inputs, K, result);
#endif
    int8_dot_products_16<R>(w, inputs, K, result);
}

// The largest integer that fits into two signed bytes and whose product with 127 * K fits into 31 bits.
inline float int8_range(Index K) {
    const Index limit = (Index(1) << 31) / (127 * K) - 1;
    return float(smaller(limit, 127 * 256 + 127));
}

// Rounds an input (K) to integers. `to` has int8_padded(K) numbers; those beyond K are zero on entry.
inline Int8Input int8_round(const float* from, Index K, std::int16_t* to) {
    constexpr float kRounder = 0x1.8p23f;  // adding and subtracting it rounds a float below 2^22 to an integer
    std::int32_t largest = 0;              // the bits of a non-negative float are in the order of its value
    for (Index k = 0; k < K; ++k) {
        std::int32_t bits;
        std::memcpy(&bits, from + k, sizeof bits);
        bits &= 0x7fffffff;
        largest = bits > largest ? bits : largest;
    }
    float size;
    std::memcpy(&size, &largest, sizeof size);
    const float scale = size / int8_range(K), inverse = int8_range(K) / size;
    if (!(scale <= 0x1.fffffep127f && inverse <= 0x1.fffffep127f)) {  // not finite, or too small to invert
        std::memset(to, 0, std::size_t(int8_padded(K)) * sizeof *to);
        return {to, size <= 0x1.fffffep127f ? 0 : __builtin_nanf(""), 0};
    }
    std::uint32_t total = 0;
    if (int8_has_vnni()) {
        auto *low = reinterpret_cast<std::int8_t*>(to), *high = low + int8_padded(K);
        for (Index k = 0; k < K; ++k) {
            const auto a = std::int32_t((from[k] * inverse + kRounder) - kRounder);
            low[k] = static_cast<std::int8_t>(a);
            high[k] = static_cast<std::int8_t>((a + 128) >> 8);
            total += std::uint32_t(a);
        }
    } else {
        for (Index k = 0; k < K; ++k) to[k] = static_cast<std::int16_t>((from[k] * inverse + kRounder) - kRounder);
    }
    return {to, scale, total};
}

}  // namespace recurra::RECURRA_TARGET
