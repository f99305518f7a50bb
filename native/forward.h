// The forward pass of one layer: each thread runs its part of the batch over all time steps, without a barrier.
#pragma once

#include "layout.h"

namespace recurra::RECURRA_TARGET {

template <class S, template <class> class C>
struct Forward : Layout<S, C> {
    using L = Layout<S, C>;
    using X = typename L::X;
    using V = typename L::V;
    using Cell = typename L::Cell;
    using L::call, L::bounds, L::num_parts, L::packed_size, L::W, L::G, L::P;
    // Vectors of units in a slice of the packed weights. A cell with one gate uses four vectors, because one vector alone
    // would leave too few independent sums.
    static constexpr int kMaxUnitVectors = G == 1 ? 4 : 1;
    static constexpr int kMaxRows = kAccumulators / (G * kMaxUnitVectors);

    // Packed weights --------------------------------------------------------------------------------------------

    // Packs weights (G*H, K): for each slice of units and each k, the gates lie next to each other in whole vectors.
    // `packed` must be zero on entry.
    static void pack(const S* weight, Index K, Index H, S* packed) {
        for (Index unit = 0; unit < H;) {
            const Index units = chunk_size(kMaxUnitVectors, (H - unit + W - 1) / W);
            for (Index u = 0; u < units; ++u)
                for (int g = 0; g < G; ++g)
                    for (Index k = 0; k < K; k += W) {  // a square of W units and W columns
                        V square[W]{};
                        const Index first = unit + u * W, rows = smaller(W, H - first), columns = smaller(W, K - k);
                        for (Index j = 0; j < rows; ++j) square[j] = X::load(weight + (g * H + first + j) * K + k, columns);
                        X::transpose(square);
                        for (Index j = 0; j < columns; ++j)
                            X::store(packed + (((k + j) * units + u) * G + g) * W, square[j]);
                    }
            packed += units * W * G * K;
            unit += units * W;
        }
    }

    // A tile: several rows (one sequence at one time step each) times one slice of units -------------------------

    // One sequence at one time step.
    struct Row {
        const S* x;
        S* projected;               // W x + b
        S* saved;                   // values for the backward pass, or null
        const S* state[P];
        const S* recurrent_input;   // h, after the recurrent dropout mask
        const S* zoneout[P];        // the zoneout mask of each state component, or null
        S* y;
        S* cell_state;              // where c' is stored if it is not part of `saved`
    };

    // The pre-activations of a tile from one input (x or h): the sums start at the bias.
    template <int R, int U>
    [[gnu::always_inline]] static inline void accumulate_gates(const S* Row::* input, const Row* rows, const S* w,
                                                               const S* bias, Index unit, Index K, Index H,
                                                               V (&sum)[R][U * G]) {
#pragma GCC unroll 24
        for (int u = 0; u < U; ++u)
#pragma GCC unroll 24
            for (int g = 0; g < G; ++g) {
                const Index at = unit + u * W;
                const V b = bias ? X::load(bias + g * H + at, H - at) : V{};
#pragma GCC unroll 24
                for (int r = 0; r < R; ++r) sum[r][u * G + g] = b;
            }
        const S* inputs[R];
#pragma GCC unroll 24
        for (int r = 0; r < R; ++r) inputs[r] = rows[r].*input;
        product<R, U * G, X>(inputs, w, K, sum);
    }

    // W x + b of a tile. The rows may belong to different time steps.
    template <int R, int U>
    static void project(const Row* rows, const S* w, const S* bias, Index unit, Index I, Index H) {
        V sum[R][U * G];
        accumulate_gates<R, U>(&Row::x, rows, w, bias, unit, I, H, sum);
#pragma GCC unroll 24
        for (int r = 0; r < R; ++r)
#pragma GCC unroll 24
            for (int u = 0; u < U; ++u)
#pragma GCC unroll 24
                for (int g = 0; g < G; ++g) {
                    const Index at = unit + u * W;
                    X::store(rows[r].projected + g * H + at, sum[r][u * G + g], H - at);
                }
    }

