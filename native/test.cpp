// The kernels against a plain loop, without Python: for the address, undefined-behaviour and thread sanitizers.
#include <cmath>
#include <cstdio>
#include <random>
#include <vector>

#include "call.h"

namespace recurra {
#if defined(RECURRA_X86)
namespace avx512 { extern const Kernels kernels; }
namespace avx2 { extern const Kernels kernels; }
#endif
namespace portable { extern const Kernels kernels; }
}  // namespace recurra

using namespace recurra;
using Numbers = std::vector<double>;

static double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

// One step as the equations say it; parts of the state side by side.
static void step(Kind kind, const double* x, const Numbers& weight, const Numbers& bias, Index H, Numbers& state) {
    const Index G = kind == kLstm ? 4 : kind == kGru ? 3 : 1;
    Numbers u(size_t(G * H)), next = state;
    for (Index j = 0; j < G * H; ++j) {
        u[size_t(j)] = bias[size_t(j)];
        for (Index k = 0; k < H; ++k) u[size_t(j)] += weight[size_t(j * H + k)] * state[size_t(k)];
    }
    for (Index j = 0; j < H; ++j) {
        const auto sum = [&](Index g) { return x[g * H + j] + u[size_t(g * H + j)]; };
        double& h = next[size_t(j)];
        if (kind == kRnnTanh) h = std::tanh(sum(0));
        if (kind == kRnnRelu) h = sum(0) > 0 ? sum(0) : 0;
        if (kind == kGru) {
            const double r = sigmoid(sum(0)), z = sigmoid(sum(1));
            const double n = std::tanh(x[2 * H + j] + r * u[size_t(2 * H + j)]);
            h = (1 - z) * n + z * h;
        }
        if (kind == kLstm) {
            double& c = next[size_t(H + j)];
            c = sigmoid(sum(1)) * c + sigmoid(sum(0)) * std::tanh(sum(2));
            h = sigmoid(sum(3)) * std::tanh(c);
        }
    }
    state = next;
}

struct Shape { Index T, B, H, D, threads; };

// The worst difference of y and the last state between the kernels and the loop.
static double worst(const Kernels& kernels, Kind kind, Shape s, std::mt19937& random) {
    const Index G = kind == kLstm ? 4 : kind == kGru ? 3 : 1, saved = kind == kLstm ? 5 : kind == kGru ? 4 : 1;
    const Index parts = kind == kLstm ? 2 : 1, deltas = kind == kRnnTanh || kind == kRnnRelu ? 1 : 4;
    std::uniform_real_distribution<double> number(-0.5, 0.5);
    const auto numbers = [&](Index n) {
        Numbers v(static_cast<size_t>(n));
        for (auto& one : v) one = number(random);
        return v;
    };
    std::vector<Index> length(size_t(s.B)), row(size_t(s.B)), offset(size_t(s.T)), alive(size_t(s.T));
    for (Index r = 0; r < s.B; ++r) length[size_t(r)] = s.T - r * s.T / s.B, row[size_t(r)] = (r * 7 + 3) % s.B;
    if (s.B % 7 == 0) for (Index r = 0; r < s.B; ++r) row[size_t(r)] = r;
    Index N = 0;
    for (Index t = 0; t < s.T; ++t) {
        offset[size_t(t)] = N;
        for (Index r = 0; r < s.B; ++r) alive[size_t(t)] += length[size_t(r)] > t;
        N += alive[size_t(t)];
    }
    Numbers gates = numbers(N * s.D * saved * s.H), first = numbers(parts * s.D * s.B * s.H), last(first.size());
    const Numbers x = gates;
    Numbers y(size_t(N * s.D * s.H)), weight[2], bias[2];
    for (Index d = 0; d < s.D; ++d) weight[d] = numbers(G * s.H * s.H), bias[d] = numbers(G * s.H);
    Numbers grad_y = numbers(Index(y.size())), grad_last = numbers(Index(last.size())), grad_first(last.size());
    Numbers delta(size_t(N * s.D * deltas * s.H));
    Call call{kind, true, true, s.T, s.B, s.H, s.D, offset.data(), alive.data(), length.data(), row.data(),
              gates.data(), y.data(), first.data(), last.data(), {weight[0].data(), weight[1].data()},
              {bias[0].data(), bias[1].data()}, grad_y.data(), grad_last.data(), grad_first.data(), delta.data(), {s.threads, nullptr}};
    kernels.run(call, false);
    double off = 0;
    for (Index d = 0; d < s.D; ++d)
        for (Index r = 0; r < s.B; ++r) {
            const auto place = [&](Index p) { return size_t(((p * s.D + d) * s.B + row[size_t(r)]) * s.H); };
            Numbers state;
            for (Index p = 0; p < parts; ++p)
                state.insert(state.end(), first.begin() + long(place(p)), first.begin() + long(place(p)) + s.H);
            for (Index n = 0; n < length[size_t(r)]; ++n) {
                const Index t = d == 0 ? n : length[size_t(r)] - 1 - n;
                const Index at = ((offset[size_t(t)] + r) * s.D + d) * saved * s.H;
                step(kind, &x[size_t(at)], weight[d], bias[d], s.H, state);
                for (Index j = 0; j < s.H; ++j)
                    off = std::fmax(off, std::fabs(y[size_t(((offset[size_t(t)] + r) * s.D + d) * s.H + j)] - state[size_t(j)]));
            }
            for (Index p = 0; p < parts; ++p)
                for (Index j = 0; j < s.H; ++j)
                    off = std::fmax(off, std::fabs(last[place(p) + size_t(j)] - state[size_t(p * s.H + j)]));
        }
    // The backward pass, by the difference quotient of the loss along the first state.
    kernels.run(call, true);
    const auto loss = [&](double by) {
        Numbers moved = first, g = x;
        for (size_t k = 0; k < moved.size(); ++k) moved[k] += by * std::sin(double(k));
        Call other = call;
        other.first = moved.data(), other.gates = g.data();
        Numbers y2(y.size()), last2(last.size());
        other.y = y2.data(), other.last = last2.data();
        kernels.run(other, false);
        double sum = 0;
        for (size_t k = 0; k < y2.size(); ++k) sum += y2[k] * grad_y[k];
        for (size_t k = 0; k < last2.size(); ++k) sum += last2[k] * grad_last[k];
        return sum;
    };
    double along = 0, size = 1;
    for (size_t k = 0; k < first.size(); ++k) along += grad_first[k] * std::sin(double(k)), size += std::fabs(grad_first[k]);
    const double quotient = (loss(1e-5) - loss(-1e-5)) / 2e-5;
    if (kind != kRnnRelu) off = std::fmax(off, std::fabs(quotient - along) / size * 1e-4);  // quotients see 8 digits
    return off;
}

