// i, f, o = sigmoid(W x + b + U h + c)    g = tanh(...)    c' = f c + i g    h' = o tanh(c')
// Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000; gate order i, f, g, o.
#pragma once

#include "vec.h"

namespace recurra::RECURRA_TARGET {

template <class X>
struct Lstm {
    using V = typename X::V;
    // The last saved value is c'.
    static constexpr int kGates = 4, kStateComponents = 2, kSaved = 5;
    static constexpr int kPreActivationGrads = 4, kRecurrentGrad = 0, kGateRotation = 0;

    static void forward(const V* projected, const V* recurrent, const V* state, V* new_state, V* saved) {
        const V i = X::sigmoid(projected[0] + recurrent[0]), f = X::sigmoid(projected[1] + recurrent[1]);
        const V g = X::tanh(projected[2] + recurrent[2]), o = X::sigmoid(projected[3] + recurrent[3]);
        new_state[1] = f * state[1] + i * g;
        new_state[0] = o * X::tanh(new_state[1]);
        saved[0] = i, saved[1] = f, saved[2] = g, saved[3] = o, saved[4] = new_state[1];
    }

    // Recomputes c' for steps with zoneout, where the saved value is the state after zoneout.
    static V cell_state(const V* saved, const V* state) { return saved[1] * state[1] + saved[0] * saved[2]; }

    static void backward(const V* saved, const V* state, V* grad_state, V* grads) {
        const V i = saved[0], f = saved[1], g = saved[2], o = saved[3], tanh_c = X::tanh(saved[4]);
        const V dc = grad_state[1] + grad_state[0] * o * (1 - tanh_c * tanh_c);
        grads[0] = dc * g * i * (1 - i);
        grads[1] = dc * state[1] * f * (1 - f);
        grads[2] = dc * i * (1 - g * g);
        grads[3] = grad_state[0] * tanh_c * o * (1 - o);
        grad_state[0] = V{}, grad_state[1] = dc * f;
    }
};

}  // namespace recurra::RECURRA_TARGET
