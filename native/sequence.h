// A cell over time, with rows of different length.
//
// A thread owns its rows for the whole sequence, so nobody waits at a step. The rows are sorted, longest first: those
// alive at a step are the first ones, a row that has ended costs nothing, and in the reverse direction a row simply
// begins at its own last step.
#pragma once

#include "call.h"
#include "product.h"

namespace recurra::RECURRA_TARGET {

// to[r] (H) += rows[r] (K) times a slice of packed weights, times mask[r] (H), for U vectors of columns from `unit` on.
template <int R, int U, class X, class S = typename X::Scalar>
[[gnu::noinline]] void add_product(const S* const* rows, S* const* to, const S* const* mask, const S* w, Index unit,
                                   Index H, Index K) {
    typename X::V sum[R][U]{};  // from zero: added to what is there one by one, the terms would lose their last digits
    product<R, U, X>(rows, w, K, sum);
#pragma GCC unroll 24
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 24
        for (int u = 0; u < U; ++u) {
            S* at = to[r] + unit + u * X::width;
            const Index n = H - unit - u * X::width;
            if (mask) sum[r][u] *= X::load(mask[r] + unit + u * X::width, n);
            X::store(at, X::load(at, n) + sum[r][u], n);
        }
}

template <class S, template <class> class C>
struct Sequence {
    using X = Vec<S>;
    using V = typename X::V;
    using Cell = C<X>;
    static constexpr int W = X::width, G = Cell::gates, P = Cell::parts;
    // Vectors of units in a slice: a cell with one gate takes four, or there would be too few sums in flight.
    static constexpr int most_units = G == 1 ? 4 : 1;
    static constexpr int most_rows = registers / (G * most_units);
    static constexpr int back_units = 4, back_rows = registers / back_units;

    // forward ---------------------------------------------------------------------------------------------------

    static Index packed_size(Index K, Index H) { return (H + W - 1) / W * W * G * K; }

    // Weights (G*H, K) -> for each slice of units, for each k, its gates side by side, in whole vectors; `to` is zeroed.
    static void pack_forward(const S* weight, Index K, Index H, S* to) {
        for (Index unit = 0; unit < H;) {
            const Index units = at_once(most_units, (H - unit + W - 1) / W);
            for (Index u = 0; u < units; ++u)
                for (int g = 0; g < G; ++g)
                    for (Index k = 0; k < K; k += W) {  // a square of W units and W places of K at a time
                        V square[W]{};
                        const Index first = unit + u * W, rows = least(W, H - first), columns = least(W, K - k);
                        for (Index j = 0; j < rows; ++j) square[j] = X::load(weight + (g * H + first + j) * K + k, columns);
                        X::transpose(square);
                        for (Index j = 0; j < columns; ++j)
                            X::store(to + (((k + j) * units + u) * G + g) * W, square[j]);
                    }
            to += units * W * G * K;
            unit += units * W;
        }
    }

    // One row at one step.
    struct Row {
        const S* x;
        S* sums;          // W x + b
        S* kept;          // where goes what the backward pass needs; null: nothing
        const S* before[P];
        const S* read;    // h as the gates read it
        const S* keep[P]; // null: nothing stays
        S* after;
        S* memory;        // where c' goes, for cells that have one
    };

    // The sums of the gates of some units begin with their biases.
    template <int R, int U>
    static void start(const S* bias, Index unit, Index H, V (&sum)[R][U * G]) {
#pragma GCC unroll 24
        for (int u = 0; u < U; ++u)
#pragma GCC unroll 24
            for (int g = 0; g < G; ++g) {
                const Index at = unit + u * W;
                const V b = bias ? X::load(bias + g * H + at, H - at) : V{};
#pragma GCC unroll 24
                for (int r = 0; r < R; ++r) sum[r][u * G + g] = b;
            }
    }

    // W x + b of some rows, at whatever steps.
    template <int R, int U>
    static void project(const Row* rows, const S* w, const S* bias, Index unit, Index I, Index H) {
        V sum[R][U * G];
        start<R, U>(bias, unit, H, sum);
        const S* x[R];
#pragma GCC unroll 24
        for (int r = 0; r < R; ++r) x[r] = rows[r].x;
        product<R, U * G, X>(x, w, I, sum);
#pragma GCC unroll 24
        for (int r = 0; r < R; ++r)
#pragma GCC unroll 24
            for (int u = 0; u < U; ++u)
#pragma GCC unroll 24
                for (int g = 0; g < G; ++g) {
                    const Index at = unit + u * W;
                    X::store(rows[r].sums + g * H + at, sum[r][u * G + g], H - at);
                }
    }

