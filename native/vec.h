// A vector of numbers, as wide as the instruction set is, and the functions of gates on it.
//
// The file is compiled once for each instruction set (CMakeLists.txt gives RECURRA_TARGET and RECURRA_BYTES); the
// compiler's vector extensions turn the same lines into AVX-512, AVX2 with FMA, or what every machine has.
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

// Nothing that is compiled more than once may be shared: the linker keeps one copy, perhaps the one that this machine
// cannot run. So all of it lives in a namespace of the instruction set, and takes no function templates of std.
namespace recurra::RECURRA_TARGET {

using Index = std::int64_t;

inline Index least(Index a, Index b) { return a < b ? a : b; }

template <class S>
inline void copy(const S* from, Index n, S* to) { std::memcpy(to, from, std::size_t(n) * sizeof(S)); }

// n values of T, zero unless told, where a cache line begins.
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

// (ln 2)^k / k!: the series of 2^f.
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

    // The first n numbers; the others are 0 and stay unwritten.
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

    // W vectors of W numbers, the rows of a square, become its columns: bit by bit, what a row's number and a lane's
    // number have at that bit changes places.
    static void transpose(V (&square)[width]) { transpose_bits<1>(square); }

    // 1 / d for d from 1 to 2^120
    static V reciprocal(V d) {
#if RECURRA_BYTES == 64
        if constexpr (sizeof(S) == 4) {  // 14 bits from a table, and a step of Newton's: a division takes three times as long
            const V near = (V)_mm512_maskz_rcp14_ps(-1, (__m512)d);
            return near + near * (1 - d * near);
        }
#endif
        return 1 / d;
    }

    // 2^t = scale (1 + rest), while 2^t is a normal number. t = n + f with |f| <= 1/2, both exact; the series of 2^f - 1 up
    // to where its terms vanish in S. Adding `shift` rounds to a whole number, which then stands in the lowest bits, from
    // where 2^n is made.
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

    static V size(V x) { return (V)((B)x & ~sign); }

    // 2^(factor |x|), up to 2^most. NaN stays: no comparison with it holds.
    static Power grown(V x, S factor, S most) {
        const V t = size(x) * factor;
        return power(all(most) < t ? all(most) : t);
    }

    // Both by way of 1 - (something at most a half) where x is large: the rounding of that something counts half.

    // 1 / (1 + e^-x), by its mirror image for x > 0
    static V sigmoid(V x) {
        const Power e = grown(x, log2_e, sizeof(S) == 4 ? 120 : 1000);
        const V half = reciprocal(1 + (e.scale + e.scale * e.rest));
        return x > 0 ? 1 - half : half;
    }

    // With e = e^(2|x|) - 1: e / (e + 2) near 0, where it has all its digits, and 1 - 2 / (e + 2) elsewhere.
    static V tanh(V x) {
        const Power grows = grown(x, 2 * log2_e, sizeof(S) == 4 ? 120 : 1000);
        const V e = grows.scale * grows.rest + (grows.scale - 1), part = reciprocal(e + 2);
        const V magnitude = e < 2 ? e * part : 1 - 2 * part;
        return (V)((B)magnitude | ((B)x & sign));
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
