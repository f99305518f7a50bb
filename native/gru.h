// r, z = sigmoid(W x + b + U h + c)    n = tanh(Wn x + bn + r (Un h + cn))    h' = (1 - z) n + z h
// Cho et al. 2014, arXiv:1406.1078v1; gate order r, z, n.
#pragma once

#include "vec.h"

namespace recurra::RECURRA_TARGET {

template <class X>
struct Gru {
    using V = typename X::V;
    // The pre-activation gradients are in the order n, r, z, r * n. The first three belong to W x and are rotated by one gate
    // against the order r, z, n of the weights. The last three belong to U h.
    static constexpr int kGates = 3, kStateComponents = 1, kSaved = 4;
    static constexpr int kPreActivationGrads = 4, kRecurrentGrad = 1, kGateRotation = 1;

    static void forward(const V* projected, const V* recurrent, const V* state, V* new_state, V* saved) {
        const V r = X::sigmoid(projected[0] + recurrent[0]), z = X::sigmoid(projected[1] + recurrent[1]);
        const V n = X::tanh(projected[2] + r * recurrent[2]);
        new_state[0] = n + z * (state[0] - n);
        saved[0] = r, saved[1] = z, saved[2] = n, saved[3] = recurrent[2];
    }

    static void backward(const V* saved, const V* state, V* grad_state, V* grads) {
        const V r = saved[0], z = saved[1], n = saved[2], dh = grad_state[0];
        grads[0] = dh * (1 - z) * (1 - n * n);
        grads[1] = grads[0] * saved[3] * r * (1 - r);
        grads[2] = dh * (state[0] - n) * z * (1 - z);
        grads[3] = grads[0] * r;
        grad_state[0] = dh * z;
    }
};

}  // namespace recurra::RECURRA_TARGET
