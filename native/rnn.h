// h' = f(W x + b + U h), f = tanh or relu. Elman 1990.
#pragma once

#include "vec.h"

namespace recurra::RECURRA_TARGET {

struct Tanh {
    template <class X>
    static typename X::V f(typename X::V a) { return X::tanh(a); }
    template <class X>
    static typename X::V derivative(typename X::V h) { return 1 - h * h; }
};

struct Relu {
    template <class X>
    static typename X::V f(typename X::V a) { return a < 0 ? X::all(0) : a; }
    template <class X>
    static typename X::V derivative(typename X::V h) { return h > 0 ? X::all(1) : X::all(0); }
};

template <class F, class X>
struct Rnn {
    using V = typename X::V;
    static constexpr int kGates = 1, kStateComponents = 1, kSaved = 1;
    static constexpr int kPreActivationGrads = 1, kRecurrentGrad = 0, kGateRotation = 0;

    // One step. projected[kGates]: W x + b; recurrent[kGates]: U h + c; state and new_state[kStateComponents];
    // saved[kSaved]: the values for the backward pass.
    static void forward(const V* projected, const V* recurrent, const V*, V* new_state, V* saved) {
        new_state[0] = F::template f<X>(projected[0] + recurrent[0]);
        saved[0] = F::template derivative<X>(new_state[0]);
    }

    // The gradient of one step. grad_state[kStateComponents]: the gradient of the new state on entry; on exit that of the old
    // state, without the part that passes through U. grads[kPreActivationGrads]: the gradients of the pre-activations. The
    // first kGates belong to W x, rotated by kGateRotation gates; kGates from kRecurrentGrad on belong to U h.
    static void backward(const V* saved, const V*, V* grad_state, V* grads) {
        grads[0] = grad_state[0] * saved[0];
        grad_state[0] = V{};
    }
};

template <class X> using RnnTanh = Rnn<Tanh, X>;
template <class X> using RnnRelu = Rnn<Relu, X>;

}  // namespace recurra::RECURRA_TARGET
