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

// Weights (rows, K) rounded to 8 bits, with one scale for each row, and the weights that they stand for.
struct Rounded {
    std::vector<std::int8_t> integers;
    Floats scale;
    Numbers values;

    Rounded(const Floats& weight, Index K) {
        for (size_t row = 0; row < weight.size() / size_t(K); ++row) {
            float largest = 0;
            for (size_t k = 0; k < size_t(K); ++k) largest = std::fmax(largest, std::fabs(weight[row * size_t(K) + k]));
            scale.push_back(largest / 127);
            for (size_t k = 0; k < size_t(K); ++k) {
                integers.push_back(std::int8_t(std::nearbyint(weight[row * size_t(K) + k] / scale.back())));
                values.push_back(double(integers.back()) * double(scale.back()));
            }
        }
    }
};

// The inputs are at most `largest` and are rounded by half of 1/32639 of that; the weights are at most 0.5.
double allowed_error(double largest, Index K) { return double(K) * largest * 0.5 / 65278 * 2 + 1e-5; }

}  // namespace

double int8_error(const Kernels& kernels, CellKind cell, Shape shape, Random& random) {
    const Index G = num_gates(cell), P = num_state_components(cell), B = shape.B, I = shape.I, H = shape.H;
    const Floats weight_ih = random_floats(random, G * H * I), weight_hh = random_floats(random, G * H * H);
    const Floats bias_ih = random_floats(random, G * H), bias_hh = random_floats(random, G * H);
    const Rounded ih(weight_ih, I), hh(weight_hh, H);
    Floats x = random_floats(random, B * I), state = random_floats(random, P * B * H), scratch(size_t(B * G * H));
    std::vector<std::int16_t> quantized(size_t(B * (padded(I) + padded(H))));
    const Floats old = state;
    StepCall call{};
    call.cell = cell;
    call.B = B, call.I = I, call.H = H, call.x_stride = I;
    call.x = x.data(), call.state = state.data(), call.scratch = scratch.data(), call.quantized = quantized.data();
    call.weight_ih = ih.integers.data(), call.weight_hh = hh.integers.data();
    call.bias_ih = bias_ih.data(), call.bias_hh = bias_hh.data();
    call.scale_ih = ih.scale.data(), call.scale_hh = hh.scale.data();
    step_all(kernels, &call, 1, {.threads = shape.threads, .gomp_parallel = nullptr});
    double error = 0;
    for (Index r = 0; r < B; ++r) {
        const Numbers input(x.begin() + long(r * I), x.begin() + long((r + 1) * I));
        Numbers expected;
        for (Index p = 0; p < P; ++p)
            expected.insert(expected.end(), old.begin() + long((p * B + r) * H), old.begin() + long((p * B + r + 1) * H));
        const Numbers projected = project(input.data(), ih.values, Numbers(bias_ih.begin(), bias_ih.end()), I);
        reference_step(cell, projected, hh.values, Numbers(bias_hh.begin(), bias_hh.end()), H, expected);
        for (Index p = 0; p < P; ++p)
            for (Index j = 0; j < H; ++j)
                error = std::fmax(error, std::fabs(double(state[size_t((p * B + r) * H + j)]) - expected[size_t(p * H + j)]));
    }
    return error / allowed_error(0.5, I + H) * 0.9e-12;  // scaled to the bound of the other checks
}

namespace {

// One call over a padded batch in D directions with its memory, except the weights.
struct Int8Sequence {
    Shape s;
    Index P;
    std::vector<Index> lengths, batch_indices, step_offsets, batch_sizes;
    Floats x, y, initial_state, final_state;
    SequenceCall call{};

