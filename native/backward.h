// A cell over time, backwards: the gradients by the sums before the gates ("deltas"), by x and by the first state.
//
// Deltas are kept for a window of steps only: then weights.h adds up what they give while they are in a near cache. The
// rows are shared out anew for each window, or who has short ones would wait for who has long ones.
#pragma once

#include "weights.h"

namespace recurra::RECURRA_TARGET {

template <class S, template <class> class C>
struct Backward : Layout<S, C> {
    using L = Layout<S, C>;
    using X = typename L::X;
    using V = typename L::V;
    using Cell = typename L::Cell;
    using L::q, L::cuts, L::pieces, L::packed_size, L::W, L::G, L::P;
    static constexpr int most_units = 4, most_rows = registers / most_units;

    // packed weights --------------------------------------------------------------------------------------------

    // Weights (G*H, columns) -> for each slice of columns, for each row, its columns side by side; `to` is zeroed. The rows
    // are turned by as many gates as the deltas are.
    static void pack(const S* weight, Index columns, Index H, int turned, S* to) {
        for (Index unit = 0; unit < columns;) {
            const Index units = at_once(most_units, (columns - unit + W - 1) / W);
            for (Index k = 0; k < G * H; ++k, to += units * W)
                copy(weight + (k + (G - turned) * H) % (G * H) * columns + unit, least(units * W, columns - unit), to);
            unit += units * W;
        }
    }

    // products --------------------------------------------------------------------------------------------------

    // to[r] (columns) += or = rows[r] (K) times a slice of packed weights, times mask[r], for U vectors from `unit` on.
    template <int R, int U>
    [[gnu::noinline]] static void tile(const S* const* rows, S* const* to, const S* const* mask, bool add, const S* w,
                                       Index unit, Index columns, Index K) {
        V sum[R][U]{};  // from zero: added to what is there one by one, the terms would lose their last digits
        product<R, U, X>(rows, w, K, sum);
#pragma GCC unroll 24
        for (int r = 0; r < R; ++r)
#pragma GCC unroll 24
            for (int u = 0; u < U; ++u) {
                S* at = to[r] + unit + u * W;
                const Index n = columns - unit - u * W;
                if (mask) sum[r][u] *= X::load(mask[r] + unit + u * W, n);
                X::store(at, add ? X::load(at, n) + sum[r][u] : sum[r][u], n);
            }
    }

    static void tiles(const S* const* rows, S* const* to, const S* const* mask, bool add, Index count, const S* w,
                      Index columns, Index H) {
        for (Index unit = 0; unit < columns && count > 0;) {
            const Index units = at_once(most_units, (columns - unit + W - 1) / W);
            constant<most_units>(units, [&](auto U) {
                for (Index r = 0, size; r < count; r += size) {
                    size = at_once(most_rows, count - r);
                    constant<most_rows>(size, [&](auto R) {
                        tile<decltype(R)::value, decltype(U)::value>(rows + r, to + r, mask ? mask + r : nullptr, add, w, unit,
                                                                     columns, G * H);
                    });
                }
            });
            w += units * W * G * H;
            unit += units * W;
        }
    }

    // over time -------------------------------------------------------------------------------------------------

    // What the rows of a piece use; all of it is in `Backward`.
    struct Room {
        const S** deltas;     // of the rows of a step: those that belong to U h
        S** gradient;         // and where they go
        const S** mask;
        const S** for_x;      // of rows and steps, room(rows) of them: the deltas that belong to W x
        S** gradient_x;
    };

    // One row at one step: from the gradient by the state after it to the deltas, and what does not pass U.
    void row(int d, Index t, Index r, const S* dy, S* delta, S* const* carried) const {
        const Index H = q.H;
        const S* gates = this->kept(d, t, r);
        const S *earlier[P], *stay[P];
#pragma GCC unroll 24
        for (int p = 0; p < P; ++p) earlier[p] = this->before(d, p, t, r), stay[p] = this->stays(d, p, t, r);
        for (Index at = 0; at < H; at += W) {
            const Index m = H - at;
            V kept[Cell::saved], state[P], grad[P], out[Cell::deltas], stays[P]{};
#pragma GCC unroll 24
            for (int k = 0; k < Cell::saved; ++k) kept[k] = X::load(gates + k * H + at, m);
#pragma GCC unroll 24
            for (int p = 0; p < P; ++p) state[p] = X::load(earlier[p] + at, m), grad[p] = X::load(carried[p] + at, m);
            if (dy) grad[0] += X::load(dy + at, m);
#pragma GCC unroll 24
            for (int p = 0; p < P; ++p)
                if (stay[p]) {
                    const V share = X::load(stay[p] + at, m);
                    stays[p] = share * grad[p];
                    grad[p] *= 1 - share;
                    if constexpr (P > 1)
                        if (p > 0) kept[Cell::saved - 1] = Cell::memory(kept, state);
                }
            Cell::backward(kept, state, grad, out);
#pragma GCC unroll 24
            for (int p = 0; p < P; ++p)
                if (stay[p]) grad[p] += stays[p];
#pragma GCC unroll 24
            for (int p = 0; p < P; ++p) X::store(carried[p] + at, grad[p], m);
#pragma GCC unroll 24
            for (int k = 0; k < Cell::deltas; ++k) X::store(delta + k * H + at, out[k], m);
        }
    }

