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

template <class S>
struct InverseFactorials {
    S factorial[16]{};

    constexpr InverseFactorials() {
        S product = 1;
        for (int k = 0; k < 16; ++k) factorial[k] = 1 / (product *= S(k ? k : 1));
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

    // e^x - 1 for x >= 0, with no loss near 0. x = n ln 2 + r with |r| <= ln 2 / 2; the series of e^r - 1 up to where its terms
    // vanish in S; then 2^n (e^r - 1) + (2^n - 1). Adding `shift` rounds to a whole number, which then stands in
    // the lowest bits, from where 2^n is made. NaN goes through: no comparison with it holds.
    static V expm1(V x) {
        constexpr bool single = sizeof(S) == 4;
        constexpr S highest = single ? S(88) : S(709);
        constexpr S shift = single ? S(0x1.8p23) : S(0x1.8p52);
        constexpr int mantissa = single ? 23 : 52, bias = single ? 127 : 1023, terms = single ? 7 : 13;
        // ln 2 in two parts: the first has so few bits that n times it is exact.
        constexpr S ln2_high = single ? S(0x1.62e4p-1) : S(0x1.62e42feep-1);
        constexpr S ln2_low = single ? S(0x1.7f7d1cp-20) : S(0x1.a39ef35793c76p-33);
        x = x > highest ? all(highest) : x;
        const V shifted = x * S(1.4426950408889634) + shift;
        const V n = shifted - shift;
        const V r = (x - n * ln2_high) - n * ln2_low;
        constexpr InverseFactorials<S> inverse;
        V series = all(inverse.factorial[terms]);
#pragma GCC unroll 16
        for (int k = terms - 1; k > 1; --k) series = series * r + inverse.factorial[k];
        const V scale = (V)(((B)shifted << mantissa) + (Bits(bias) << mantissa));
        return scale * (r + r * r * series) + (scale - 1);  // r is exact, so that half the rounding is saved
    }

    // Both by way of 1 - (something at most a half) where x is large: the rounding of that something counts half.

    // 1 / (1 + e^-x), by its mirror image for x > 0
    static V sigmoid(V x) {
        const V half = 1 / (2 + expm1(x < 0 ? -x : x));
        return x > 0 ? 1 - half : half;
    }

    // With e = e^(2|x|) - 1: e / (e + 2) near 0, where it has all its digits, and 1 - 2 / (e + 2) elsewhere.
    static V tanh(V x) {
        const V e = expm1(2 * (x < 0 ? -x : x));
        const V part = (e < 2 ? e : all(2)) / (e + 2);
        const V magnitude = e < 2 ? part : 1 - part;
        return x < 0 ? -magnitude : magnitude;
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
