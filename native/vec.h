// A SIMD vector of the width of the instruction set, and the gate functions sigmoid and tanh.
//
// The file is compiled once for each instruction set; CMakeLists.txt defines RECURRA_TARGET and RECURRA_BYTES. The compiler's
// vector extensions translate the same source into AVX-512, AVX2 with FMA, or the baseline instruction set.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <type_traits>
#include <utility>
#if RECURRA_BYTES == 64
#include <immintrin.h>
#endif

// Code that is compiled more than once must not be shared: the linker keeps one copy, which may use instructions that this
// machine does not have. So everything is in a namespace of the instruction set and uses no function templates of std.
namespace recurra::RECURRA_TARGET {

using Index = std::int64_t;

inline Index smaller(Index a, Index b) { return a < b ? a : b; }

template <class S>
inline void copy(const S* from, Index n, S* to) { std::memcpy(to, from, std::size_t(n) * sizeof(S)); }

// Prefetches base[offset], which may lie beyond the end of the array. The address is computed as an integer, because a pointer
// beyond the end of an array is undefined behavior even if it is never read.
template <class S>
inline void prefetch(const S* base, Index offset) {
    const auto address = reinterpret_cast<std::uintptr_t>(base) + std::uintptr_t(offset) * sizeof(S);
    __builtin_prefetch(reinterpret_cast<const void*>(address));
}

// n values of T, aligned to a cache line, zero unless `zero` is false.
template <class T>
struct Buffer {
    T* data = nullptr;

    Buffer() = default;
    explicit Buffer(Index n, bool zero = true) {
        const std::size_t bytes = (std::size_t(n) * sizeof(T) + 63) / 64 * 64;
        data = static_cast<T*>(std::aligned_alloc(64, bytes ? bytes : 64));
        if (!data) throw std::bad_alloc();
        if (zero) std::memset(static_cast<void*>(data), 0, bytes);
    }
    Buffer(Buffer&& other) : data(other.data) { other.data = nullptr; }
    Buffer& operator=(Buffer&& other) {
        T* mine = data;
        data = other.data, other.data = mine;
        return *this;
    }
    ~Buffer() { std::free(data); }
};

// The coefficients (ln 2)^k / k! of the power series of 2^f.
template <class S>
struct PowersOfLn2 {
    S term[16]{};

    constexpr PowersOfLn2() {
        double product = 1;
        for (int k = 0; k < 16; ++k) term[k] = S(product *= k ? 0.69314718055994530942 / k : 1);
    }
};

template <class S>
struct Vec {
    using Scalar = S;
    using Bits = std::conditional_t<sizeof(S) == 4, std::int32_t, std::int64_t>;
    typedef S V __attribute__((vector_size(RECURRA_BYTES)));
    typedef Bits B __attribute__((vector_size(RECURRA_BYTES)));
    static constexpr int width = RECURRA_BYTES / sizeof(S);

    static V all(S value) { return value - V{}; }

    static V load(const S* from) {
        V v;
        std::memcpy(&v, from, sizeof v);
        return v;
    }
    static void store(S* to, V v) { std::memcpy(to, &v, sizeof v); }

    // Loads or stores the first n numbers; the other lanes are zero and are not stored.
    static V load(const S* from, Index n) {
        if (n >= width) return load(from);
        V v{};
        for (Index k = 0; k < n; ++k) v[k] = from[k];
        return v;
    }
    static void store(S* to, V v, Index n) {
        if (n >= width) return store(to, v);
        for (Index k = 0; k < n; ++k) to[k] = v[k];
    }

    // Transposes a square of W vectors with W lanes: for each bit, exchanges that bit of the row index and the lane index.
    static void transpose(V (&square)[width]) { transpose_bits<1>(square); }

    // 1 / d for d from 1 to 2^120
    static V reciprocal(V d) {
#if RECURRA_BYTES == 64
        if constexpr (sizeof(S) == 4) {  // a 14-bit estimate and one Newton step; a division takes three times as long
            const V estimate = (V)_mm512_maskz_rcp14_ps(-1, (__m512)d);
            return estimate + estimate * (1 - d * estimate);
        }
#endif
        return 1 / d;
    }

    // 2^t = scale * (1 + rest), if 2^t is a normal number. t = n + f with |f| <= 1/2, both exact. The series of 2^f - 1 has as
    // many terms as matter in S. Adding `shift` rounds t to an integer in the lowest bits, which become the exponent of 2^n.
    struct Power {
        V scale, rest;
    };
    static Power power(V t) {
        constexpr bool single = sizeof(S) == 4;
        constexpr S shift = single ? S(0x1.8p23) : S(0x1.8p52);
        constexpr int mantissa = single ? 23 : 52, bias = single ? 127 : 1023, terms = single ? 7 : 13;
        constexpr PowersOfLn2<S> series;
        const V shifted = t + shift;
        const V f = t - (shifted - shift);
        V sum = all(series.term[terms]);
#pragma GCC unroll 16
        for (int k = terms - 1; k > 0; --k) sum = sum * f + series.term[k];
        return {(V)(((B)shifted << mantissa) + (Bits(bias) << mantissa)), sum * f};
    }

    static constexpr S log2_e = S(1.4426950408889634);
    static constexpr Bits sign = Bits(1) << (8 * sizeof(S) - 1);

    static V magnitude(V x) { return (V)((B)x & ~sign); }

    // 2^(factor * |x|), at most 2^most. NaN is preserved, because every comparison with it is false.
    static Power bounded_power(V x, S factor, S most) {
        const V t = magnitude(x) * factor;
        return power(all(most) < t ? all(most) : t);
    }

    // For large x both functions compute 1 - (a value of at most one half), which halves the effect of its rounding.

    // 1 / (1 + e^-x); for x > 0 as 1 - sigmoid(-x).
    static V sigmoid(V x) {
        const Power e = bounded_power(x, log2_e, sizeof(S) == 4 ? 120 : 1000);
        const V mirrored = reciprocal(1 + (e.scale + e.scale * e.rest));
        return x > 0 ? 1 - mirrored : mirrored;
    }

    // With e = e^(2|x|) - 1: e / (e + 2) near 0, where it is accurate, and 1 - 2 / (e + 2) elsewhere.
    static V tanh(V x) {
        const Power p = bounded_power(x, 2 * log2_e, sizeof(S) == 4 ? 120 : 1000);
        const V e = p.scale * p.rest + (p.scale - 1), part = reciprocal(e + 2);
        const V result = e < 2 ? e * part : 1 - 2 * part;
        return (V)((B)result | ((B)x & sign));
    }

   private:
    template <int half>
    static void transpose_bits(V (&square)[width]) {
        if constexpr (half < width) {
#pragma GCC unroll 16
            for (int k = 0; k < width; ++k)
                if (!(k & half)) exchange<half>(square[k], square[k | half], std::make_integer_sequence<int, width>());
            transpose_bits<2 * half>(square);
        }
    }
    template <int half, int... lane>
    static void exchange(V& a, V& b, std::integer_sequence<int, lane...>) {
        const V low = __builtin_shufflevector(a, b, (lane & half ? width + lane - half : lane)...);
        b = __builtin_shufflevector(a, b, (lane & half ? width + lane : lane + half)...);
        a = low;
    }
};

}  // namespace recurra::RECURRA_TARGET