    void over_time(Index begin, Index end, const Room& have) const {
        const Index H = q.H, count = end - begin;
        const int d = window.d;
        const bool first = d == 0;  // nothing is in the gradient by x yet
        const auto carry = [&](int p, Index r) { return carried.data + ((d * P + p) * q.B + begin + r) * H; };
        for (int p = 0; p < P && until == q.T; ++p)
            for (Index r = 0; r < count; ++r)
                if (q.grad_last) copy(static_cast<const S*>(q.grad_last) + this->of_state(d, p, begin + r), H, carry(p, r));
        for (Index r = 0; r < count; ++r) have.gradient[r] = carry(0, r), have.mask[r] = this->mask(d, begin + r);
        Index waiting = 0;  // deltas for x
        const auto to_x = [&] {
            tiles(have.for_x, have.gradient_x, nullptr, !first, waiting, packed_x[d].data, q.I, H);
            waiting = 0;
        };
        for (Index n = until - 1; n >= from; --n) {
            const Index t = this->step(d, n), alive = this->alive(begin, end, t);
            if (waiting + alive > room(count)) to_x();
            for (Index r = 0; r < alive; ++r) {
                S* delta = this->delta(window, t, begin + r);
                const S* dy = q.grad_y ? static_cast<const S*>(q.grad_y) + this->at(q.of_grad_y, t, begin + r) + d * H : nullptr;
                S* by_state[P];
#pragma GCC unroll 24
                for (int p = 0; p < P; ++p) by_state[p] = carry(p, r);
                row(d, t, begin + r, dy, delta, by_state);
                have.deltas[r] = delta + Cell::recurrent * H;
                if (q.grad_x) {
                    have.for_x[waiting] = delta;
                    have.gradient_x[waiting++] = static_cast<S*>(q.grad_x) + this->at(q.of_grad_x, t, begin + r);
                }
            }
            tiles(have.deltas, have.gradient, q.read[d] ? have.mask : nullptr, true, alive, packed_h[d].data, H, H);
        }
        to_x();
        for (int p = 0; p < P && from == 0; ++p)
            for (Index r = 0; r < count; ++r)
                if (q.grad_first) copy(carry(p, r), H, static_cast<S*>(q.grad_first) + this->of_state(d, p, begin + r));
    }

    // all rows --------------------------------------------------------------------------------------------------

    Buffer<S> packed_x[2], packed_h[2];
    Buffer<S> carried;  // (D, parts, B, H), zeros: the gradient by the state, on its way back through time
    Buffer<const S*> deltas, masks, for_x;
    Buffer<S*> gradient, gradient_x;

    // The window, and its steps in the order of the direction: from `from` up to `until`, which are gone through backwards.
    Buffer<S> memory;
    Window<S> window;
    Index from, until;

    // So many rows of steps are in a window, or those of one step.
    static constexpr Index most = 1024;

    // The window before this one in direction d, or its last one; whether there is one.
    bool next(int d) {
        if (window.d != d) window.d = d, from = q.T;
        until = from;
        for (Index rows = 0; from > 0; --from) {
            rows += q.alive[this->step(d, from - 1)];
            if (rows > most && from < until) break;
        }
        window.begin = d == 0 ? from : q.T - until, window.end = d == 0 ? until : q.T - from;
        return until > from;
    }

    // All memory is taken here, before any thread starts.
    explicit Backward(const Call& call)
        : L(call), memory((call.B < most ? most : call.B) * this->delta_row(), false),
          window{-1, 0, 0, memory.data} {
        for (Index d = 0; d < q.D; ++d) {
            packed_h[d] = Buffer<S>(packed_size(q.H, q.H));
            packed_x[d] = Buffer<S>(q.grad_x ? packed_size(q.H, q.I) : 0);
        }
        carried = Buffer<S>(q.D * q.B * P * q.H);
        deltas = Buffer<const S*>(q.B), masks = Buffer<const S*>(q.B), gradient = Buffer<S*>(q.B);
        const Index all = q.B + q.team.threads * together;
        for_x = Buffer<const S*>(all), gradient_x = Buffer<S*>(all);
    }

    static void pack_one(void* me, Index n) {
        auto& pass = *static_cast<Backward*>(me);
        const Call& q = pass.q;
        const Index d = n / 2;
        if (n % 2 == 0)
            pack(static_cast<const S*>(q.weight_h[d]), q.H, q.H, 0, pass.packed_h[d].data);
        else if (q.grad_x)
            pack(static_cast<const S*>(q.weight_x[d]), q.I, q.H, Cell::turned, pass.packed_x[d].data);
    }

    static void task(void* me, Index n) {
        auto& pass = *static_cast<Backward*>(me);
        const Index begin = pass.cuts.data[n], end = pass.cuts.data[n + 1], from = begin + n * together;
        pass.over_time(begin, end,
                       {pass.deltas.data + begin, pass.gradient.data + begin, pass.masks.data + begin,
                        pass.for_x.data + from, pass.gradient_x.data + from});
    }

    static void run(const Call& q) {
        Backward pass(q);
        in_parallel(q.team, 2 * q.D, &Backward::pack_one, &pass);
        Weights<S, C> weights(q);
        for (int d = 0; d < q.D; ++d)
            while (pass.next(d)) {
                pass.cut(q.team.threads, pass.window.begin, pass.window.end);
                in_parallel(q.team, pass.pieces, &Backward::task, &pass);
                weights.add(pass.window);
            }
    }
};

}  // namespace recurra::RECURRA_TARGET
