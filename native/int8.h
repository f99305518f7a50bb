// One time step of streams with 8-bit weights. A step of few streams is limited by reading the weights, and these take a
// quarter of the memory.
//
// Each row of the weights has a scale: w = scale * q with |q| <= 127. The inputs x and h of a stream are rounded at each step
// to 16 bits, with one scale for all of x and one for all of h; this rounding is small compared with that of the weights. The
// products are summed exactly, modulo 2^32, and the sum fits into 31 bits. The gates are computed in float.
//
// Packed order: for each unit and each block of 64 columns, the gates one after the other. VNNI multiplies an unsigned byte by
// a signed one. So with VNNI a weight is stored as q + 128, and an input as two bytes, a = 256 high + low, in two rows:
//     sum q a = 256 sum (q + 128) high + sum (q + 128) low - 128 sum a.
#pragma once

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include <cstring>

#include "call.h"
#include "vec.h"

namespace recurra::RECURRA_TARGET {

inline constexpr Index kInt8Block = 64;

inline Index int8_padded(Index K) { return (K + kInt8Block - 1) / kInt8Block * kInt8Block; }

#if defined(__AVX2__)
// The sum of the lanes, modulo 2^32.
inline std::int32_t int8_sum_lanes(__m256i part) {
    __m128i s = _mm_add_epi32(_mm256_castsi256_si128(part), _mm256_extracti128_si256(part, 1));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1));
    return _mm_cvtsi128_si32(s);
}
#endif

// sum[r][g] = the dot product of gate g of a unit with input r. K is a multiple of the block size.
template <int R, int G>
inline void int8_dot_products(const std::int8_t* w, const std::int16_t* const* rows, Index K, std::int32_t (&sum)[R][G]) {
#if defined(__AVX2__)
    __m256i partial[R][G];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
        for (int g = 0; g < G; ++g) partial[r][g] = _mm256_setzero_si256();
    for (Index k = 0; k < K; k += kInt8Block)
#pragma GCC unroll 4
        for (int offset = 0; offset < kInt8Block; offset += 16) {
            __m256i a[R];
#pragma GCC unroll 8
            for (int r = 0; r < R; ++r)
                a[r] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(rows[r] + k + offset));
#pragma GCC unroll 8
            for (int g = 0; g < G; ++g) {
                const auto* from = reinterpret_cast<const __m128i*>(w + k * G + g * kInt8Block + offset);
                const __m256i weight = _mm256_cvtepi8_epi16(_mm_loadu_si128(from));
#pragma GCC unroll 8
                for (int r = 0; r < R; ++r) partial[r][g] = _mm256_add_epi32(partial[r][g], _mm256_madd_epi16(weight, a[r]));
            }
        }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
        for (int g = 0; g < G; ++g) sum[r][g] = int8_sum_lanes(partial[r][g]);
#else
    for (int r = 0; r < R; ++r)
        for (int g = 0; g < G; ++g) {
            std::int32_t total = 0;
            for (Index k = 0; k < K; k += kInt8Block)
                for (Index lane = 0; lane < kInt8Block; ++lane)
                    total += std::int32_t(w[k * G + g * kInt8Block + lane]) * std::int32_t(rows[r][k + lane]);
            sum[r][g] = total;
        }
#endif
}

#if RECURRA_BYTES == 64
// The same for machines with VNNI, which not every machine with AVX-512 has. total[r] is the sum of input r.
template <int R, int G>
[[gnu::target("avx512f,avx512bw,avx512vnni")]] void int8_dot_products_vnni(
    const std::int8_t* w, const std::int16_t* const* rows, const std::uint32_t* total, Index K, std::int32_t (&sum)[R][G]) {
    __m512i low[R][G], high[R][G];  // separate sums for the two bytes, so that they do not wait for each other
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
        for (int g = 0; g < G; ++g) low[r][g] = high[r][g] = _mm512_setzero_si512();
    for (Index k = 0; k < K; k += kInt8Block) {
        __m512i weight[G];
#pragma GCC unroll 8
        for (int g = 0; g < G; ++g) weight[g] = _mm512_loadu_si512(w + k * G + g * kInt8Block);
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
            const auto found = static_cast<std::uint32_t>(int8_sum_lanes(_mm256_add_epi32(half[0], half[1])));
            sum[r][g] = static_cast<std::int32_t>(found - (total[r] << 7));
        }
}

inline bool int8_has_vnni() {
    static const bool has_vnni = __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vnni");
    return has_vnni;
}
#else
constexpr bool int8_has_vnni() { return false; }
#endif

template <template <class> class C>
struct Int8 {
    using X = Vec<float>;
    using V = X::V;
    using Cell = C<X>;
    static constexpr int W = X::width, G = Cell::kGates, P = Cell::kStateComponents;

    static Index packed_size(Index K, Index H) { return H * G * int8_padded(K); }

    // Adding and subtracting this value rounds a float below 2^22 to an integer.
    static constexpr float kRounder = 0x1.8p23f;

    // Packs weights (G*H, K) and computes the scale of each row (G*H). `packed` is zero on entry.
    static void pack(const float* weight, Index K, Index H, std::int8_t* to, float* scale) {
        for (Index row = 0; row < G * H; ++row) {
            const float* from = weight + row * K;
            float largest = 0;
            for (Index k = 0; k < K; ++k) {
                const float size = from[k] < 0 ? -from[k] : from[k];
                if (size > largest || size != size) largest = size;  // NaN is preserved
            }
            const bool tiny = largest < 0x1p-118f, finite = !tiny && largest <= 0x1.fffffep127f;
            scale[row] = tiny ? 0 : largest / 127;
            const Index unit = row % H, gate = row / H;
            for (Index k = 0; k < K; ++k) {
                const float q = finite ? from[k] / scale[row] : 0;
                to[(unit * int8_padded(K) + k / kInt8Block * kInt8Block) * G + gate * kInt8Block + k % kInt8Block] =
                    static_cast<std::int8_t>(int((q + kRounder) - kRounder) + (int8_has_vnni() ? 128 : 0));
            }
        }
    }