    template <int R, int U>
    static void tile(const Row* rows, const S* w, const S* bias, Index unit, Index H) {
        V sum[R][U * G];
        start<R, U>(bias, unit, H, sum);
        const S* h[R];
#pragma GCC unroll 24
        for (int r = 0; r < R; ++r) h[r] = rows[r].read;
        product<R, U * G, X>(h, w, H, sum);
#pragma GCC unroll 24
        for (int r = 0; r < R; ++r)
#pragma GCC unroll 24
            for (int u = 0; u < U; ++u) {
                const Row& row = rows[r];
                const Index at = unit + u * W, n = H - at;
                V x[G], before[P], after[P], kept[Cell::saved];
#pragma GCC unroll 24
                for (int g = 0; g < G; ++g) x[g] = X::load(row.sums + g * H + at, n);
#pragma GCC unroll 24
                for (int p = 0; p < P; ++p) before[p] = X::load(row.before[p] + at, n);
                Cell::forward(x, &sum[r][u * G], before, after, kept);
#pragma GCC unroll 24
                for (int p = 0; p < P; ++p)
                    if (row.keep[p]) {
                        const V share = X::load(row.keep[p] + at, n);
                        after[p] = share * before[p] + (1 - share) * after[p];
                        if (p > 0) kept[Cell::saved - 1] = after[p];  // the state of the next step; `memory` finds c'
                    }
                X::store(row.after + at, after[0], n);
                if (row.kept) {
#pragma GCC unroll 24
                    for (int k = 0; k < Cell::saved; ++k) X::store(row.kept + k * H + at, kept[k], n);
                } else if constexpr (P > 1) {
                    X::store(row.memory + at, after[1], n);
                }
            }
    }

    static S* gates_of(const Call& q, int d, Index t, Index r) {
        return static_cast<S*>(q.gates) + ((q.offset[t] + r) * q.D + d) * Cell::saved * q.H;
    }
    static const S* first_of(const Call& q, int d, int p, Index r) {
        return static_cast<const S*>(q.first) + ((p * q.D + d) * q.B + q.row[r]) * q.H;
    }
    static S* y_of(const Call& q, int d, Index t, Index r) {
        return static_cast<S*>(q.y) + ((q.offset[t] + r) * q.D + d) * q.H;
    }
    // Part p of the state that row r has before step t of direction d.
    static const S* before(const Call& q, int d, int p, Index t, Index r) {
        if (d == 0 ? t == 0 : t == q.length[r] - 1) return first_of(q, d, p, r);
        const Index earlier = d == 0 ? t - 1 : t + 1;
        return p == 0 ? y_of(q, d, earlier, r) : gates_of(q, d, earlier, r) + (Cell::saved - 1) * q.H;
    }

    // The share of part p that stays, or null.
    static const S* keep_of(const Call& q, int d, int p, Index t, Index r) {
        const Keep& keep = q.stays[d][p];
        return keep.data ? static_cast<const S*>(keep.data) + t * keep.step + q.row[r] * keep.row : nullptr;
    }
    static const S* mask_of(const Call& q, int d, Index r) {
        return q.read[d] ? static_cast<const S*>(q.read[d]) + q.row[r] * q.H : nullptr;
    }

    // f(rows, size, units, unit, weights) for all tiles of some rows and all slices of packed weights (K).
    template <class F>
    static void tiles(Row* rows, Index count, const S* w, Index K, Index H, F&& f) {
        for (Index unit = 0; unit < H && count > 0;) {
            const Index units = at_once(most_units, (H - unit + W - 1) / W);
            constant<most_units>(units, [&](auto U) {
                for (Index r = 0, size; r < count; r += size) {
                    size = at_once(most_rows, count - r);
                    constant<most_rows>(size, [&](auto R) { f(&rows[r], R, U, unit, w); });
                }
            });
            w += units * W * G * K;
            unit += units * W;
        }
    }

