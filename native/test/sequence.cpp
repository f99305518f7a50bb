// A padded batch: outputs and final states against the reference, gradients against a difference quotient.
#include <algorithm>
#include <utility>

#include "reference.h"

namespace recurra::test {

namespace {

// One call with all its memory.
struct Sequence {
    CellKind cell;
    Shape s;
    Index G, P, saved_size, N = 0;
    std::vector<Index> lengths, batch_indices, step_offsets, batch_sizes;
    Numbers x, y, saved, initial_state, final_state, weight_ih[2], weight_hh[2], bias_ih[2], bias_hh[2];
    Numbers grad_x, grad_y, grad_initial_state, grad_final_state;
    Numbers grad_weight_ih[2], grad_weight_hh[2], grad_bias_ih[2], grad_bias_hh[2];
    Numbers recurrent_dropout_mask, zoneout_mask;
    SequenceCall call{};

    Sequence(CellKind kind, Shape shape, Random& random)
        : cell(kind), s(shape), G(num_gates(kind)), P(num_state_components(kind)),
          saved_size(kind == kLstm ? 5 : kind == kGru ? 4 : 1), lengths(size_t(s.B)), batch_indices(size_t(s.B)),
          step_offsets(size_t(s.T)), batch_sizes(size_t(s.T)) {
        for (Index r = 0; r < s.B; ++r) {
            lengths[size_t(r)] = s.T - r * s.T / s.B;
            batch_indices[size_t(r)] = s.B % 7 == 0 ? r : (r * 7 + 3) % s.B;
        }
        for (Index t = 0; t < s.T; ++t) {
            step_offsets[size_t(t)] = N;
            for (Index r = 0; r < s.B; ++r) batch_sizes[size_t(t)] += lengths[size_t(r)] > t;
            N += batch_sizes[size_t(t)];
        }
        x = random_numbers(random, s.B * s.T * s.I), y.resize(size_t(s.B * s.T * s.D * s.H));
        saved.resize(size_t(N * s.D * saved_size * s.H));
        initial_state = random_numbers(random, P * s.D * s.B * s.H), final_state.resize(initial_state.size());
        for (Index d = 0; d < s.D; ++d) {
            weight_ih[d] = random_numbers(random, G * s.H * s.I), weight_hh[d] = random_numbers(random, G * s.H * s.H);
            bias_ih[d] = random_numbers(random, G * s.H), bias_hh[d] = random_numbers(random, G * s.H);
        }
        grad_y = random_numbers(random, Index(y.size())), grad_final_state = random_numbers(random, Index(final_state.size()));
        grad_x.resize(x.size()), grad_initial_state.resize(initial_state.size());
        recurrent_dropout_mask = random_numbers(random, s.D * s.B * s.H);
        zoneout_mask = random_numbers(random, s.D * P * s.T * s.B * s.H);
        fill_call();
    }

    void fill_call() {
        call.cell = cell, call.is_double = true, call.save_for_backward = true;
        call.T = s.T, call.B = s.B, call.I = s.I, call.H = s.H, call.D = s.D;
        call.step_offsets = step_offsets.data(), call.batch_sizes = batch_sizes.data();
        call.lengths = lengths.data(), call.batch_indices = batch_indices.data();
        call.x_strides = call.grad_x_strides = {.batch = s.T * s.I, .time = s.I};
        call.y_strides = call.grad_y_strides = {.batch = s.T * s.D * s.H, .time = s.D * s.H};
        call.x = x.data(), call.y = y.data(), call.saved = saved.data();
        call.initial_state = initial_state.data(), call.final_state = final_state.data();
        call.grad_x = grad_x.data(), call.grad_y = grad_y.data();
        call.grad_initial_state = grad_initial_state.data(), call.grad_final_state = grad_final_state.data();
        call.team = {.threads = s.threads, .gomp_parallel = nullptr};
        for (Index d = 0; d < s.D; ++d) {
            call.weight_ih[d] = weight_ih[d].data(), call.weight_hh[d] = weight_hh[d].data();
            call.bias_ih[d] = bias_ih[d].data(), call.bias_hh[d] = bias_hh[d].data();
            grad_weight_ih[d].resize(weight_ih[d].size()), grad_weight_hh[d].resize(weight_hh[d].size());
            grad_bias_ih[d].resize(bias_ih[d].size()), grad_bias_hh[d].resize(bias_hh[d].size());
            call.grad_weight_ih[d] = grad_weight_ih[d].data(), call.grad_weight_hh[d] = grad_weight_hh[d].data();
            call.grad_bias_ih[d] = grad_bias_ih[d].data(), call.grad_bias_hh[d] = grad_bias_hh[d].data();
            if (!s.masked) continue;
            call.recurrent_dropout_mask[d] = &recurrent_dropout_mask[size_t(d * s.B * s.H)];
            for (Index p = 0; p < P; ++p)
                call.zoneout_mask[d][p] = {.data = &zoneout_mask[size_t((d * P + p) * s.T * s.B * s.H)],
                                           .time_stride = s.B * s.H,
                                           .batch_stride = s.H};
        }
    }