    // One time step of a tile: U h + c, the gates, zoneout, and the new state.
    template <int R, int U>
    static void tile(const Row* rows, const S* w, const S* bias, Index unit, Index H) {
        V sum[R][U * G];
        accumulate_gates<R, U>(&Row::recurrent_input, rows, w, bias, unit, H, H, sum);
#pragma GCC unroll 24
        for (int r = 0; r < R; ++r)
#pragma GCC unroll 24
            for (int u = 0; u < U; ++u) {
                const Row& row = rows[r];
                const Index at = unit + u * W, n = H - at;
                V projected[G], state[P], new_state[P], saved[Cell::kSaved];
#pragma GCC unroll 24
                for (int g = 0; g < G; ++g) projected[g] = X::load(row.projected + g * H + at, n);
#pragma GCC unroll 24
                for (int p = 0; p < P; ++p) state[p] = X::load(row.state[p] + at, n);
                Cell::forward(projected, &sum[r][u * G], state, new_state, saved);
#pragma GCC unroll 24
                for (int p = 0; p < P; ++p)
                    if (row.zoneout[p]) {
                        const V keep = X::load(row.zoneout[p] + at, n);
                        new_state[p] = keep * state[p] + (1 - keep) * new_state[p];
                        // The next step reads the state after zoneout. Cell::cell_state recomputes c' before it.
                        if (p > 0) saved[Cell::kSaved - 1] = new_state[p];
                    }
                X::store(row.y + at, new_state[0], n);
                if (row.saved) {
#pragma GCC unroll 24
                    for (int k = 0; k < Cell::kSaved; ++k) X::store(row.saved + k * H + at, saved[k], n);
                } else if constexpr (P > 1) {
                    X::store(row.cell_state + at, new_state[1], n);
                }
            }
    }

    // Calls f(rows, R, U, unit, weights) for every tile of `count` rows and every slice of the packed weights (K).
    template <class F>
    static void tiles(const Row* rows, Index count, const S* w, Index K, Index H, F&& f) {
        for (Index unit = 0; unit < H && count > 0;) {
            const Index units = chunk_size(kMaxUnitVectors, (H - unit + W - 1) / W);
            with_constant<kMaxUnitVectors>(units, [&](auto U) {
                for (Index r = 0, size; r < count; r += size) {
                    size = chunk_size(kMaxRows, count - r);
                    with_constant<kMaxRows>(size, [&](auto R) { f(&rows[r], R, U, unit, w); });
                }
            });
            w += units * W * G * K;
            unit += units * W;
        }
    }

    // Over time -------------------------------------------------------------------------------------------------

    // W x + b of all sequences of a part, for the `steps` time steps that start at position n of the direction.
    void project_steps(int d, Index begin, Index end, Index n, Index steps, Row* rows, S* projected) const {
        Index count = 0;
        for (Index k = n; k < smaller(n + steps, call.T); ++k) {
            const Index t = this->time_step(d, k), batch_size = this->active_batch_size(begin, end, t);
            for (Index r = 0; r < batch_size; ++r, ++count) {
                rows[count].x = static_cast<const S*>(call.x) + this->offset(call.x_strides, t, begin + r);
                rows[count].projected = projected + count * G * call.H;
            }
        }
        const S* bias = static_cast<const S*>(call.bias_ih[d]);
        const auto project_tile = [&](const Row* tile_rows, auto R, auto U, Index unit, const S* w) {
            project<decltype(R)::value, decltype(U)::value>(tile_rows, w, bias, unit, call.I, call.H);
        };
        tiles(rows, count, packed_ih[d].data, call.I, call.H, project_tile);
    }

