// The reference of the tests: the equations of the cells in a plain loop, in double precision.
#pragma once

#include <cmath>
#include <cstddef>
#include <random>
#include <vector>

#include "kernels.h"

namespace recurra::test {

using Numbers = std::vector<double>;
using Random = std::mt19937;

inline Numbers random_numbers(Random& random, Index n) {
    std::uniform_real_distribution<double> number(-0.5, 0.5);
    Numbers values(static_cast<std::size_t>(n));
    for (auto& value : values) value = number(random);
    return values;
}

// W x + b of one time step.
Numbers project(const double* x, const Numbers& weight, const Numbers& bias, Index I);

// One time step from the projected input. `state` has all components one after the other. `mask` (H), or null, multiplies h
// for the gates.
void reference_step(CellKind cell, const Numbers& projected, const Numbers& weight, const Numbers& bias, Index H,
                    Numbers& state, const double* mask = nullptr);

struct Shape {
    Index T, B, H, D, threads;
    bool masked = false;
    Index I = 5;
};

// Each returns the largest error of the kernels, or a scaled error that must be below the same bound.
double sequence_error(const Kernels& kernels, CellKind cell, Shape shape, Random& random);
double small_batch_error(const Kernels& kernels, CellKind cell, Shape shape, Random& random);
double stream_error(const Kernels& kernels, CellKind cell, Shape shape, Random& random, bool unpacked);
double int8_error(const Kernels& kernels, CellKind cell, Shape shape, Random& random);

// Each returns whether the check passed.
bool small_batch_stays_in_bounds(const Kernels& kernels, CellKind cell);
bool int8_sequence_equals_steps(const Kernels& kernels, CellKind cell, Shape shape, Random& random);
bool threads_may_fail();

}  // namespace recurra::test
