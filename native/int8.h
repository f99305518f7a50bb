// A layer with 8-bit weights, forward only: over a padded batch, or one time step of streams. A step of few sequences is limited
// by reading the weights, and these take a quarter of the memory.
//
// Each row of the weights has a scale: w = scale * q with |q| <= 127. The inputs x and h of a sequence are rounded at each time
// step to 16 bits, with one scale for all of x and one for all of h; this rounding is small compared with that of the weights.
// The products are summed exactly (int8_product.h), and the gates are computed in float. So the results do not depend on how
// the work is divided: a step of a stream equals a step of a sequence.
#pragma once

#include "int8_product.h"
#include "layout.h"

namespace recurra::RECURRA_TARGET {

// Weights (G*H, K) with one scale for each row, and a bias (G*H) or null.
struct Int8Weights {
    const std::int8_t* data;
    const float *scale, *bias;
    Index K;
};

template <template <class> class C>
struct Int8 : Layout<float, C> {
    using L = Layout<float, C>;
    using X = typename L::X;
    using V = typename L::V;
    using Cell = typename L::Cell;
    using L::call, L::bounds, L::num_parts, L::W, L::G, L::P;
    static constexpr int kMaxRows = 2;

    // One sequence at one time step.
    struct Row {
        Int8Input input;        // x or h
        float* projected;       // W x + b (G*H)
        const float* state[P];  // before the step
        float* new_state[P];    // may be the same memory: h is read from `input`
    };

    // sum[r][g] = bias + the dot products of input r with the rows of gate g of the units from `unit` on.
    template <int R>
    static void gate_sums(const Row* rows, const Int8Weights& weights, Index unit, Index H, V (&sum)[R][G]) {
        const Index n = H - unit, K = weights.K;
        Int8Input inputs[R];
        for (int r = 0; r < R; ++r) inputs[r] = rows[r].input;
        for (int g = 0; g < G; ++g) {
            constexpr int groups = (W + kInt8Rows - 1) / kInt8Rows;
            float values[R][groups * kInt8Rows]{};
            for (int first = 0; first < smaller(W, n); first += kInt8Rows) {
                Int8Rows w;
                for (int j = 0; j < kInt8Rows; ++j)
                    w.row[j] = weights.data + (g * H + unit + smaller(first + j, n - 1)) * K;
                w.end = weights.data + G * H * K;
                std::int32_t integers[R][kInt8Rows];
                int8_dot_products<R>(w, inputs, K, integers);
                for (int r = 0; r < R; ++r)
                    for (int j = 0; j < kInt8Rows; ++j) values[r][first + j] = float(integers[r][j]);
            }
            const V scale = X::load(weights.scale + g * H + unit, n);
            const V bias = weights.bias ? X::load(weights.bias + g * H + unit, n) : V{};
            for (int r = 0; r < R; ++r) sum[r][g] = X::load(values[r]) * (scale * inputs[r].scale) + bias;
        }
    }

    // Calls f(row, R, unit) for every tile of rows and every vector of units. The weights of the units stay in cache.
    template <class F>
    static void tiles(Row* rows, Index count, Index H, F&& f) {
        for (Index unit = 0; unit < H; unit += W)
            for (Index r = 0, size; r < count; r += size) {
                size = chunk_size(kMaxRows, count - r);
                with_constant<kMaxRows>(size, [&](auto R) { f(rows + r, R, unit); });
            }
    }

    // W x + b; the input of a row is x.
    static void project(Row* rows, Index count, const Int8Weights& weights, Index H) {
        tiles(rows, count, H, [&](const Row* tile, auto R, Index unit) {
            V sum[decltype(R)::value][G];
            gate_sums<decltype(R)::value>(tile, weights, unit, H, sum);
            for (int r = 0; r < R; ++r)
                for (int g = 0; g < G; ++g) X::store(tile[r].projected + g * H + unit, sum[r][g], H - unit);
        });
    }

    // The gates and the new state; the input of a row is h.
    static void step(Row* rows, Index count, const Int8Weights& weights, Index H) {
        tiles(rows, count, H, [&](const Row* tile, auto R, Index unit) {
            V sum[decltype(R)::value][G];
            gate_sums<decltype(R)::value>(tile, weights, unit, H, sum);
            for (int r = 0; r < R; ++r) {
                const Index n = H - unit;
                V projected[G], state[P], new_state[P], saved[Cell::kSaved];
                for (int g = 0; g < G; ++g) projected[g] = X::load(tile[r].projected + g * H + unit, n);
                for (int p = 0; p < P; ++p) state[p] = X::load(tile[r].state[p] + unit, n);
                Cell::forward(projected, sum[r], state, new_state, saved);
                for (int p = 0; p < P; ++p) X::store(tile[r].new_state[p] + unit, new_state[p], n);
            }
        });
    }

    // Streams -----------------------------------------------------------------------------------------------------------