    Int8Sequence(CellKind cell, Shape shape, Random& random)
        : s(shape), P(num_state_components(cell)), lengths(size_t(s.B)), batch_indices(size_t(s.B)), step_offsets(size_t(s.T)),
          batch_sizes(size_t(s.T)), x(random_floats(random, s.B * s.T * s.I)), y(size_t(s.B * s.T * s.D * s.H)),
          initial_state(random_floats(random, P * s.D * s.B * s.H)), final_state(initial_state.size()) {
        for (Index r = 0; r < s.B; ++r) {
            lengths[size_t(r)] = s.T - r * s.T / s.B;
            batch_indices[size_t(r)] = s.B % 7 == 0 ? r : (r * 7 + 3) % s.B;
        }
        Index N = 0;
        for (Index t = 0; t < s.T; ++t) {
            step_offsets[size_t(t)] = N;
            for (Index r = 0; r < s.B; ++r) batch_sizes[size_t(t)] += lengths[size_t(r)] > t;
            N += batch_sizes[size_t(t)];
        }
        call.cell = cell;
        call.T = s.T, call.B = s.B, call.I = s.I, call.H = s.H, call.D = s.D;
        call.step_offsets = step_offsets.data(), call.batch_sizes = batch_sizes.data();
        call.lengths = lengths.data(), call.batch_indices = batch_indices.data();
        call.x_strides = {.batch = s.T * s.I, .time = s.I};
        call.y_strides = {.batch = s.T * s.D * s.H, .time = s.D * s.H};
        call.x = x.data(), call.y = y.data();
        call.initial_state = initial_state.data(), call.final_state = final_state.data();
        call.team = {.threads = s.threads, .gomp_parallel = nullptr};
    }
};

}  // namespace

// A sequence must equal the steps of a stream to the bit, of which int8_error checks the values.
bool int8_sequence_equals_steps(const Kernels& kernels, CellKind cell, Shape s, Random& random) {
    const Index G = num_gates(cell), P = num_state_components(cell);
    Int8Sequence sequence(cell, s, random);
    std::vector<Rounded> ih, hh;
    std::vector<Floats> bias_ih, bias_hh;
    for (Index d = 0; d < s.D; ++d) {
        ih.emplace_back(random_floats(random, G * s.H * s.I), s.I), hh.emplace_back(random_floats(random, G * s.H * s.H), s.H);
        bias_ih.push_back(random_floats(random, G * s.H)), bias_hh.push_back(random_floats(random, G * s.H));
    }
    for (size_t d = 0; d < size_t(s.D); ++d) {
        sequence.call.weight_ih[d] = ih[d].integers.data(), sequence.call.weight_hh[d] = hh[d].integers.data();
        sequence.call.scale_ih[d] = ih[d].scale.data(), sequence.call.scale_hh[d] = hh[d].scale.data();
        sequence.call.bias_ih[d] = bias_ih[d].data(), sequence.call.bias_hh[d] = bias_hh[d].data();
    }
    kernels.run_sequence(sequence.call, false);
    bool equal = true;
    for (Index d = 0; d < s.D; ++d)
        for (Index r = 0; r < s.B; ++r) {
            const Index b = sequence.batch_indices[size_t(r)], length = sequence.lengths[size_t(r)];
            const auto place = [&](Index p) { return long(((p * s.D + d) * s.B + b) * s.H); };
            Floats state, scratch(size_t(G * s.H));
            for (Index p = 0; p < P; ++p)
                state.insert(state.end(), sequence.initial_state.begin() + place(p),
                             sequence.initial_state.begin() + place(p) + s.H);
            std::vector<std::int16_t> quantized(size_t(padded(s.I) + padded(s.H)));
            StepCall step{};
            step.cell = cell;
            step.B = 1, step.I = s.I, step.H = s.H, step.x_stride = s.I;
            step.state = state.data(), step.scratch = scratch.data(), step.quantized = quantized.data();
            step.weight_ih = ih[size_t(d)].integers.data(), step.weight_hh = hh[size_t(d)].integers.data();
            step.bias_ih = bias_ih[size_t(d)].data(), step.bias_hh = bias_hh[size_t(d)].data();
            step.scale_ih = ih[size_t(d)].scale.data(), step.scale_hh = hh[size_t(d)].scale.data();
            for (Index n = 0; n < length; ++n) {
                const Index t = d == 0 ? n : length - 1 - n;
                step.x = &sequence.x[size_t((b * s.T + t) * s.I)];
                step_all(kernels, &step, 1, {.threads = 1, .gomp_parallel = nullptr});
                for (Index j = 0; j < s.H; ++j)
                    equal = equal && sequence.y[size_t(((b * s.T + t) * s.D + d) * s.H + j)] == state[size_t(j)];
            }
            for (Index p = 0; p < P; ++p)
                for (Index j = 0; j < s.H; ++j)
                    equal = equal && sequence.final_state[size_t(place(p) + j)] == state[size_t(p * s.H + j)];
        }
    return equal;
}

}  // namespace recurra::test