// The same for single steps of streams.
static double worst_step(const Kernels& kernels, Kind kind, Index B, Index I, Index H, Index threads, std::mt19937& random) {
    const Index G = kind == kLstm ? 4 : kind == kGru ? 3 : 1, parts = kind == kLstm ? 2 : 1;
    std::uniform_real_distribution<double> number(-0.5, 0.5);
    const auto numbers = [&](Index n) {
        Numbers v(static_cast<size_t>(n));
        for (auto& one : v) one = number(random);
        return v;
    };
    const Numbers w_x = numbers(G * H * I), w_h = numbers(G * H * H), b = numbers(G * H), c = numbers(G * H);
    Numbers x = numbers(B * I), state = numbers(parts * B * H), spare(size_t(B * H));
    Numbers packed_x(size_t(kernels.packed_size(kind, true, I, H))), packed_h(size_t(kernels.packed_size(kind, true, H, H)));
    kernels.pack(kind, true, w_x.data(), I, H, packed_x.data());
    kernels.pack(kind, true, w_h.data(), H, H, packed_h.data());
    const Step call{kind, true, B, I, H, I, x.data(), state.data(), spare.data(), packed_x.data(), packed_h.data(), b.data(), c.data()};
    double off = 0;
    for (int n = 0; n < 3; ++n) {
        const Numbers before = state;
        step_all(kernels, &call, 1, {threads, nullptr});
        for (Index r = 0; r < B; ++r) {
            Numbers projected = b, mine;
            for (Index j = 0; j < G * H; ++j)
                for (Index k = 0; k < I; ++k) projected[size_t(j)] += w_x[size_t(j * I + k)] * x[size_t(r * I + k)];
            for (Index p = 0; p < parts; ++p)
                mine.insert(mine.end(), before.begin() + long((p * B + r) * H), before.begin() + long((p * B + r + 1) * H));
            step(kind, projected.data(), w_h, c, H, mine);
            for (Index p = 0; p < parts; ++p)
                for (Index j = 0; j < H; ++j)
                    off = std::fmax(off, std::fabs(state[size_t((p * B + r) * H + j)] - mine[size_t(p * H + j)]));
        }
    }
    return off;
}

int main() {
    const Kernels* all[] = {
#if defined(RECURRA_X86)
        &avx512::kernels, &avx2::kernels,
#endif
        &portable::kernels};
    std::mt19937 random(0);
    int cases = 0, wrong = 0;
    const auto check = [&](double off, const Kernels& kernels, int kind, const char* what) {
        ++cases;
        if (off < 1e-12) return;
        ++wrong;
        std::printf("%s, kind %d: %s off by %g\n", kernels.name, kind, what, off);
    };
    for (const Kernels* kernels : all) {
        if (!kernels->here()) continue;
        for (int kind = 0; kind < 4; ++kind)
            for (Index H : {1, 7, 16, 33, 65})
                for (Shape s : {Shape{1, 1, H, 1, 1}, Shape{5, 14, H, 2, 3}, Shape{6, 9, H, 1, 2}, Shape{3, 20, H, 2, 4}}) {
                    check(worst(*kernels, Kind(kind), s, random), *kernels, kind, "a sequence");
                    check(worst_step(*kernels, Kind(kind), 8 * s.B, s.T, H, s.threads, random), *kernels, kind, "a stream");
                }
    }
    std::printf("%d cases, %d wrong\n", cases, wrong);
    return wrong ? 1 : 0;
}