    // What the input adds is computed for so many rows and steps at a time: the weights are read once for all of them, and
    // the results are still in the cache when their steps come.
    static constexpr Index projected = 64;

    static Index room(Index count) { return count < projected ? projected : count; }

    // `rows`, `sums` (*, G*H): room(end - begin) of them. For each row, `masked` (H): h as the gates read it; `memory` (H):
    // c', where nothing is kept.
    static void forward(const Call& q, int d, Index begin, Index end, const S* packed_x, const S* packed_h, Row* rows,
                        S* sums, S* masked, S* memory) {
        const Index H = q.H, steps = room(end - begin) / (end - begin);
        const S *bias_x = static_cast<const S*>(q.bias_x[d]), *bias_h = static_cast<const S*>(q.bias_h[d]);
        const auto step = [&](Index n) { return d == 0 ? n : q.T - 1 - n; };
        const auto live = [&](Index t) { return q.alive[t] > begin ? least(end, q.alive[t]) - begin : 0; };
        for (Index n = 0, done = 0; n < q.T; ++n) {
            if (n % steps == 0) {
                Index count = 0;
                for (Index k = n; k < least(n + steps, q.T); ++k)
                    for (Index r = 0; r < live(step(k)); ++r, ++count) {
                        rows[count].x = static_cast<const S*>(q.x) + q.row[begin + r] * q.x_row + step(k) * q.x_step;
                        rows[count].sums = sums + count * G * H;
                    }
                tiles(rows, count, packed_x, q.I, H, [&](const Row* some, auto R, auto U, Index unit, const S* w) {
                    project<decltype(R)::value, decltype(U)::value>(some, w, bias_x, unit, q.I, H);
                });
                done = 0;
            }
            const Index t = step(n), alive = live(t);
            for (Index r = 0; r < alive; ++r) {
                Row& row = rows[r];
                row.sums = sums + (done + r) * G * H;
                row.kept = q.keep ? gates_of(q, d, t, begin + r) : nullptr;
                row.memory = memory + r * H;
                const bool inside = d == 0 ? t > 0 : t < q.length[begin + r] - 1;
#pragma GCC unroll 24
                for (int p = 0; p < P; ++p)
                    row.before[p] = p > 0 && inside && !q.keep ? row.memory : before(q, d, p, t, begin + r);
                row.after = y_of(q, d, t, begin + r);
                row.read = row.before[0];
#pragma GCC unroll 24
                for (int p = 0; p < P; ++p) row.keep[p] = keep_of(q, d, p, t, begin + r);
                if (const S* mask = mask_of(q, d, begin + r)) {
                    S* to = masked + r * H;
                    for (Index at = 0; at < H; at += W)
                        X::store(to + at, X::load(row.read + at, H - at) * X::load(mask + at, H - at), H - at);
                    row.read = to;
                }
            }
            tiles(rows, alive, packed_h, H, H, [&](const Row* some, auto R, auto U, Index unit, const S* w) {
                tile<decltype(R)::value, decltype(U)::value>(some, w, bias_h, unit, H);
            });
            done += alive;
        }
        for (Index r = begin; r < end; ++r)
#pragma GCC unroll 24
            for (int p = 0; p < P; ++p) {
                const Index t = d == 0 ? q.length[r] - 1 : 0;
                const S* from = q.length[r] == 0 ? first_of(q, d, p, r)
                                : p == 0         ? y_of(q, d, t, r)
                                : q.keep         ? gates_of(q, d, t, r) + (Cell::saved - 1) * H
                                                 : memory + (r - begin) * H;
                copy(from, H, static_cast<S*>(q.last) + ((p * q.D + d) * q.B + q.row[r]) * H);
            }
    }

    // backward --------------------------------------------------------------------------------------------------

    // weight_hh (G*H, H) -> for each slice of columns, for each row, its columns side by side.
    static void pack_backward(const S* weight, Index H, S* to) {
        for (Index unit = 0; unit < H;) {
            const Index units = at_once(back_units, (H - unit + W - 1) / W);
            for (Index k = 0; k < G * H; ++k, to += units * W)
                copy(weight + k * H + unit, least(units * W, H - unit), to);
            unit += units * W;
        }
    }

