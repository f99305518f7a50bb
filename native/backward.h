// The backward pass of one layer: the gradients of the pre-activations, of x and of the initial state.
//
// The gradients of the pre-activations are stored for one window of time steps only. After each window weight_grads.h adds
// their contribution to the weight gradients, while they are still in cache. The batch is partitioned again for each
// window, so that threads with short sequences do not wait for threads with long ones.
#pragma once

#include "weight_grads.h"

namespace recurra::RECURRA_TARGET {

template <class S, template <class> class C>
struct Backward : Layout<S, C> {
    using L = Layout<S, C>;
    using X = typename L::X;
    using V = typename L::V;
    using Cell = typename L::Cell;
    using L::call, L::bounds, L::num_parts, L::packed_size, L::W, L::G, L::P;
    static constexpr int kMaxUnitVectors = 4, kMaxRows = kAccumulators / kMaxUnitVectors;

    // Packed weights --------------------------------------------------------------------------------------------

    // Packs weights (G*H, columns): for each slice of columns and each row, the columns of the slice. `to` must be zero on
    // entry. The rows are rotated by `gate_rotation` gates, to match the order of the pre-activation gradients.
    static void pack(const S* weight, Index columns, Index H, int gate_rotation, S* to) {
        for (Index unit = 0; unit < columns;) {
            const Index units = chunk_size(kMaxUnitVectors, (columns - unit + W - 1) / W);
            for (Index k = 0; k < G * H; ++k, to += units * W)
                copy(weight + (k + (G - gate_rotation) * H) % (G * H) * columns + unit, smaller(units * W, columns - unit), to);
            unit += units * W;
        }
    }

    // Products --------------------------------------------------------------------------------------------------

    // to[r] (columns) += or = rows[r] (K) times a slice of packed weights, times mask[r], for U vectors that start at `unit`.
    template <int R, int U>
    [[gnu::noinline]] static void tile(const S* const* rows, S* const* to, const S* const* mask, bool add, const S* w,
                                       Index unit, Index columns, Index K) {
        V sum[R][U]{};  // starts at zero: adding the terms one by one to a large value would lose digits
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
            const Index units = chunk_size(kMaxUnitVectors, (columns - unit + W - 1) / W);
            with_constant<kMaxUnitVectors>(units, [&](auto U) {
                for (Index r = 0, size; r < count; r += size) {
                    size = chunk_size(kMaxRows, count - r);
                    with_constant<kMaxRows>(size, [&](auto R) {
                        tile<decltype(R)::value, decltype(U)::value>(rows + r, to + r, mask ? mask + r : nullptr, add, w, unit,
                                                                     columns, G * H);
                    });
                }
            });
            w += units * W * G * H;
            unit += units * W;
        }
    }

    // Over time -------------------------------------------------------------------------------------------------

    // The scratch memory of one part of the batch; `Backward` owns it.
    struct Scratch {
        const S** recurrent_grads;  // for each sequence: the pre-activation gradients that belong to U h
        S** grad_state;             // for each sequence: the gradient of h
        const S** mask;             // for each sequence: the recurrent dropout mask, or null
        const S** input_grads;      // scratch_rows(sequences) entries: the pre-activation gradients that belong to W x
        S** grad_x;                 // and the gradients of x that they are added to
    };

