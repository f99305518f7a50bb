// One step of streams with weights of 8 bits: a quarter of the memory to read, and a step of few rows is all reading.
//
// Each row of the weights has a scale, w = scale * q with |q| <= 127. The numbers they meet, x and h of a stream, are
// rounded at each step to 16 bits, with one scale for all of x and one for all of h: next to the rounding of the
// weights theirs vanishes. Products are summed exactly, modulo 2^32, and the sum fits into 31 bits; what the gates do is
// done in float.
//
// Packed: for each unit, for each 64 numbers k, its gates one after the other. With VNNI, whose products are of a byte without
// a sign and one with, a weight is kept as q + 128, and x and h as two bytes a = 256 high + low, in two rows of bytes: so
//     sum q a = 256 sum (q + 128) high + sum (q + 128) low - 128 sum a.
#pragma once

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include <cstring>

#include "call.h"
#include "vec.h"

namespace recurra::RECURRA_TARGET {

inline constexpr Index int8_block = 64;

inline Index int8_padded(Index K) { return (K + int8_block - 1) / int8_block * int8_block; }

#if defined(__AVX2__)
// The sum of the lanes, modulo 2^32.
inline std::int32_t int8_lanes(__m256i part) {
    __m128i s = _mm_add_epi32(_mm256_castsi256_si128(part), _mm256_extracti128_si256(part, 1));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1));
    return _mm_cvtsi128_si32(s);
}
#endif

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
#pragma GCC unroll 4
        for (int part_of = 0; part_of < int8_block; part_of += 16) {
            __m256i a[R];
#pragma GCC unroll 8
            for (int r = 0; r < R; ++r)
                a[r] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(rows[r] + k + part_of));
