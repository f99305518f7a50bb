// One step of streams with weights of 8 bits: a quarter of the memory to read, and a step of few rows is all reading.
//
// Each row of the weights has a scale, w = scale * q with |q| <= 127. The numbers they meet, x and h of a stream, are
// rounded at each step to 16 bits, with one scale for all of x and one for all of h: next to the rounding of the
// weights theirs vanishes. Products are summed exactly, in 32 bits; what the gates do is done in float.
//
// Packed: for each unit, for each 32 numbers k, its gates one after the other.
#pragma once

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "call.h"
#include "vec.h"

namespace recurra::RECURRA_TARGET {

inline constexpr Index int8_block = 32;

inline Index int8_padded(Index K) { return (K + int8_block - 1) / int8_block * int8_block; }

// sum[r][g] = the products of gate g of a unit with row r; K is whole blocks.
template <int R, int G>
inline void int8_sums(const std::int8_t* w, const std::int16_t* const* rows, Index K, std::int32_t (&sum)[R][G]) {
#if defined(__AVX2__)
    __m256i part[R][G];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
        for (int g = 0; g < G; ++g) part[r][g] = _mm256_setzero_si256();
    for (Index k = 0; k < K; k += int8_block)
#pragma GCC unroll 2
        for (int half = 0; half < 32; half += 16) {
            __m256i a[R];
#pragma GCC unroll 8
            for (int r = 0; r < R; ++r) a[r] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(rows[r] + k + half));
#pragma GCC unroll 8
            for (int g = 0; g < G; ++g) {
                const auto* from = reinterpret_cast<const __m128i*>(w + k * G + g * int8_block + half);
                const __m256i weight = _mm256_cvtepi8_epi16(_mm_loadu_si128(from));
#pragma GCC unroll 8
                for (int r = 0; r < R; ++r) part[r][g] = _mm256_add_epi32(part[r][g], _mm256_madd_epi16(weight, a[r]));
            }
        }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
        for (int g = 0; g < G; ++g) {
            __m128i s = _mm_add_epi32(_mm256_castsi256_si128(part[r][g]), _mm256_extracti128_si256(part[r][g], 1));
            s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
            s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1));
            sum[r][g] = _mm_cvtsi128_si32(s);
        }
#else
    for (int r = 0; r < R; ++r)
        for (int g = 0; g < G; ++g) {
            std::int32_t total = 0;
            for (Index k = 0; k < K; k += int8_block)
                for (Index lane = 0; lane < int8_block; ++lane)
                    total += std::int32_t(w[k * G + g * int8_block + lane]) * std::int32_t(rows[r][k + lane]);
            sum[r][g] = total;
        }
#endif
}

