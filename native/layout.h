// Where the numbers of a call lie, and how its rows are shared out.
//
// A thread owns its rows for the whole sequence, so nobody waits at a step. The rows are sorted, longest first: those
// alive at a step are the first ones, a row that has ended costs nothing, and in the reverse direction a row simply
// begins at its own last step.
#pragma once

#include "call.h"
#include "product.h"

namespace recurra::RECURRA_TARGET {

// Some steps of a direction, the end not among them, and the gradients by the sums before the gates there, "deltas".
template <class S>
struct Window {
    int d;
    Index begin, end;
    S* deltas;  // (rows alive at these steps, delta_row())
};

template <class S, template <class> class C>
struct Layout {
    using X = Vec<S>;
    using V = typename X::V;
    using Cell = C<X>;
    static constexpr int W = X::width, G = Cell::gates, P = Cell::parts;

    // Numbers of packed weights: whole vectors of `columns`, each of so many terms a gate.
    static Index packed_size(Index terms, Index columns) { return (columns + W - 1) / W * W * G * terms; }

    const Call& q;
    Buffer<Index> cuts;  // the rows of a piece: from cuts[piece] on, up to the next
    Index pieces = 0;

    explicit Layout(const Call& call) : q(call), cuts(call.B + 1) {}

    // Cuts the rows into `wanted` pieces, if there are so many, for the steps from `begin` to `end`.
    void cut(Index wanted, Index begin, Index end) { pieces = share(q, begin, end, wanted, cuts.data); }

    // The step that comes n-th in direction d.
    Index step(int d, Index n) const { return d == 0 ? n : q.T - 1 - n; }

    // How many of the rows from `begin` to `end` are alive at step t.
    Index alive(Index begin, Index end, Index t) const { return q.alive[t] > begin ? least(end, q.alive[t]) - begin : 0; }

    // Where row r of step t of direction d stands in what has an axis N.
    Index place(int d, Index t, Index r) const { return (q.offset[t] + r) * q.D + d; }

    // A cache line more than the deltas of a row: else what stands one below the other, which weights.h reads, would share
    // its place in the cache wherever H is a power of two.
    Index delta_row() const { return Cell::deltas * q.H + W; }
    S* delta(const Window<S>& window, Index t, Index r) const {
        return window.deltas + (q.offset[t] - q.offset[window.begin] + r) * delta_row();
    }
    S* kept(int d, Index t, Index r) const { return static_cast<S*>(q.gates) + place(d, t, r) * Cell::saved * q.H; }
    Index at(const Strides& of, Index t, Index r) const { return q.row[r] * of.row + t * of.step; }
    S* y(int d, Index t, Index r) const { return static_cast<S*>(q.y) + at(q.of_y, t, r) + d * q.H; }
    Index of_state(int d, int p, Index r) const { return ((p * q.D + d) * q.B + q.row[r]) * q.H; }

    bool is_first(int d, Index t, Index r) const { return d == 0 ? t == 0 : t == q.length[r] - 1; }

    // Part p of the state that row r has before step t of direction d; of c' what was kept.
    const S* before(int d, int p, Index t, Index r) const {
        if (is_first(d, t, r)) return static_cast<const S*>(q.first) + of_state(d, p, r);
        const Index earlier = d == 0 ? t - 1 : t + 1;
        return p == 0 ? y(d, earlier, r) : kept(d, earlier, r) + (Cell::saved - 1) * q.H;
    }

    // The share of part p that stays, or null.
    const S* stays(int d, int p, Index t, Index r) const {
        const Keep& keep = q.stays[d][p];
        return keep.data ? static_cast<const S*>(keep.data) + t * keep.step + q.row[r] * keep.row : nullptr;
    }

    // What multiplies h where the gates read it, or null.
    const S* mask(int d, Index r) const {
        return q.read[d] ? static_cast<const S*>(q.read[d]) + q.row[r] * q.H : nullptr;
    }
};

// What does not hang on the state is computed for so many rows and steps at a time: the weights are read once for all of
// them, and the results are still in the cache when they are wanted.
inline constexpr Index together = 64;

inline Index room(Index rows) { return rows < together ? together : rows; }

}  // namespace recurra::RECURRA_TARGET
