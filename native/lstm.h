// i, f, o = sigmoid(W x + b + U h + c)    g = tanh(...)    c' = f c + i g    h' = o tanh(c')
// Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000; gate order i, f, g, o.
#pragma once

#include "vec.h"

namespace recurra::RECURRA_TARGET {

template <class X>
struct Lstm {
    using V = typename X::V;
    static constexpr int gates = 4, parts = 2, saved = 5, deltas = 4, recurrent = 0, turned = 0;  // the last one saved is c'

    static void forward(const V* x, const V* u, const V* before, V* after, V* kept) {
        const V i = X::sigmoid(x[0] + u[0]), f = X::sigmoid(x[1] + u[1]);
        const V g = X::tanh(x[2] + u[2]), o = X::sigmoid(x[3] + u[3]);
        after[1] = f * before[1] + i * g;
        after[0] = o * X::tanh(after[1]);
        kept[0] = i, kept[1] = f, kept[2] = g, kept[3] = o, kept[4] = after[1];
    }

    // c' once more, where another one has been kept because part of the state stays what it was
    static V memory(const V* kept, const V* before) { return kept[1] * before[1] + kept[0] * kept[2]; }

    static void backward(const V* kept, const V* before, V* gradient, V* delta) {
        const V i = kept[0], f = kept[1], g = kept[2], o = kept[3], tanh_c = X::tanh(kept[4]);
        const V dc = gradient[1] + gradient[0] * o * (1 - tanh_c * tanh_c);
        delta[0] = dc * g * i * (1 - i);
        delta[1] = dc * before[1] * f * (1 - f);
        delta[2] = dc * i * (1 - g * g);
        delta[3] = gradient[0] * tanh_c * o * (1 - o);
        gradient[0] = V{}, gradient[1] = dc * f;
    }
};

}  // namespace recurra::RECURRA_TARGET
