// The gradients of the weights and biases: sums over all valid time steps of the pre-activation gradients of backward.h, one
// window of time steps at a time.
//
// The time steps are independent here, so the threads partition the units instead of the batch. One thread adds all terms
// of a number in the order of time, so the result does not depend on the number of threads.
#pragma once

#include "layout.h"

namespace recurra::RECURRA_TARGET {

template <class S, template <class> class C>
struct WeightGrads : Layout<S, C> {
    using L = Layout<S, C>;
    using X = typename L::X;
    using V = typename L::V;
    using Cell = typename L::Cell;
    using L::call, L::W, L::G;
    static constexpr int kMaxUnitVectors = 4, kMaxRows = kAccumulators / kMaxUnitVectors;

    // Terms that are summed in registers, starting at zero, before they are added to the gradient: adding them to a large
    // value one by one would lose digits. Their inputs, four vectors for each term, stay in the first-level cache.
    static constexpr Index kDepth = 128;

    // Some rows of one of the two weight matrices.
    struct Block {
        bool recurrent;    // weight_hh and bias_hh; else weight_ih and bias_ih
        Index begin, end;  // of its pre-activation gradients
        S *weight, *bias;  // the gradients that are added to, or null
    };

    Window<S> window{};
    Index num_blocks;  // for each of the two matrices

    explicit WeightGrads(const SequenceCall& call) : L(call) {
        const Index max_blocks = G * call.H / kMaxRows;
        num_blocks = max_blocks < 1 ? 1 : smaller(call.team.threads, max_blocks);
    }

    Block block(Index n) const {
        const bool recurrent = n >= num_blocks;
        const Index size = (G * call.H + num_blocks * kMaxRows - 1) / (num_blocks * kMaxRows) * kMaxRows;
        const Index begin = smaller(n % num_blocks * size, G * call.H);
        return {recurrent, begin, smaller(begin + size, G * call.H),
                static_cast<S*>((recurrent ? call.grad_weight_hh : call.grad_weight_ih)[window.d]),
                static_cast<S*>((recurrent ? call.grad_bias_hh : call.grad_bias_ih)[window.d])};
    }

    // The row of the weight matrix for a pre-activation gradient; the order of the gates may be rotated.
    Index weight_row(const Block& block, Index gate_grads) const {
        return block.recurrent ? gate_grads : (gate_grads + (G - Cell::kGateRotation) * call.H) % (G * call.H);
    }

    // to[r] (left) += the sum over n of gate_grads[n][r] * inputs[n], for U vectors.
    template <int R, int U>
    [[gnu::noinline]] static void tile(const S* gate_grads, Index stride, const S* inputs, Index count, S* const* to,
                                       Index left) {
        V sum[R][U]{};
        for (Index n = 0; n < count; ++n, gate_grads += stride, inputs += U * W) {
            V input[U];
#pragma GCC unroll 24
            for (int u = 0; u < U; ++u) input[u] = X::load(inputs + u * W);
#pragma GCC unroll 24
            for (int r = 0; r < R; ++r) {
                const V a = X::all(gate_grads[r]);
#pragma GCC unroll 24
                for (int u = 0; u < U; ++u) sum[r][u] += a * input[u];
            }
        }
#pragma GCC unroll 24
        for (int r = 0; r < R; ++r)
#pragma GCC unroll 24
            for (int u = 0; u < U; ++u) {
                S* at = to[r] + u * W;
                X::store(at, X::load(at, left - u * W) + sum[r][u], left - u * W);
            }
    }