#pragma GCC unroll 8
            for (int g = 0; g < G; ++g) {
                const auto* from = reinterpret_cast<const __m128i*>(w + k * G + g * int8_block + part_of);
                const __m256i weight = _mm256_cvtepi8_epi16(_mm_loadu_si128(from));
#pragma GCC unroll 8
                for (int r = 0; r < R; ++r) part[r][g] = _mm256_add_epi32(part[r][g], _mm256_madd_epi16(weight, a[r]));
            }
        }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
        for (int g = 0; g < G; ++g) sum[r][g] = int8_lanes(part[r][g]);
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
// The same where the machine has VNNI, which not every one with AVX-512 has; `total[r]` is sum a.
template <int R, int G>
[[gnu::target("avx512f,avx512bw,avx512vnni")]] void int8_sums_vnni(
    const std::int8_t* w, const std::int16_t* const* rows, const std::uint32_t* total, Index K, std::int32_t (&sum)[R][G]) {
    __m512i low[R][G], high[R][G];  // twice as many sums as gates: each waits for itself alone
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
        for (int g = 0; g < G; ++g) low[r][g] = high[r][g] = _mm512_setzero_si512();
    for (Index k = 0; k < K; k += int8_block) {
        __m512i weight[G];
#pragma GCC unroll 8
        for (int g = 0; g < G; ++g) weight[g] = _mm512_loadu_si512(w + k * G + g * int8_block);
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) {
            const auto* bytes = reinterpret_cast<const std::int8_t*>(rows[r]) + k;
            const __m512i a = _mm512_loadu_si512(bytes), b = _mm512_loadu_si512(bytes + K);
#pragma GCC unroll 8
            for (int g = 0; g < G; ++g) low[r][g] = _mm512_dpbusd_epi32(low[r][g], weight[g], a);
#pragma GCC unroll 8
            for (int g = 0; g < G; ++g) high[r][g] = _mm512_dpbusd_epi32(high[r][g], weight[g], b);
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
        for (int g = 0; g < G; ++g) {
            using Lanes [[gnu::vector_size(64)]] = std::uint32_t;
            const Lanes both = (Lanes(high[r][g]) << 8) + Lanes(low[r][g]);
            __m256i half[2];
            std::memcpy(half, &both, sizeof half);
            const auto found = static_cast<std::uint32_t>(int8_lanes(_mm256_add_epi32(half[0], half[1])));
            sum[r][g] = static_cast<std::int32_t>(found - (total[r] << 7));
        }
}

inline bool int8_vnni() {
    static const bool here = __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vnni");
    return here;
}
#else
constexpr bool int8_vnni() { return false; }
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
            for (Index k = 0; k < K; ++k) {
                const float q = finite ? from[k] / scale[row] : 0;
                to[(unit * int8_padded(K) + k / int8_block * int8_block) * G + gate * int8_block + k % int8_block] =
                    static_cast<std::int8_t>(int((q + whole) - whole) + (int8_vnni() ? 128 : 0));
            }
        }
    }

    // The largest whole number of which K times 127 fits into 31 bits, and which is two bytes with signs.
    static float range(Index K) {
        const Index most = (Index(1) << 31) / (127 * K) - 1;
        return float(least(most, 127 * 256 + 127));
    }

    struct Rounded {
        float scale;          // NaN where a number is not finite
        std::uint32_t total;  // of the whole numbers
    };

    // from (K) -> whole numbers times a scale, as `sums` reads them.
    static Rounded round(const float* from, Index K, std::int16_t* to) {
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
            std::memset(to, 0, std::size_t(int8_padded(K)) * sizeof *to);
            return {size <= 0x1.fffffep127f ? 0 : __builtin_nanf(""), 0};
        }
        std::uint32_t total = 0;
        if (int8_vnni()) {
            auto *low = reinterpret_cast<std::int8_t*>(to), *high = low + int8_padded(K);
            for (Index k = 0; k < K; ++k) {
                const auto a = std::int32_t((from[k] * inverse + whole) - whole);
                low[k] = static_cast<std::int8_t>(a);
                high[k] = static_cast<std::int8_t>((a + 128) >> 8);
                total += std::uint32_t(a);
            }
        } else {
            for (Index k = 0; k < K; ++k) to[k] = static_cast<std::int16_t>((from[k] * inverse + whole) - whole);
        }
        return {scale, total};
    }

    template <int R>
    static void sums(const std::int8_t* w, const std::int16_t* const* rows, [[maybe_unused]] const std::uint32_t* total,
                     Index K, std::int32_t (&sum)[R][G]) {
#if RECURRA_BYTES == 64
        if (int8_vnni()) return int8_sums_vnni<R, G>(w, rows, total, K, sum);
#endif
        int8_sums<R, G>(w, rows, K, sum);
    }

    template <int R>
    static void tile(const Step& q, Index row) {
        const Index K_x = int8_padded(q.I), K_h = int8_padded(q.H), H = q.H;
        const std::int16_t *x[R], *h[R];
        float x_scale[R], h_scale[R];
        std::uint32_t x_total[R], h_total[R];
        for (int r = 0; r < R; ++r) {
            std::int16_t* to = q.rounded + (row + r) * (K_x + K_h);
            const Rounded of_x = round(static_cast<const float*>(q.x) + (row + r) * q.x_stride, q.I, to);
            const Rounded of_h = round(part(q, 0, row + r), H, to + K_x);
            x[r] = to, x_scale[r] = of_x.scale, x_total[r] = of_x.total;
            h[r] = to + K_x, h_scale[r] = of_h.scale, h_total[r] = of_h.total;
        }
        const auto *w_x = static_cast<const std::int8_t*>(q.packed_x), *w_h = static_cast<const std::int8_t*>(q.packed_h);
        for (Index unit = 0; unit < H; unit += W) {
            float of_x[R][G][W]{}, of_h[R][G][W]{};
            for (Index lane = 0; lane < least(W, H - unit); ++lane, w_x += G * K_x, w_h += G * K_h) {
                std::int32_t sum[R][G];
                sums<R>(w_x, x, x_total, K_x, sum);
                for (int r = 0; r < R; ++r)
                    for (int g = 0; g < G; ++g) of_x[r][g][lane] = float(sum[r][g]);
                sums<R>(w_h, h, h_total, K_h, sum);
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
