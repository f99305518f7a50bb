// Single time steps of streams, on packed weights and on weights that are not packed.
#include "reference.h"

namespace recurra::test {

double stream_error(const Kernels& kernels, CellKind cell, Shape s, Random& random, bool unpacked) {
    const Index G = num_gates(cell), P = num_state_components(cell), B = s.B, I = s.I, H = s.H;
    const Numbers weight_ih = random_numbers(random, G * H * I), weight_hh = random_numbers(random, G * H * H);
    const Numbers bias_ih = random_numbers(random, G * H), bias_hh = random_numbers(random, G * H);
    Numbers x = random_numbers(random, B * I), state = random_numbers(random, P * B * H), scratch(size_t(B * H));
    Numbers packed_ih(size_t(kernels.packed_size(cell, true, I, H))), packed_hh(size_t(kernels.packed_size(cell, true, H, H)));
    kernels.pack(cell, true, weight_ih.data(), I, H, packed_ih.data());
    kernels.pack(cell, true, weight_hh.data(), H, H, packed_hh.data());
    StepCall call{};
    call.cell = cell, call.is_double = true;
    call.B = B, call.I = I, call.H = H, call.x_stride = I;
    call.x = x.data(), call.state = state.data(), call.scratch = scratch.data();
    call.unpacked = unpacked;
    call.weight_ih = unpacked ? weight_ih.data() : packed_ih.data();
    call.weight_hh = unpacked ? weight_hh.data() : packed_hh.data();
    call.bias_ih = bias_ih.data(), call.bias_hh = bias_hh.data();
    double error = 0;
    for (int n = 0; n < 3; ++n) {
        const Numbers old = state;
        step_all(kernels, &call, 1, {.threads = s.threads, .gomp_parallel = nullptr});
        for (Index r = 0; r < B; ++r) {
            Numbers expected;
            for (Index p = 0; p < P; ++p)
                expected.insert(expected.end(), old.begin() + long((p * B + r) * H), old.begin() + long((p * B + r + 1) * H));
            reference_step(cell, project(&x[size_t(r * I)], weight_ih, bias_ih, I), weight_hh, bias_hh, H, expected);
            for (Index p = 0; p < P; ++p)
                for (Index j = 0; j < H; ++j)
                    error = std::fmax(error, std::fabs(state[size_t((p * B + r) * H + j)] - expected[size_t(p * H + j)]));
        }
    }
    return error;
}

}  // namespace recurra::test