#if RECURRA_BYTES == 64
// The same where the machine has VNNI, which not every one with AVX-512 has.
template <int R, int G>
[[gnu::target("avx512f,avx512bw,avx512vnni")]] void int8_sums_vnni(
    const std::int8_t* w, const std::int16_t* const* rows, Index K, std::int32_t (&sum)[R][G]) {
    __m512i part[R][G];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
        for (int g = 0; g < G; ++g) part[r][g] = _mm512_setzero_si512();
    for (Index k = 0; k < K; k += int8_block) {
        __m512i a[R];
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) a[r] = _mm512_loadu_si512(rows[r] + k);
#pragma GCC unroll 8
        for (int g = 0; g < G; ++g) {
            const auto* from = reinterpret_cast<const __m256i*>(w + k * G + g * int8_block);
            const __m512i weight = _mm512_cvtepi8_epi16(_mm256_loadu_si256(from));
#pragma GCC unroll 8
            for (int r = 0; r < R; ++r) part[r][g] = _mm512_dpwssd_epi32(part[r][g], weight, a[r]);
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
        for (int g = 0; g < G; ++g) {
            std::int32_t lanes[16], total = 0;
            _mm512_storeu_si512(lanes, part[r][g]);
#pragma GCC unroll 16
            for (int k = 0; k < 16; ++k) total += lanes[k];
            sum[r][g] = total;
        }
}

inline bool int8_vnni() { return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vnni"); }
#endif

template <template <class> class C>
struct Int8 {
    using X = Vec<float>;
    using V = X::V;
    using Cell = C<X>;
    static constexpr int W = X::width, G = Cell::gates, P = Cell::parts;

    static Index packed_size(Index K, Index H) { return H * G * int8_padded(K); }

    // Adding and taking away this rounds a float, of less than 2^22, to a whole number.
    static constexpr float whole = 0x1.8p23f;

    // weight (G*H, K) -> packed, zeroed before, and the scale of each row (G*H).
    static void pack(const float* weight, Index K, Index H, std::int8_t* to, float* scale) {
        for (Index row = 0; row < G * H; ++row) {
            const float* from = weight + row * K;
            float largest = 0;
            for (Index k = 0; k < K; ++k) {
                const float size = from[k] < 0 ? -from[k] : from[k];
                if (size > largest || size != size) largest = size;  // a NaN stays
            }
            const bool tiny = largest < 0x1p-118f, finite = !tiny && largest <= 0x1.fffffep127f;
            scale[row] = tiny ? 0 : largest / 127;
            const Index unit = row % H, gate = row / H;
            for (Index k = 0; k < K && finite; ++k) {
                const float q = from[k] / scale[row];
                to[(unit * int8_padded(K) + k / int8_block * int8_block) * G + gate * int8_block + k % int8_block] =
                    static_cast<std::int8_t>((q + whole) - whole);
            }
        }
    }

    // The largest whole number of which K times 127 fits into 31 bits.
    static float range(Index K) {
        const Index most = (Index(1) << 31) / (127 * K) - 1;
        return float(least(most, 32767));
    }

    // from (K) -> whole numbers times the scale that is given back; NaN where one of them is not finite.
    static float round(const float* from, Index K, std::int16_t* to) {
        std::int32_t largest = 0;  // bits of a float are in the order of its size
        for (Index k = 0; k < K; ++k) {
            std::int32_t bits;
            std::memcpy(&bits, from + k, sizeof bits);
            bits &= 0x7fffffff;
            largest = bits > largest ? bits : largest;
        }
        float size;
        std::memcpy(&size, &largest, sizeof size);
        const float scale = size / range(K), inverse = range(K) / size;
        if (!(scale <= 0x1.fffffep127f && inverse <= 0x1.fffffep127f)) {  // not finite, or next to nothing
            std::memset(to, 0, std::size_t(K) * sizeof *to);
            return size <= 0x1.fffffep127f ? 0 : __builtin_nanf("");
        }
        for (Index k = 0; k < K; ++k) to[k] = static_cast<std::int16_t>((from[k] * inverse + whole) - whole);
        return scale;
    }

    template <int R>
    static void sums(const std::int8_t* w, const std::int16_t* const* rows, Index K, std::int32_t (&sum)[R][G]) {
#if RECURRA_BYTES == 64
        static const bool vnni = int8_vnni();
        if (vnni) return int8_sums_vnni<R, G>(w, rows, K, sum);
#endif
        int8_sums<R, G>(w, rows, K, sum);
    }

    template <int R>
    static void tile(const Step& q, Index row) {
        const Index K_x = int8_padded(q.I), K_h = int8_padded(q.H), H = q.H;
        const std::int16_t *x[R], *h[R];
        float x_scale[R], h_scale[R];
        for (int r = 0; r < R; ++r) {
            std::int16_t* to = q.rounded + (row + r) * (K_x + K_h);
            x_scale[r] = round(static_cast<const float*>(q.x) + (row + r) * q.x_stride, q.I, to);
            h_scale[r] = round(part(q, 0, row + r), H, to + K_x);
            x[r] = to, h[r] = to + K_x;
        }
        const auto *w_x = static_cast<const std::int8_t*>(q.packed_x), *w_h = static_cast<const std::int8_t*>(q.packed_h);
        for (Index unit = 0; unit < H; unit += W) {
            float of_x[R][G][W]{}, of_h[R][G][W]{};
            for (Index lane = 0; lane < least(W, H - unit); ++lane, w_x += G * K_x, w_h += G * K_h) {
                std::int32_t sum[R][G];
                sums<R>(w_x, x, K_x, sum);
                for (int r = 0; r < R; ++r)
                    for (int g = 0; g < G; ++g) of_x[r][g][lane] = float(sum[r][g]);
                sums<R>(w_h, h, K_h, sum);
                for (int r = 0; r < R; ++r)
                    for (int g = 0; g < G; ++g) of_h[r][g][lane] = float(sum[r][g]);
            }
            for (int r = 0; r < R; ++r) {
                const Index n = H - unit;
                V by_x[G], by_h[G], before[P], after[P], kept[Cell::saved];
                for (int g = 0; g < G; ++g) {
                    const Index at = g * H + unit;
                    by_x[g] = X::load(of_x[r][g]) * (X::load(q.scale_x + at, n) * x_scale[r]);
                    by_h[g] = X::load(of_h[r][g]) * (X::load(q.scale_h + at, n) * h_scale[r]);
                    if (q.bias_x) by_x[g] += X::load(static_cast<const float*>(q.bias_x) + at, n);
                    if (q.bias_h) by_h[g] += X::load(static_cast<const float*>(q.bias_h) + at, n);
                }
                for (int p = 0; p < P; ++p) before[p] = X::load(part(q, p, row + r) + unit, n);
                Cell::forward(by_x, by_h, before, after, kept);
                for (int p = 0; p < P; ++p) X::store(part(q, p, row + r) + unit, after[p], n);  // h is read from `rounded`
            }
        }
    }

    static float* part(const Step& q, int p, Index row) { return static_cast<float*>(q.state) + (p * q.B + row) * q.H; }

    static void rows(const Step& q, Index begin, Index end) {
        Index r = begin;
        for (; r + 2 <= end; r += 2) tile<2>(q, r);
        if (r < end) tile<1>(q, r);
    }
};

}  // namespace recurra::RECURRA_TARGET
