// A time step with 8-bit weights against the same step with the weights that they stand for.
#include "reference.h"

namespace recurra::test {

namespace {

using Floats = std::vector<float>;

Floats random_floats(Random& random, Index n) {
    std::uniform_real_distribution<float> number(-0.5f, 0.5f);
    Floats values(static_cast<size_t>(n));
    for (auto& value : values) value = number(random);
    return values;
}

Index padded(Index K) { return (K + 63) / 64 * 64; }

// The weights after rounding to 8 bits. The division is in float, as in the kernel: a half may be rounded either way.
Numbers dequantized(const Floats& weight, const Floats& scale, Index K) {
    Numbers values(weight.size());
    for (size_t k = 0; k < weight.size(); ++k) {
        const float s = scale[k / size_t(K)];
        values[k] = double(std::nearbyint(weight[k] / s)) * double(s);
    }
    return values;
}

}  // namespace

double int8_error(const Kernels& kernels, CellKind cell, Shape shape, Random& random) {
    const Index G = num_gates(cell), P = num_state_components(cell), B = shape.B, I = shape.I, H = shape.H;
    const Floats weight_ih = random_floats(random, G * H * I), weight_hh = random_floats(random, G * H * H);
    const Floats bias_ih = random_floats(random, G * H), bias_hh = random_floats(random, G * H);
    Floats x = random_floats(random, B * I), state = random_floats(random, P * B * H);
    Floats scale_ih(size_t(G * H)), scale_hh(size_t(G * H));
    std::vector<std::int8_t> packed_ih(size_t(kernels.packed_int8_size(cell, I, H)));
    std::vector<std::int8_t> packed_hh(size_t(kernels.packed_int8_size(cell, H, H)));
    std::vector<std::int16_t> quantized(size_t(B * (padded(I) + padded(H))));
    kernels.pack_int8(cell, weight_ih.data(), I, H, packed_ih.data(), scale_ih.data());
    kernels.pack_int8(cell, weight_hh.data(), H, H, packed_hh.data(), scale_hh.data());
    const Numbers used_ih = dequantized(weight_ih, scale_ih, I), used_hh = dequantized(weight_hh, scale_hh, H);
    const Floats old = state;
    StepCall call{};
    call.cell = cell;
    call.B = B, call.I = I, call.H = H, call.x_stride = I;
    call.x = x.data(), call.state = state.data(), call.quantized = quantized.data();
    call.packed_weight_ih = packed_ih.data(), call.packed_weight_hh = packed_hh.data();
    call.bias_ih = bias_ih.data(), call.bias_hh = bias_hh.data();
    call.scale_ih = scale_ih.data(), call.scale_hh = scale_hh.data();
    step_all(kernels, &call, 1, {.threads = shape.threads, .gomp_parallel = nullptr});
    double error = 0;
    for (Index r = 0; r < B; ++r) {
        const Numbers input(x.begin() + long(r * I), x.begin() + long((r + 1) * I));
        Numbers expected;
        for (Index p = 0; p < P; ++p)
            expected.insert(expected.end(), old.begin() + long((p * B + r) * H), old.begin() + long((p * B + r + 1) * H));
        const Numbers projected = project(input.data(), used_ih, Numbers(bias_ih.begin(), bias_ih.end()), I);
        reference_step(cell, projected, used_hh, Numbers(bias_hh.begin(), bias_hh.end()), H, expected);
        for (Index p = 0; p < P; ++p)
            for (Index j = 0; j < H; ++j)
                error = std::fmax(error, std::fabs(double(state[size_t((p * B + r) * H + j)]) - expected[size_t(p * H + j)]));
    }
    // The inputs are at most 0.5 and are rounded by half of 1/32639 of that; the weights are at most 0.5.
    const double allowed = double(I + H) * 0.25 / 65278 * 2 + 1e-5;
    return error / allowed * 0.9e-12;  // scaled to the bound of the other checks
}

}  // namespace recurra::test
