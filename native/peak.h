// The limit of the multiply-add units: a loop of independent multiply-adds in registers, without any memory.
#pragma once

#include "product.h"

namespace recurra::RECURRA_TARGET {

// Tells the compiler that a value may have changed.
template <class V>
static inline void hide(V& value) {
#if defined(__x86_64__)
    asm volatile("" : "+v"(value));
#else
    asm volatile("" : : "r"(&value) : "memory");
#endif
}

// Runs `n` rounds of the loop. Returns the number of floating-point operations; `sum` keeps the compiler from removing them.
static Index multiply_adds(Index n, float* sum) {
    using X = Vec<float>;
    X::V value[kAccumulators], factor = X::all(0.999f), term = X::all(0.001f);
    for (int k = 0; k < kAccumulators; ++k) value[k] = X::all(float(k));
    for (Index round = 0; round < n; ++round) {
#pragma GCC unroll 24
        for (int k = 0; k < kAccumulators; ++k) value[k] = value[k] * factor + term;
        hide(factor), hide(term);
    }
    *sum = 0;
    for (int k = 0; k < kAccumulators; ++k)
        for (int lane = 0; lane < X::width; ++lane) *sum += value[k][lane];
    return 2 * n * kAccumulators * X::width;
}

}  // namespace recurra::RECURRA_TARGET
