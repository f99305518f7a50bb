// A cell over time, forwards.
#pragma once

#include "layout.h"

namespace recurra::RECURRA_TARGET {

template <class S, template <class> class C>
struct Forward : Layout<S, C> {
    using L = Layout<S, C>;
    using X = typename L::X;
    using V = typename L::V;
    using Cell = typename L::Cell;
    using L::q, L::cuts, L::pieces, L::packed_size, L::W, L::G, L::P;
    // Vectors of units in a slice: a cell with one gate takes four, or there would be too few sums in flight.
    static constexpr int most_units = G == 1 ? 4 : 1;
    static constexpr int most_rows = registers / (G * most_units);

    // packed weights --------------------------------------------------------------------------------------------

    // Weights (G*H, K) -> for each slice of units, for each k, its gates side by side, in whole vectors; `to` is zeroed.
    static void pack(const S* weight, Index K, Index H, S* to) {
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

    // a tile: some rows, a slice of units -----------------------------------------------------------------------

    // One row at one step.
    struct Row {
        const S* x;
        S* sums;          // W x + b
        S* kept;          // where goes what the backward pass needs; null: nothing
        const S* before[P];
        const S* read;    // h as the gates read it
        const S* stays[P];  // null: nothing stays
        S* after;
        S* memory;        // where c' goes, for cells that have one
    };

    // The sums of the gates of some units over x or over h, whichever `of` is: they begin with their biases.
    template <int R, int U>
    [[gnu::always_inline]] static inline void sums_of(const S* Row::* of, const Row* rows, const S* w, const S* bias, Index unit,
                                                      Index K, Index H, V (&sum)[R][U * G]) {
#pragma GCC unroll 24
        for (int u = 0; u < U; ++u)
#pragma GCC unroll 24
            for (int g = 0; g < G; ++g) {
                const Index at = unit + u * W;
                const V b = bias ? X::load(bias + g * H + at, H - at) : V{};
#pragma GCC unroll 24
                for (int r = 0; r < R; ++r) sum[r][u * G + g] = b;
            }
        const S* terms[R];
#pragma GCC unroll 24
        for (int r = 0; r < R; ++r) terms[r] = rows[r].*of;
        product<R, U * G, X>(terms, w, K, sum);
    }

    // W x + b of some rows, at whatever steps.
    template <int R, int U>
    static void project(const Row* rows, const S* w, const S* bias, Index unit, Index I, Index H) {
        V sum[R][U * G];
        sums_of<R, U>(&Row::x, rows, w, bias, unit, I, H, sum);
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

    // The step itself.
    template <int R, int U>
    static void tile(const Row* rows, const S* w, const S* bias, Index unit, Index H) {
        V sum[R][U * G];
        sums_of<R, U>(&Row::read, rows, w, bias, unit, H, H, sum);
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
                    if (row.stays[p]) {
                        const V share = X::load(row.stays[p] + at, n);
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

    // f(rows, how many, units, unit, weights) for all tiles of some rows and all slices of packed weights (K).
    template <class F>
    static void tiles(const Row* rows, Index count, const S* w, Index K, Index H, F&& f) {
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

    // over time -------------------------------------------------------------------------------------------------

    // W x + b of all rows alive at `steps` steps, from the n-th on.
    void project_steps(int d, Index begin, Index end, Index n, Index steps, Row* rows, S* to) const {
        Index count = 0;
        for (Index k = n; k < least(n + steps, q.T); ++k) {
            const Index t = this->step(d, k), alive = this->alive(begin, end, t);
            for (Index r = 0; r < alive; ++r, ++count) {
                rows[count].x = static_cast<const S*>(q.x) + this->at(q.of_x, t, begin + r);
                rows[count].sums = to + count * G * q.H;
            }
        }
        tiles(rows, count, packed_x[d].data, q.I, q.H, [&](const Row* some, auto R, auto U, Index unit, const S* w) {
            project<decltype(R)::value, decltype(U)::value>(some, w, static_cast<const S*>(q.bias_x[d]), unit, q.I, q.H);
        });
    }

    // `rows`, `to` (*, G*H): room(end - begin) of them. For each row, `masked` (H): h as the gates read it, and `memory`
    // (H): c', where nothing is kept.
    void over_time(int d, Index begin, Index end, Row* rows, S* to, S* masked, S* memory) const {
        const Index H = q.H, steps = room(end - begin) / (end - begin);
        for (Index n = 0, done = 0; n < q.T; ++n) {
            if (n % steps == 0) project_steps(d, begin, end, n, steps, rows, to), done = 0;
            const Index t = this->step(d, n), alive = this->alive(begin, end, t);
            for (Index r = 0; r < alive; ++r) {
                Row& row = rows[r];
                row.sums = to + (done + r) * G * H;
                row.kept = q.keep ? this->kept(d, t, begin + r) : nullptr;
                row.memory = memory + r * H;
#pragma GCC unroll 24
                for (int p = 0; p < P; ++p) {
                    const bool carried = p > 0 && !q.keep && !this->is_first(d, t, begin + r);
                    row.before[p] = carried ? row.memory : this->before(d, p, t, begin + r);
                    row.stays[p] = this->stays(d, p, t, begin + r);
                }
                row.after = this->y(d, t, begin + r);
                row.read = row.before[0];
                if (const S* mask = this->mask(d, begin + r)) {
                    S* here = masked + r * H;
                    for (Index at = 0; at < H; at += W)
                        X::store(here + at, X::load(row.read + at, H - at) * X::load(mask + at, H - at), H - at);
                    row.read = here;
                }
            }
            tiles(rows, alive, packed_h[d].data, H, H, [&](const Row* some, auto R, auto U, Index unit, const S* w) {
                tile<decltype(R)::value, decltype(U)::value>(some, w, static_cast<const S*>(q.bias_h[d]), unit, H);
            });
            done += alive;
        }
        for (Index r = begin; r < end; ++r)
#pragma GCC unroll 24
            for (int p = 0; p < P; ++p) {
                const Index t = d == 0 ? q.length[r] - 1 : 0;
                const S* from = q.length[r] == 0 ? static_cast<const S*>(q.first) + this->of_state(d, p, r)
                                : p == 0         ? this->y(d, t, r)
                                : q.keep         ? this->kept(d, t, r) + (Cell::saved - 1) * H
                                                 : memory + (r - begin) * H;
                copy(from, H, static_cast<S*>(q.last) + this->of_state(d, p, r));
            }
    }

    // all rows --------------------------------------------------------------------------------------------------

    Buffer<S> packed_x[2], packed_h[2];
    Buffer<Row> rows;
    Buffer<S> sums, masked, memory;

    // All memory is taken here, before any thread starts.
    explicit Forward(const Call& call) : L(call) {
        this->cut(q.team.threads > q.D ? q.team.threads / q.D : 1, 0, q.T);
        for (Index d = 0; d < q.D; ++d)
            packed_x[d] = Buffer<S>(packed_size(q.I, q.H)), packed_h[d] = Buffer<S>(packed_size(q.H, q.H));
        const Index all = q.D * (q.B + pieces * together);
        rows = Buffer<Row>(all);
        sums = Buffer<S>(all * G * q.H, false);
        masked = Buffer<S>(q.read[0] || q.read[1] ? q.D * q.B * q.H : 0);
        memory = Buffer<S>(q.keep || P == 1 ? 0 : q.D * q.B * q.H);
    }

    static void pack_one(void* me, Index n) {
        auto& pass = *static_cast<Forward*>(me);
        const Call& q = pass.q;
        const Index d = n / 2;
        n % 2 ? pack(static_cast<const S*>(q.weight_x[d]), q.I, q.H, pass.packed_x[d].data)
              : pack(static_cast<const S*>(q.weight_h[d]), q.H, q.H, pass.packed_h[d].data);
    }

    static void task(void* me, Index n) {
        auto& pass = *static_cast<Forward*>(me);
        const Index d = n / pass.pieces, piece = n % pass.pieces, begin = pass.cuts.data[piece], H = pass.q.H;
        const Index at = d * pass.q.B + begin, from = at + n * together;
        pass.over_time(int(d), begin, pass.cuts.data[piece + 1], pass.rows.data + from, pass.sums.data + from * G * H,
                       pass.masked.data + at * H, pass.memory.data + at * H);
    }

    static void run(const Call& q) {
        Forward pass(q);
        in_parallel(q.team, 2 * q.D, &Forward::pack_one, &pass);
        in_parallel(q.team, pass.pieces * q.D, &Forward::task, &pass);
    }
};

}  // namespace recurra::RECURRA_TARGET