    // `carried` (count * parts, H), zeros: the gradient by the state, on its way back through time.
    static void backward(const Call& q, int d, Index begin, Index end, const S* packed, S* carried, const S** deltas,
                         S** gradient, const S** mask) {
        const Index H = q.H, count = end - begin;
        const auto* grad_y = static_cast<const S*>(q.grad_y);
        const auto* grad_last = static_cast<const S*>(q.grad_last);
        auto* grad_first = static_cast<S*>(q.grad_first);
        const auto carry = [&](int p, Index r) { return carried + (p * count + r) * H; };
        const auto of_state = [&](int p, Index r) { return ((p * q.D + d) * q.B + q.row[begin + r]) * H; };
        for (int p = 0; p < P && grad_last; ++p)
            for (Index r = 0; r < count; ++r) copy(grad_last + of_state(p, r), H, carry(p, r));
        for (Index r = 0; r < count; ++r) gradient[r] = carry(0, r), mask[r] = mask_of(q, d, begin + r);
        if (!q.read[d]) mask = nullptr;
        for (Index n = 0; n < q.T; ++n) {
            const Index t = d == 0 ? q.T - 1 - n : n, alive = least(end, q.alive[t]) - begin;
            const Index later = n + 1 == q.T ? t : d == 0 ? t - 1 : t + 1, live_later = q.alive[later] - begin;
            for (Index r = 0; r < alive; ++r) {
                const S* gates = gates_of(q, d, t, begin + r);
                const Index next = (q.offset[r < live_later ? later : t] + begin + r) * q.D + d;  // fetched meanwhile
                const S* dy = grad_y ? grad_y + ((q.offset[t] + begin + r) * q.D + d) * H : nullptr;
                S* delta = static_cast<S*>(q.deltas) + ((q.offset[t] + begin + r) * q.D + d) * Cell::deltas * H;
                const S* earlier[P];
#pragma GCC unroll 24
                for (int p = 0; p < P; ++p) earlier[p] = before(q, d, p, t, begin + r);
                const S* keep[P];
#pragma GCC unroll 24
                for (int p = 0; p < P; ++p) keep[p] = keep_of(q, d, p, t, begin + r);
                for (Index at = 0; at < H; at += W) {
                    const Index m = H - at;
                    V kept[Cell::saved], state[P], grad[P], out[Cell::deltas];
#pragma GCC unroll 24
                    for (int k = 0; k < Cell::saved; ++k) {
                        kept[k] = X::load(gates + k * H + at, m);
                        fetch(static_cast<const S*>(q.gates) + (next * Cell::saved + k) * H + at);
                    }
#pragma GCC unroll 24
                    for (int k = 0; k < Cell::deltas; ++k)
                        fetch(static_cast<const S*>(q.deltas) + (next * Cell::deltas + k) * H + at);
                    if (dy) fetch(grad_y + next * H + at);
#pragma GCC unroll 24
                    for (int p = 0; p < P; ++p) state[p] = X::load(earlier[p] + at, m);
#pragma GCC unroll 24
                    for (int p = 0; p < P; ++p) grad[p] = X::load(carry(p, r) + at, m);
                    if (dy) grad[0] += X::load(dy + at, m);
                    V stays[P]{};
#pragma GCC unroll 24
                    for (int p = 0; p < P; ++p)
                        if (keep[p]) {
                            const V share = X::load(keep[p] + at, m);
                            stays[p] = share * grad[p];
                            grad[p] *= 1 - share;
                            if constexpr (P > 1)
                                if (p > 0) kept[Cell::saved - 1] = Cell::memory(kept, state);
                        }
                    Cell::backward(kept, state, grad, out);
#pragma GCC unroll 24
                    for (int p = 0; p < P; ++p)
                        if (keep[p]) grad[p] += stays[p];
#pragma GCC unroll 24
                    for (int p = 0; p < P; ++p) X::store(carry(p, r) + at, grad[p], m);
#pragma GCC unroll 24
                    for (int k = 0; k < Cell::deltas; ++k) X::store(delta + k * H + at, out[k], m);
                }
                deltas[r] = delta + Cell::recurrent * H;
            }
            const S* w = packed;
            for (Index unit = 0; unit < H && alive > 0;) {
                const Index units = at_once(back_units, (H - unit + W - 1) / W);
                constant<back_units>(units, [&](auto U) {
                    for (Index r = 0, size; r < alive; r += size) {
                        size = at_once(back_rows, alive - r);
                        constant<back_rows>(size, [&](auto R) {
                            add_product<decltype(R)::value, decltype(U)::value, X>(
                                &deltas[r], &gradient[r], mask ? &mask[r] : nullptr, w, unit, H, G * H);
                        });
                    }
                });
                w += units * W * G * H;
                unit += units * W;
            }
        }
        for (int p = 0; p < P && grad_first; ++p)
            for (Index r = 0; r < count; ++r) copy(carry(p, r), H, grad_first + of_state(p, r));
    }