    // One sequence at one time step. Turns the gradient of the new state into the pre-activation gradients, and into the
    // part of the gradient of the old state that does not pass through U.
    void step_backward(int d, Index t, Index r, const S* dy, S* gate_grads, S* const* grad_states) const {
        const Index H = call.H;
        const S* gates = this->saved(d, t, r);
        const S *states[P], *zoneout[P];
#pragma GCC unroll 24
        for (int p = 0; p < P; ++p) states[p] = this->state_before(d, p, t, r), zoneout[p] = this->zoneout_mask(d, p, t, r);
        for (Index at = 0; at < H; at += W) {
            const Index m = H - at;
            V saved[Cell::kSaved], state[P], grad[P], out[Cell::kPreActivationGrads], kept_grad[P]{};
#pragma GCC unroll 24
            for (int k = 0; k < Cell::kSaved; ++k) saved[k] = X::load(gates + k * H + at, m);
#pragma GCC unroll 24
            for (int p = 0; p < P; ++p) state[p] = X::load(states[p] + at, m), grad[p] = X::load(grad_states[p] + at, m);
            if (dy) grad[0] += X::load(dy + at, m);
#pragma GCC unroll 24
            for (int p = 0; p < P; ++p)
                if (zoneout[p]) {
                    const V keep = X::load(zoneout[p] + at, m);
                    kept_grad[p] = keep * grad[p];
                    grad[p] *= 1 - keep;
                    if constexpr (P > 1)
                        if (p > 0) saved[Cell::kSaved - 1] = Cell::cell_state(saved, state);
                }
            Cell::backward(saved, state, grad, out);
#pragma GCC unroll 24
            for (int p = 0; p < P; ++p)
                if (zoneout[p]) grad[p] += kept_grad[p];
#pragma GCC unroll 24
            for (int p = 0; p < P; ++p) X::store(grad_states[p] + at, grad[p], m);
#pragma GCC unroll 24
            for (int k = 0; k < Cell::kPreActivationGrads; ++k) X::store(gate_grads + k * H + at, out[k], m);
        }
    }

    void run_part(Index begin, Index end, const Scratch& scratch) const {
        const Index H = call.H, count = end - begin;
        const int d = window.d;
        const bool overwrite = d == 0;  // the forward direction runs first and finds grad_x uninitialised
        const auto grad_state_of = [&](int p, Index r) { return grad_states.data + ((d * P + p) * call.B + begin + r) * H; };
        for (int p = 0; p < P && window_end == call.T; ++p)
            for (Index r = 0; r < count; ++r)
                if (const auto* grad = static_cast<const S*>(call.grad_final_state))
                    copy(grad + this->state_offset(d, p, begin + r), H, grad_state_of(p, r));
        for (Index r = 0; r < count; ++r) {
            scratch.grad_state[r] = grad_state_of(0, r);
            scratch.mask[r] = this->recurrent_mask(d, begin + r);
        }
        Index pending = 0;  // entries of scratch.input_grads
        const auto flush_grad_x = [&] {
            tiles(scratch.input_grads, scratch.grad_x, nullptr, !overwrite, pending, packed_ih[d].data, call.I, H);
            pending = 0;
        };
        for (Index n = window_end - 1; n >= window_begin; --n) {
            const Index t = this->time_step(d, n), batch_size = this->active_batch_size(begin, end, t);
            if (pending + batch_size > scratch_rows(count)) flush_grad_x();
            for (Index r = 0; r < batch_size; ++r) {
                S* gate_grads = this->pre_activation_grads(window, t, begin + r);
                const S* dy = static_cast<const S*>(call.grad_y);
                if (dy) dy += this->offset(call.grad_y_strides, t, begin + r) + d * H;
                S* grads[P];
#pragma GCC unroll 24
                for (int p = 0; p < P; ++p) grads[p] = grad_state_of(p, r);
                step_backward(d, t, begin + r, dy, gate_grads, grads);
                scratch.recurrent_grads[r] = gate_grads + Cell::kRecurrentGrad * H;
                if (call.grad_x) {
                    scratch.input_grads[pending] = gate_grads;
                    scratch.grad_x[pending++] = static_cast<S*>(call.grad_x) + this->offset(call.grad_x_strides, t, begin + r);
                }
            }
            const S* const* mask = call.recurrent_dropout_mask[d] ? scratch.mask : nullptr;
            tiles(scratch.recurrent_grads, scratch.grad_state, mask, true, batch_size, packed_hh[d].data, H, H);
        }
        flush_grad_x();
        for (int p = 0; p < P && window_begin == 0; ++p)
            for (Index r = 0; r < count; ++r)
                if (auto* grad = static_cast<S*>(call.grad_initial_state))
                    copy(grad_state_of(p, r), H, grad + this->state_offset(d, p, begin + r));
    }

