// The kernels against a plain loop, without Python: for the address, undefined-behavior and thread sanitizers.
#include <cstdio>

#include "reference.h"

namespace recurra::test {

static double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

Numbers project(const double* x, const Numbers& weight, const Numbers& bias, Index I) {
    Numbers projected = bias;
    for (std::size_t j = 0; j < bias.size(); ++j)
        for (Index k = 0; k < I; ++k) projected[j] += weight[j * std::size_t(I) + std::size_t(k)] * x[k];
    return projected;
}

void reference_step(CellKind cell, const Numbers& x, const Numbers& weight, const Numbers& bias, Index H, Numbers& state,
                    const double* mask) {
    const Index G = num_gates(cell);
    Numbers u(size_t(G * H)), next = state;
    for (Index j = 0; j < G * H; ++j) {
        u[size_t(j)] = bias[size_t(j)];
        for (Index k = 0; k < H; ++k) u[size_t(j)] += weight[size_t(j * H + k)] * state[size_t(k)] * (mask ? mask[k] : 1);
    }
    for (Index j = 0; j < H; ++j) {
        const auto sum = [&](Index g) { return x[size_t(g * H + j)] + u[size_t(g * H + j)]; };
        double& h = next[size_t(j)];
        if (cell == kRnnTanh) h = std::tanh(sum(0));
        if (cell == kRnnRelu) h = sum(0) > 0 ? sum(0) : 0;
        if (cell == kGru) {
            const double r = sigmoid(sum(0)), z = sigmoid(sum(1));
            const double n = std::tanh(x[size_t(2 * H + j)] + r * u[size_t(2 * H + j)]);
            h = (1 - z) * n + z * h;
        }
        if (cell == kLstm) {
            double& c = next[size_t(H + j)];
            c = sigmoid(sum(1)) * c + sigmoid(sum(0)) * std::tanh(sum(2));
            h = sigmoid(sum(3)) * std::tanh(c);
        }
    }
    state = next;
}

static int run_all() {
    Random random(0);
    int cases = 0, wrong = 0;
    const auto report = [&](bool passed, const char* kernels, int cell, const char* what, double error) {
        ++cases;
        if (passed) return;
        ++wrong;
        std::printf("%s, cell %d: %s, error %g\n", kernels, cell, what, error);
    };
    report(threads_may_fail(), "threads", 0, "not all tasks were done once when the system had no more threads", 0);
    for (auto entry = all_kernels; *entry; ++entry) {
        const Kernels& kernels = **entry;
        if (!kernels.is_supported()) continue;
        const auto check = [&](double error, int cell, const char* what) {
            report(error < 1e-12, kernels.name, cell, what, error);
        };
        report(peak_operations(kernels, {.threads = 2, .gomp_parallel = nullptr}, 0.001) > 0, kernels.name, 0, "the peak", 0);
        for (int k = 0; k < 4; ++k)
            check(sequence_error(kernels, CellKind(k), Shape{4, 700, 7, 2, 3}, random), k, "several windows");
        for (int k = 0; k < 4; ++k) {
            const auto cell = CellKind(k);
            report(small_batch_stays_in_bounds(kernels, cell), kernels.name, k, "a small batch at a low address", 0);
            for (Index H : {1, 7, 16, 33, 65})
                for (Shape s : {Shape{1, 1, H, 1, 1}, Shape{5, 14, H, 2, 3}, Shape{6, 9, H, 1, 2}, Shape{3, 20, H, 2, 4},
                                Shape{5, 60, H, 1, 3}}) {
                    Shape masked = s, small = s, stream = s, int8 = s;
                    masked.masked = true;
                    small.B = s.B % 8 + 1, small.I = s.T;
                    int8.I = s.T + 30;
                    stream.B = 8 * s.B, stream.I = s.T;
                    check(sequence_error(kernels, cell, s, random), k, "a sequence");
                    check(sequence_error(kernels, cell, masked, random), k, "a masked sequence");
                    check(small_batch_error(kernels, cell, small, random), k, "a small batch");
                    check(int8_error(kernels, cell, int8, random), k, "8-bit weights");
                    report(int8_sequence_equals_steps(kernels, cell, int8, random), kernels.name, k,
                           "a sequence with 8-bit weights", 0);
                    check(stream_error(kernels, cell, stream, random, false), k, "a stream");
                    check(stream_error(kernels, cell, small, random, true), k, "a stream on weights that are not packed");
                }
        }
    }
    std::printf("%d cases, %d wrong\n", cases, wrong);
    return wrong ? 1 : 0;
}

}  // namespace recurra::test

int main() { return recurra::test::run_all(); }