    // all rows --------------------------------------------------------------------------------------------------

    struct Run {
        const Call& q;
        bool back;
        Buffer<S> packed_x[2], packed_h[2];
        Buffer<Index> cuts;
        Index pieces = 0;
        Buffer<Row> rows;
        Buffer<S> sums, masked, memory;
        Buffer<S> carried;
        Buffer<const S*> deltas;
        Buffer<S*> gradient;
        Buffer<const S*> mask;

        Run(const Call& call, bool is_back) : q(call), back(is_back) {}

        static void pack(void* me, Index n) {
            auto& run = *static_cast<Run*>(me);
            const Call& q = run.q;
            const Index d = n % q.D;
            if (run.back)
                pack_backward(static_cast<const S*>(q.weight_h[d]), q.H, run.packed_h[d].data);
            else if (n < q.D)
                pack_forward(static_cast<const S*>(q.weight_h[d]), q.H, q.H, run.packed_h[d].data);
            else
                pack_forward(static_cast<const S*>(q.weight_x[d]), q.I, q.H, run.packed_x[d].data);
        }

        static void task(void* me, Index n) {
            auto& run = *static_cast<Run*>(me);
            const Call& q = run.q;
            const int d = int(n / run.pieces);
            const Index begin = run.cuts.data[n % run.pieces], end = run.cuts.data[n % run.pieces + 1];
            const Index at = d * q.B + begin;
            if (run.back)
                backward(q, d, begin, end, run.packed_h[d].data, run.carried.data + at * P * q.H, run.deltas.data + at,
                         run.gradient.data + at, run.mask.data + at);
            else
                forward(q, d, begin, end, run.packed_x[d].data, run.packed_h[d].data, run.rows.data + at + n * projected,
                        run.sums.data + (at + n * projected) * G * q.H, run.masked.data + at * q.H,
                        run.memory.data + at * q.H);
        }
    };

    // Packs the weights, shares the rows out, and runs. All memory is taken here, before any thread starts.
    static void run(const Call& q, bool back) {
        Run run(q, back);
        for (int d = 0; d < q.D; ++d) {
            run.packed_h[d] = Buffer<S>(packed_size(q.H, q.H));
            if (!back) run.packed_x[d] = Buffer<S>(packed_size(q.I, q.H));
        }
        in_parallel(q.team, back ? q.D : 2 * q.D, &Run::pack, &run);
        const Index wanted = q.team.threads > q.D ? q.team.threads / q.D : 1;
        run.cuts = Buffer<Index>(q.B + wanted + 1);
        run.pieces = share(q, wanted, run.cuts.data);
        if (back) {
            run.carried = Buffer<S>(q.D * q.B * P * q.H);
            run.deltas = Buffer<const S*>(q.D * q.B);
            run.gradient = Buffer<S*>(q.D * q.B);
            run.mask = Buffer<const S*>(q.D * q.B);
        } else {
            const Index room = q.D * (q.B + run.pieces * projected);
            run.rows = Buffer<Row>(room);
            run.sums = Buffer<S>(room * G * q.H);
            run.masked = Buffer<S>(q.read[0] || q.read[1] ? q.D * q.B * q.H : 0);
            run.memory = Buffer<S>(q.keep || P == 1 ? 0 : q.D * q.B * q.H);
        }
        in_parallel(q.team, run.pieces * q.D, &Run::task, &run);
    }
};

}  // namespace recurra::RECURRA_TARGET