    // Runs sequences `begin` to `end` over all time steps. `rows` and `projected` (*, G*H) have scratch_rows(end - begin)
    // entries. `masked_h` and `cell_state` have one entry (H) for each sequence: h after the recurrent dropout mask, and c'
    // where it is not saved for the backward pass.
    void run_part(int d, Index begin, Index end, Row* rows, S* projected, S* masked_h, S* cell_state) const {
        const Index H = call.H, steps = scratch_rows(end - begin) / (end - begin);
        for (Index n = 0, done = 0; n < call.T; ++n) {
            if (n % steps == 0) project_steps(d, begin, end, n, steps, rows, projected), done = 0;
            const Index t = this->time_step(d, n), batch_size = this->active_batch_size(begin, end, t);
            for (Index r = 0; r < batch_size; ++r) {
                Row& row = rows[r];
                row.projected = projected + (done + r) * G * H;
                row.saved = call.save_for_backward ? this->saved(d, t, begin + r) : nullptr;
                row.cell_state = cell_state + r * H;
#pragma GCC unroll 24
                for (int p = 0; p < P; ++p) {
                    const bool carried = p > 0 && !call.save_for_backward && !this->is_first_step(d, t, begin + r);
                    row.state[p] = carried ? row.cell_state : this->state_before(d, p, t, begin + r);
                    row.zoneout[p] = this->zoneout_mask(d, p, t, begin + r);
                }
                row.y = this->y(d, t, begin + r);
                row.recurrent_input = row.state[0];
                if (const S* mask = this->recurrent_mask(d, begin + r)) {
                    S* masked = masked_h + r * H;
                    for (Index at = 0; at < H; at += W)
                        X::store(masked + at, X::load(row.recurrent_input + at, H - at) * X::load(mask + at, H - at), H - at);
                    row.recurrent_input = masked;
                }
            }
            tiles(rows, batch_size, packed_hh[d].data, H, H, [&](const Row* tile_rows, auto R, auto U, Index unit, const S* w) {
                tile<decltype(R)::value, decltype(U)::value>(tile_rows, w, static_cast<const S*>(call.bias_hh[d]), unit, H);
            });
            done += batch_size;
        }
        for (Index r = begin; r < end; ++r)
#pragma GCC unroll 24
            for (int p = 0; p < P; ++p) {
                const Index t = d == 0 ? call.lengths[r] - 1 : 0;
                const S* source = call.lengths[r] == 0 ? static_cast<const S*>(call.initial_state) + this->state_offset(d, p, r)
                                  : p == 0 ? this->y(d, t, r)
                                  : call.save_for_backward ? this->saved(d, t, r) + (Cell::kSaved - 1) * H
                                                           : cell_state + (r - begin) * H;
                copy(source, H, static_cast<S*>(call.final_state) + this->state_offset(d, p, r));
            }
    }

    // The whole batch --------------------------------------------------------------------------------------------------

    Buffer<S> packed_ih[2], packed_hh[2];
    Buffer<Row> rows;
    Buffer<S> projected, masked_h, cell_state;

    // All memory is allocated here, before any thread starts.
    explicit Forward(const SequenceCall& call) : L(call) {
        this->partition(call.team.threads > call.D ? call.team.threads / call.D : 1, 0, call.T);
        for (Index d = 0; d < call.D; ++d)
            packed_ih[d] = Buffer<S>(packed_size(call.I, call.H)), packed_hh[d] = Buffer<S>(packed_size(call.H, call.H));
        const Index scratch = call.D * (call.B + num_parts * kProjectRows);
        rows = Buffer<Row>(scratch);
        projected = Buffer<S>(scratch * G * call.H, false);
        masked_h = Buffer<S>(call.recurrent_dropout_mask[0] || call.recurrent_dropout_mask[1] ? call.D * call.B * call.H : 0);
        cell_state = Buffer<S>(call.save_for_backward || P == 1 ? 0 : call.D * call.B * call.H);
    }

    static void pack_one(void* context, Index n) {
        auto& pass = *static_cast<Forward*>(context);
        const SequenceCall& call = pass.call;
        const Index d = n / 2;
        n % 2 ? pack(static_cast<const S*>(call.weight_ih[d]), call.I, call.H, pass.packed_ih[d].data)
              : pack(static_cast<const S*>(call.weight_hh[d]), call.H, call.H, pass.packed_hh[d].data);
    }

    static void task(void* context, Index n) {
        auto& pass = *static_cast<Forward*>(context);
        const Index d = n / pass.num_parts, part = n % pass.num_parts, H = pass.call.H;
        const Index begin = pass.bounds.data[part], end = pass.bounds.data[part + 1];
        const Index at = d * pass.call.B + begin, scratch = at + n * kProjectRows;
        pass.run_part(int(d), begin, end, pass.rows.data + scratch, pass.projected.data + scratch * G * H,
                      pass.masked_h.data + at * H, pass.cell_state.data + at * H);
    }

    static void run(const SequenceCall& call) {
        Forward pass(call);
        in_parallel(call.team, 2 * call.D, &Forward::pack_one, &pass);
        in_parallel(call.team, pass.num_parts * call.D, &Forward::task, &pass);
    }
};

}  // namespace recurra::RECURRA_TARGET
