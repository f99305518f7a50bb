// r, z = sigmoid(W x + b + U h + c)    n = tanh(Wn x + bn + r (Un h + cn))    h' = (1 - z) n + z h
// Cho et al. 2014, arXiv:1406.1078v1; gate order r, z, n.
#pragma once

#include "vec.h"

namespace recurra::RECURRA_TARGET {

template <class X>
struct Gru {
    using V = typename X::V;
    // Deltas n, r, z and r * n: the first three, turned by one against the order of the gates, belong to W x, the last three
    // to U h.
    static constexpr int gates = 3, parts = 1, saved = 4, deltas = 4, recurrent = 1, turned = 1;

    static void forward(const V* x, const V* u, const V* before, V* after, V* kept) {
        const V r = X::sigmoid(x[0] + u[0]), z = X::sigmoid(x[1] + u[1]);
        const V n = X::tanh(x[2] + r * u[2]);
        after[0] = n + z * (before[0] - n);
        kept[0] = r, kept[1] = z, kept[2] = n, kept[3] = u[2];
    }

    static void backward(const V* kept, const V* before, V* gradient, V* delta) {
        const V r = kept[0], z = kept[1], n = kept[2], dh = gradient[0];
        delta[0] = dh * (1 - z) * (1 - n * n);
        delta[1] = delta[0] * kept[3] * r * (1 - r);
        delta[2] = dh * (before[0] - n) * z * (1 - z);
        delta[3] = delta[0] * r;
        gradient[0] = dh * z;
    }
};

}  // namespace recurra::RECURRA_TARGET