    // One time step of the streams `begin` to `end`. The caller owns all memory.
    static void run(const StepCall& call, Index begin, Index end) {
        const Index H = call.H, K_ih = int8_padded(call.I), stride = K_ih + int8_padded(H);
        const Int8Weights ih{static_cast<const std::int8_t*>(call.weight_ih), call.scale_ih,
                             static_cast<const float*>(call.bias_ih), call.I};
        const Int8Weights hh{static_cast<const std::int8_t*>(call.weight_hh), call.scale_hh,
                             static_cast<const float*>(call.bias_hh), H};
        Row rows[kProjectRows];
        for (Index first = begin, count; first < end; first += count) {
            count = smaller(kProjectRows, end - first);
            for (Index r = 0; r < count; ++r) {
                const Index stream = first + r;
                rows[r].projected = static_cast<float*>(call.scratch) + stream * G * H;
                for (int p = 0; p < P; ++p)
                    rows[r].state[p] = rows[r].new_state[p] = static_cast<float*>(call.state) + (p * call.B + stream) * H;
                rows[r].input = int8_round(static_cast<const float*>(call.x) + stream * call.x_stride, call.I,
                                           call.quantized + stream * stride);
            }
            project(rows, count, ih, H);
            for (Index r = 0; r < count; ++r)
                rows[r].input = int8_round(rows[r].state[0], H, call.quantized + (first + r) * stride + K_ih);
            step(rows, count, hh, H);
        }
    }

    // Sequences ---------------------------------------------------------------------------------------------------------

    Buffer<Row> rows;
    Buffer<std::int16_t> rounded;
    Buffer<float> projected, cell_state;

    // All memory is allocated here, before any thread starts.
    explicit Int8(const SequenceCall& sequence_call) : L(sequence_call) {
        this->partition(call.team.threads > call.D ? call.team.threads / call.D : 1, 0, call.T);
        const Index scratch = call.D * (call.B + num_parts * kProjectRows);
        rows = Buffer<Row>(scratch);
        rounded = Buffer<std::int16_t>(scratch * (int8_padded(call.I) + int8_padded(call.H)));
        projected = Buffer<float>(scratch * G * call.H, false);
        cell_state = Buffer<float>(P == 1 ? 0 : call.D * call.B * call.H);
    }

    Int8Weights weights_ih(Index d) const {
        return {static_cast<const std::int8_t*>(call.weight_ih[d]), call.scale_ih[d],
                static_cast<const float*>(call.bias_ih[d]), call.I};
    }
    Int8Weights weights_hh(Index d) const {
        return {static_cast<const std::int8_t*>(call.weight_hh[d]), call.scale_hh[d],
                static_cast<const float*>(call.bias_hh[d]), call.H};
    }

    // Runs sequences `begin` to `end` over all time steps of direction d. The scratch memory is that of this part.
    void run_part(Index d, Index begin, Index end, Row* rows, std::int16_t* rounded, float* projected, float* cell_state) const {
        const Index H = call.H, K_ih = int8_padded(call.I), stride = K_ih + int8_padded(H);
        const Index steps = scratch_rows(end - begin) / (end - begin);
        const Int8Weights ih = weights_ih(d), hh = weights_hh(d);
        for (Index n = 0, done = 0; n < call.T; ++n) {
            if (n % steps == 0) {  // W x + b of the next `steps` time steps
                Index count = 0;
                for (Index k = n; k < smaller(n + steps, call.T); ++k) {
                    const Index t = this->time_step(int(d), k);
                    for (Index r = 0; r < this->active_batch_size(begin, end, t); ++r, ++count) {
                        const auto* x = static_cast<const float*>(call.x) + this->offset(call.x_strides, t, begin + r);
                        rows[count].input = int8_round(x, call.I, rounded + count * stride);
                        rows[count].projected = projected + count * G * H;
                    }
                }
                project(rows, count, ih, H);
                done = 0;
            }
            const Index t = this->time_step(int(d), n), batch_size = this->active_batch_size(begin, end, t);
            for (Index r = 0; r < batch_size; ++r) {
                Row& row = rows[done + r];
                const bool is_first = this->is_first_step(int(d), t, begin + r);
                for (int p = 0; p < P; ++p) {
                    float* carried = cell_state + r * H;
                    row.state[p] = p == 0 || is_first ? this->state_before(int(d), p, t, begin + r) : carried;
                    row.new_state[p] = p == 0 ? this->y(int(d), t, begin + r) : carried;
                }
                row.input = int8_round(row.state[0], H, rounded + (done + r) * stride + K_ih);
            }
            step(rows + done, batch_size, hh, H);
            done += batch_size;
        }
        for (Index r = begin; r < end; ++r)
            for (int p = 0; p < P; ++p) {
                const Index last = d == 0 ? call.lengths[r] - 1 : 0;
                const float* source = call.lengths[r] == 0
                                          ? static_cast<const float*>(call.initial_state) + this->state_offset(int(d), p, r)
                                      : p == 0 ? this->y(int(d), last, r)
                                               : cell_state + (r - begin) * H;
                copy(source, H, static_cast<float*>(call.final_state) + this->state_offset(int(d), p, r));
            }
    }

    static void task(void* context, Index n) {
        auto& pass = *static_cast<Int8*>(context);
        const Index d = n / pass.num_parts, part = n % pass.num_parts, H = pass.call.H;
        const Index begin = pass.bounds.data[part], end = pass.bounds.data[part + 1];
        const Index at = d * pass.call.B + begin, scratch = at + n * kProjectRows;
        const Index stride = int8_padded(pass.call.I) + int8_padded(H);
        pass.run_part(d, begin, end, pass.rows.data + scratch, pass.rounded.data + scratch * stride,
                      pass.projected.data + scratch * G * H, pass.cell_state.data + at * H);
    }

    static void run(const SequenceCall& call) {
        Int8 pass(call);
        in_parallel(call.team, pass.num_parts * call.D, &Int8::task, &pass);
    }
};

}  // namespace recurra::RECURRA_TARGET