    // The whole batch -------------------------------------------------------------------------------------------

    Buffer<S> packed_ih[2], packed_hh[2];
    Buffer<S> grad_states;  // (D, state components, B, H), zero at the start: the gradient of the state, carried back in time
    Buffer<const S*> recurrent_grads, masks, input_grads;
    Buffer<S*> grad_state, grad_x;

    // The current window. In the order of the direction it covers the steps `window_begin` to `window_end`, which are
    // processed backwards.
    Buffer<S> window_grads;
    Window<S> window;
    Index window_begin, window_end;

    // Rows (one sequence at one time step each) in a window; a single time step may have more.
    static constexpr Index kWindowRows = 1024;

    // Moves to the previous window of direction d, or to its last one at first. Returns false when there is none.
    bool next(int d) {
        if (window.d != d) window.d = d, window_begin = call.T;
        window_end = window_begin;
        for (Index rows = 0; window_begin > 0; --window_begin) {
            rows += call.batch_sizes[this->time_step(d, window_begin - 1)];
            if (rows > kWindowRows && window_begin < window_end) break;
        }
        window.begin = d == 0 ? window_begin : call.T - window_end, window.end = d == 0 ? window_end : call.T - window_begin;
        return window_end > window_begin;
    }

    // All memory is allocated here, before any thread starts.
    explicit Backward(const SequenceCall& call)
        : L(call), window_grads((call.B < kWindowRows ? kWindowRows : call.B) * this->grad_stride(), false),
          window{-1, 0, 0, window_grads.data} {
        for (Index d = 0; d < call.D; ++d) {
            packed_hh[d] = Buffer<S>(packed_size(call.H, call.H));
            packed_ih[d] = Buffer<S>(call.grad_x ? packed_size(call.H, call.I) : 0);
        }
        grad_states = Buffer<S>(call.D * call.B * P * call.H);
        recurrent_grads = Buffer<const S*>(call.B), masks = Buffer<const S*>(call.B), grad_state = Buffer<S*>(call.B);
        const Index pairs = call.B + call.team.threads * kProjectRows;
        input_grads = Buffer<const S*>(pairs), grad_x = Buffer<S*>(pairs);
    }

    static void pack_one(void* context, Index n) {
        auto& pass = *static_cast<Backward*>(context);
        const SequenceCall& call = pass.call;
        const Index d = n / 2;
        if (n % 2 == 0)
            pack(static_cast<const S*>(call.weight_hh[d]), call.H, call.H, 0, pass.packed_hh[d].data);
        else if (call.grad_x)
            pack(static_cast<const S*>(call.weight_ih[d]), call.I, call.H, Cell::kGateRotation, pass.packed_ih[d].data);
    }

    static void task(void* context, Index n) {
        auto& pass = *static_cast<Backward*>(context);
        const Index begin = pass.bounds.data[n], end = pass.bounds.data[n + 1], scratch_begin = begin + n * kProjectRows;
        pass.run_part(begin, end,
                       {.recurrent_grads = pass.recurrent_grads.data + begin,
                        .grad_state = pass.grad_state.data + begin,
                        .mask = pass.masks.data + begin,
                        .input_grads = pass.input_grads.data + scratch_begin,
                        .grad_x = pass.grad_x.data + scratch_begin});
    }

    static void run(const SequenceCall& call) {
        Backward pass(call);
        in_parallel(call.team, 2 * call.D, &Backward::pack_one, &pass);
        WeightGrads<S, C> weight_grads(call);
        for (int d = 0; d < call.D; ++d)
            while (pass.next(d)) {
                pass.partition(call.team.threads, pass.window.begin, pass.window.end);
                in_parallel(call.team, pass.num_parts, &Backward::task, &pass);
                weight_grads.add(pass.window);
            }
    }
};

}  // namespace recurra::RECURRA_TARGET