    // The largest error of y and the final state of one sequence in one direction.
    double forward_error(Index d, Index r) const {
        const Index b = batch_indices[size_t(r)], length = lengths[size_t(r)];
        const auto place = [&](Index p) { return size_t(((p * s.D + d) * s.B + b) * s.H); };
        double error = 0;
        Numbers state;
        for (Index p = 0; p < P; ++p)
            state.insert(state.end(), initial_state.begin() + long(place(p)), initial_state.begin() + long(place(p)) + s.H);
        for (Index n = 0; n < length; ++n) {
            const Index t = d == 0 ? n : length - 1 - n;
            const Numbers old = state, projected = project(&x[size_t((b * s.T + t) * s.I)], weight_ih[d], bias_ih[d], s.I);
            reference_step(cell, projected, weight_hh[d], bias_hh[d], s.H, state,
                           s.masked ? &recurrent_dropout_mask[size_t((d * s.B + b) * s.H)] : nullptr);
            for (Index k = 0; k < P * s.H && s.masked; ++k) {
                const Index p = k / s.H, j = k % s.H;
                const double keep = zoneout_mask[size_t((((d * P + p) * s.T + t) * s.B + b) * s.H + j)];
                state[size_t(k)] = keep * old[size_t(k)] + (1 - keep) * state[size_t(k)];
            }
            for (Index j = 0; j < s.H; ++j)
                error = std::fmax(error, std::fabs(y[size_t(((b * s.T + t) * s.D + d) * s.H + j)] - state[size_t(j)]));
        }
        for (Index p = 0; p < P; ++p)
            for (Index j = 0; j < s.H; ++j)
                error = std::fmax(error, std::fabs(final_state[place(p) + size_t(j)] - state[size_t(p * s.H + j)]));
        return error;
    }

    // Every differentiable input, with its gradient.
    std::vector<std::pair<const Numbers*, const Numbers*>> inputs() const {
        std::vector<std::pair<const Numbers*, const Numbers*>> all{{&initial_state, &grad_initial_state}, {&x, &grad_x}};
        for (Index d = 0; d < s.D; ++d)
            all.insert(all.end(), {{&weight_ih[d], &grad_weight_ih[d]}, {&weight_hh[d], &grad_weight_hh[d]},
                                   {&bias_ih[d], &grad_bias_ih[d]}, {&bias_hh[d], &grad_bias_hh[d]}});
        return all;
    }

    // The loss after all inputs have moved by `step` along a fixed direction.
    double moved_loss(const Kernels& kernels, double step) const {
        std::vector<Numbers> moved;
        for (const auto& [value, gradient] : inputs()) {
            moved.push_back(*value);
            for (size_t k = 0; k < value->size(); ++k) moved.back()[k] += step * std::sin(double(k + moved.size()));
        }
        Numbers other_saved(saved.size()), other_y(y.size()), other_final(final_state.size());
        SequenceCall other = call;
        other.initial_state = moved[0].data(), other.x = moved[1].data(), other.saved = other_saved.data();
        other.y = other_y.data(), other.final_state = other_final.data();
        for (size_t d = 0, k = 2; d < size_t(s.D); ++d) {
            other.weight_ih[d] = moved[k++].data(), other.weight_hh[d] = moved[k++].data();
            other.bias_ih[d] = moved[k++].data(), other.bias_hh[d] = moved[k++].data();
        }
        kernels.run_sequence(other, false);
        double sum = 0;
        for (size_t k = 0; k < other_y.size(); ++k) sum += other_y[k] * grad_y[k];
        for (size_t k = 0; k < other_final.size(); ++k) sum += other_final[k] * grad_final_state[k];
        return sum;
    }

    // The difference quotient of the loss along all inputs against the gradients; it has about 8 correct digits.
    double backward_error(const Kernels& kernels) const {
        double along = 0, size = 1;
        const auto all = inputs();
        for (size_t n = 0; n < all.size(); ++n)
            for (size_t k = 0; k < all[n].second->size(); ++k) {
                const double gradient = (*all[n].second)[k];
                along += gradient * std::sin(double(k + n + 1)), size += std::fabs(gradient);
            }
        const double quotient = (moved_loss(kernels, 1e-5) - moved_loss(kernels, -1e-5)) / 2e-5;
        return std::fabs(quotient - along) / size * 1e-4;
    }
};

}  // namespace

double sequence_error(const Kernels& kernels, CellKind cell, Shape shape, Random& random) {
    Sequence sequence(cell, shape, random);
    kernels.run_sequence(sequence.call, false);
    double error = 0;
    for (Index d = 0; d < shape.D; ++d)
        for (Index r = 0; r < shape.B; ++r) error = std::fmax(error, sequence.forward_error(d, r));
    kernels.run_sequence(sequence.call, true);
    return cell == kRnnRelu ? error : std::fmax(error, sequence.backward_error(kernels));  // relu has a kink
}

}  // namespace recurra::test
