// A few time steps of a small batch, on weights that are not packed.
#include "reference.h"
#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace recurra::test {

double small_batch_error(const Kernels& kernels, CellKind cell, Shape s, Random& random) {
    const Index G = num_gates(cell), P = num_state_components(cell);
    const Numbers x = random_numbers(random, s.B * s.T * s.I);
    Numbers y(size_t(s.T * s.B * s.D * s.H)), initial_state[4], final_state[4];
    Numbers weight_ih[2], weight_hh[2], bias_ih[2], bias_hh[2];
    SmallCall call{};
    call.cell = cell, call.is_double = true;
    call.T = s.T, call.B = s.B, call.I = s.I, call.H = s.H, call.D = s.D;
    call.x = x.data(), call.x_strides = {.batch = s.T * s.I, .time = s.I}, call.y = y.data();
    call.team = {.threads = s.threads, .gomp_parallel = nullptr};
    for (Index d = 0; d < s.D; ++d) {
        weight_ih[d] = random_numbers(random, G * s.H * s.I), weight_hh[d] = random_numbers(random, G * s.H * s.H);
        bias_ih[d] = random_numbers(random, G * s.H), bias_hh[d] = random_numbers(random, G * s.H);
        call.weight_ih[d] = weight_ih[d].data(), call.weight_hh[d] = weight_hh[d].data();
        call.bias_ih[d] = bias_ih[d].data(), call.bias_hh[d] = bias_hh[d].data();
        for (Index p = 0; p < P; ++p) {
            const size_t k = size_t(d * P + p);
            initial_state[k] = random_numbers(random, s.B * s.H), final_state[k].resize(size_t(s.B * s.H));
            call.initial_state[k] = s.B % 2 ? initial_state[k].data() : nullptr, call.final_state[k] = final_state[k].data();
            if (s.B % 2 == 0) initial_state[k].assign(size_t(s.B * s.H), 0);
        }
    }
    kernels.run_small(call);
    double error = 0;
    for (Index d = 0; d < s.D; ++d)
        for (Index r = 0; r < s.B; ++r) {
            Numbers state;
            for (Index p = 0; p < P; ++p) {
                const auto begin = initial_state[d * P + p].begin() + long(r * s.H);
                state.insert(state.end(), begin, begin + s.H);
            }
            for (Index n = 0; n < s.T; ++n) {
                const Index t = d == 0 ? n : s.T - 1 - n;
                const Numbers projected = project(&x[size_t((r * s.T + t) * s.I)], weight_ih[d], bias_ih[d], s.I);
                reference_step(cell, projected, weight_hh[d], bias_hh[d], s.H, state);
                for (Index j = 0; j < s.H; ++j)
                    error = std::fmax(error, std::fabs(y[size_t(((t * s.B + r) * s.D + d) * s.H + j)] - state[size_t(j)]));
            }
            for (Index k = 0; k < P * s.H; ++k)
                error = std::fmax(error, std::fabs(final_state[d * P + k / s.H][size_t(r * s.H + k % s.H)] - state[size_t(k)]));
        }
    return error;
}

// Runs one step whose output y lies at the lowest addresses that a program may use. A pointer to the step before the first
// one would wrap around below address zero, which the sanitizer reports (-fsanitize=pointer-overflow, part of undefined).
bool small_batch_stays_in_bounds([[maybe_unused]] const Kernels& kernels, [[maybe_unused]] CellKind cell) {
#if defined(__linux__) && defined(MAP_FIXED_NOREPLACE)
    const Index B = 8, H = 2048, P = num_state_components(cell);
    const size_t bytes = size_t(B * H) * sizeof(double);
    void* const lowest = reinterpret_cast<void*>(std::uintptr_t(65536));
    void* const y = mmap(lowest, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (y != lowest) {  // the system reserves these addresses, or does not know the flag: there is nothing to test
        if (y != MAP_FAILED) munmap(y, bytes);
        return true;
    }
    const Numbers x(size_t(B), 1.0), weights(size_t(num_gates(cell) * H), 0.5);
    Numbers final_state[2];
    SmallCall call{};
    call.cell = cell, call.is_double = true;
    call.T = 1, call.B = B, call.I = 1, call.H = H, call.D = 1;
    call.x = x.data(), call.x_strides = {.batch = 1, .time = 1}, call.y = y;
    call.weight_ih[0] = call.weight_hh[0] = weights.data();  // the initial state is zero, so weight_hh is not read
    for (Index p = 0; p < P; ++p) final_state[p].resize(size_t(B * H)), call.final_state[p] = final_state[p].data();
    call.team = {.threads = 1, .gomp_parallel = nullptr};
    kernels.run_small(call);
    const bool same = final_state[0][size_t(B * H) - 1] == static_cast<const double*>(y)[B * H - 1];
    munmap(y, bytes);
    return same;
#else
    return true;
#endif
}

}  // namespace recurra::test