    // The largest integer that fits into two signed bytes and whose product with 127 * K fits into 31 bits.
    static float range(Index K) {
        const Index limit = (Index(1) << 31) / (127 * K) - 1;
        return float(smaller(limit, 127 * 256 + 127));
    }

    struct Quantized {
        float scale;          // NaN if an input is not finite
        std::uint32_t total;  // the sum of the integers
    };

    // Quantizes an input (K) for dot_products.
    static Quantized quantize(const float* from, Index K, std::int16_t* to) {
        std::int32_t largest = 0;  // the bits of a non-negative float are in the order of its value
        for (Index k = 0; k < K; ++k) {
            std::int32_t bits;
            std::memcpy(&bits, from + k, sizeof bits);
            bits &= 0x7fffffff;
            largest = bits > largest ? bits : largest;
        }
        float size;
        std::memcpy(&size, &largest, sizeof size);
        const float scale = size / range(K), inverse = range(K) / size;
        if (!(scale <= 0x1.fffffep127f && inverse <= 0x1.fffffep127f)) {  // not finite, or too small to invert
            std::memset(to, 0, std::size_t(int8_padded(K)) * sizeof *to);
            return {size <= 0x1.fffffep127f ? 0 : __builtin_nanf(""), 0};
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
        return {scale, total};
    }

    template <int R>
    static void dot_products(const std::int8_t* w, const std::int16_t* const* rows, [[maybe_unused]] const std::uint32_t* total,
                     Index K, std::int32_t (&sum)[R][G]) {
#if RECURRA_BYTES == 64
        if (int8_has_vnni()) return int8_dot_products_vnni<R, G>(w, rows, total, K, sum);
#endif
        int8_dot_products<R, G>(w, rows, K, sum);
    }

    template <int R>
    static void tile(const StepCall& call, Index row) {
        const Index K_ih = int8_padded(call.I), K_hh = int8_padded(call.H), H = call.H;
        const std::int16_t *x[R], *h[R];
        float x_scale[R], h_scale[R];
        std::uint32_t x_total[R], h_total[R];
        for (int r = 0; r < R; ++r) {
            std::int16_t* to = call.quantized + (row + r) * (K_ih + K_hh);
            const Quantized quantized_x = quantize(static_cast<const float*>(call.x) + (row + r) * call.x_stride, call.I, to);
            const Quantized quantized_h = quantize(component(call, 0, row + r), H, to + K_ih);
            x[r] = to, x_scale[r] = quantized_x.scale, x_total[r] = quantized_x.total;
            h[r] = to + K_ih, h_scale[r] = quantized_h.scale, h_total[r] = quantized_h.total;
        }
        const auto* weight_ih = static_cast<const std::int8_t*>(call.packed_weight_ih);
        const auto* weight_hh = static_cast<const std::int8_t*>(call.packed_weight_hh);
        for (Index unit = 0; unit < H; unit += W) {
            float sum_x[R][G][W]{}, sum_h[R][G][W]{};
            for (Index lane = 0; lane < smaller(W, H - unit); ++lane, weight_ih += G * K_ih, weight_hh += G * K_hh) {
                std::int32_t sum[R][G];
                dot_products<R>(weight_ih, x, x_total, K_ih, sum);
                for (int r = 0; r < R; ++r)
                    for (int g = 0; g < G; ++g) sum_x[r][g][lane] = float(sum[r][g]);
                dot_products<R>(weight_hh, h, h_total, K_hh, sum);
                for (int r = 0; r < R; ++r)
                    for (int g = 0; g < G; ++g) sum_h[r][g][lane] = float(sum[r][g]);
            }
            for (int r = 0; r < R; ++r) {
                const Index n = H - unit;
                V projected[G], recurrent[G], state[P], new_state[P], saved[Cell::kSaved];
                for (int g = 0; g < G; ++g) {
                    const Index at = g * H + unit;
                    projected[g] = X::load(sum_x[r][g]) * (X::load(call.scale_ih + at, n) * x_scale[r]);
                    recurrent[g] = X::load(sum_h[r][g]) * (X::load(call.scale_hh + at, n) * h_scale[r]);
                    if (call.bias_ih) projected[g] += X::load(static_cast<const float*>(call.bias_ih) + at, n);
                    if (call.bias_hh) recurrent[g] += X::load(static_cast<const float*>(call.bias_hh) + at, n);
                }
                for (int p = 0; p < P; ++p) state[p] = X::load(component(call, p, row + r) + unit, n);
                Cell::forward(projected, recurrent, state, new_state, saved);
                // The other units read h from `quantized`, so the state can be overwritten.
                for (int p = 0; p < P; ++p) X::store(component(call, p, row + r) + unit, new_state[p], n);
            }
        }
    }

    static float* component(const StepCall& call, int p, Index row) {
        return static_cast<float*>(call.state) + (p * call.B + row) * call.H;
    }

    static void run(const StepCall& call, Index begin, Index end) {
        Index r = begin;
        for (; r + 2 <= end; r += 2) tile<2>(call, r);
        if (r < end) tile<1>(call, r);
    }
};

}  // namespace recurra::RECURRA_TARGET
