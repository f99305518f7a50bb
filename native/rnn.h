// h' = f(W x + b + U h), f = tanh or relu. Elman 1990.
#pragma once

#include "vec.h"

namespace recurra::RECURRA_TARGET {

struct Tanh {
    template <class X>
    static typename X::V f(typename X::V a) { return X::tanh(a); }
    template <class X>
    static typename X::V slope(typename X::V h) { return 1 - h * h; }
};

struct Relu {
    template <class X>
    static typename X::V f(typename X::V a) { return a < 0 ? X::all(0) : a; }
    template <class X>
    static typename X::V slope(typename X::V h) { return h > 0 ? X::all(1) : X::all(0); }
};

template <class F, class X>
struct Rnn {
    using V = typename X::V;
    static constexpr int gates = 1, parts = 1, saved = 1, deltas = 1, recurrent = 0, turned = 0;

    // x[gates]: W x + b; u[gates]: U h + c; before, after: the state; kept[saved]: for the backward pass
    static void forward(const V* x, const V* u, const V*, V* after, V* kept) {
        after[0] = F::template f<X>(x[0] + u[0]);
        kept[0] = F::template slope<X>(after[0]);
    }

    // gradient[parts]: by the state after -> by the state before, but for what comes through U; delta[deltas]
    static void backward(const V* kept, const V*, V* gradient, V* delta) {
        delta[0] = gradient[0] * kept[0];
        gradient[0] = V{};
    }
};

template <class X> using RnnTanh = Rnn<Tanh, X>;
template <class X> using RnnRelu = Rnn<Relu, X>;

}  // namespace recurra::RECURRA_TARGET