    // Calls add(k, sum over n of gate_grads[n][k]) for U vectors, `left` numbers. Four partial sums keep the rounding small.
    // This is the first access to these gradients, whose rows are far apart in memory, so they are prefetched.
    template <int U, class F>
    static void sum_over_rows(const S* gate_grads, Index stride, Index count, Index left, F&& add) {
        V sum[4][U]{};
        for (Index n = 0; n < count;)
#pragma GCC unroll 4
            for (int way = 0; way < 4 && n < count; ++way, ++n, gate_grads += stride)
#pragma GCC unroll 24
                for (int u = 0; u < U; ++u) {
                    prefetch(gate_grads, kPrefetchDistance * stride + u * W);
                    sum[way][u] += X::load(gate_grads + u * W, left - u * W);
                }
#pragma GCC unroll 24
        for (int u = 0; u < U; ++u) sum[0][u] = (sum[0][u] + sum[1][u]) + (sum[2][u] + sum[3][u]);
        for (Index k = 0; k < smaller(U * W, left); ++k) add(k, sum[0][k / W][k % W]);
    }

    // Adds the contribution of `count` rows. source[n] (columns) is x or h; mask[n] is its mask, or null.
    void add_rows(const Block& block, const S* gate_grads, const S* const* source, const S* const* mask, Index count) const {
        const Index columns = block.recurrent ? call.H : call.I, stride = this->grad_stride();
        for (Index at = block.begin; at < block.end && block.bias;) {
            const Index units = chunk_size(kMaxUnitVectors, (block.end - at + W - 1) / W);
            with_constant<kMaxUnitVectors>(units, [&](auto U) {
                const auto add_to_bias = [&](Index k, S sum) { block.bias[weight_row(block, at + k)] += sum; };
                sum_over_rows<decltype(U)::value>(gate_grads + at, stride, count, block.end - at, add_to_bias);
            });
            at += units * W;
        }
        alignas(64) S inputs[kDepth * kMaxUnitVectors * W];
        for (Index column = 0; column < columns && block.weight;) {
            const Index units = chunk_size(kMaxUnitVectors, (columns - column + W - 1) / W), left = columns - column;
            for (Index n = 0; n < count; ++n)
                for (Index u = 0; u < units; ++u) {
                    const Index at = column + u * W;
                    if (n + kPrefetchDistance < count) prefetch(source[n + kPrefetchDistance], at);
                    V input = X::load(source[n] + at, columns - at);
                    if (mask[n]) input *= X::load(mask[n] + at, columns - at);
                    X::store(inputs + (n * units + u) * W, input);
                }
            with_constant<kMaxUnitVectors>(units, [&](auto U) {
                for (Index at = block.begin, size; at < block.end; at += size) {
                    size = chunk_size(kMaxRows, block.end - at);
                    S* to[kMaxRows];
                    for (Index r = 0; r < size; ++r) to[r] = block.weight + weight_row(block, at + r) * columns + column;
                    with_constant<kMaxRows>(size, [&](auto R) {
                        tile<decltype(R)::value, decltype(U)::value>(gate_grads + at, stride, inputs, count, to, left);
                    });
                }
            });
            column += units * W;
        }
    }

    void run_block(const Block& block) const {
        const S *source[kDepth], *mask[kDepth];
        for (Index t = window.begin, r = 0; t < window.end && call.batch_sizes[t] > 0;) {
            const Index first_grad = block.recurrent ? Cell::kRecurrentGrad * call.H : 0;
            const S* gate_grads = this->pre_activation_grads(window, t, r) + first_grad;
            Index count = 0;
            for (; count < kDepth && t < window.end && call.batch_sizes[t] > 0; ++count) {
                source[count] = block.recurrent ? this->state_before(window.d, 0, t, r)
                                                : static_cast<const S*>(call.x) + this->offset(call.x_strides, t, r);
                mask[count] = block.recurrent ? this->recurrent_mask(window.d, r) : nullptr;
                if (++r == call.batch_sizes[t]) ++t, r = 0;
            }
            add_rows(block, gate_grads, source, mask, count);
        }
    }

    static void task(void* context, Index n) {
        const auto& pass = *static_cast<const WeightGrads*>(context);
        const Block block = pass.block(n);
        if (block.weight || block.bias) pass.run_block(block);
    }

    void add(const Window<S>& steps) {
        window = steps;
        in_parallel(call.team, 2 * num_blocks, &WeightGrads::task, this);
    }
};

}  // namespace recurra::RECURRA_TARGET
