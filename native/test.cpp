// The kernels against a plain loop, without Python: for the address, undefined-behaviour and thread sanitizers.
#include <cmath>
#include <cstdio>
#include <random>
#include <utility>
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

// One step as the equations say it; parts of the state side by side. `mask` (H) or null: what multiplies h for the gates.
static void step(Kind kind, const double* x, const Numbers& weight, const Numbers& bias, Index H, Numbers& state,
                 const double* mask = nullptr) {
    const Index G = kind == kLstm ? 4 : kind == kGru ? 3 : 1;
    Numbers u(size_t(G * H)), next = state;
    for (Index j = 0; j < G * H; ++j) {
        u[size_t(j)] = bias[size_t(j)];
        for (Index k = 0; k < H; ++k) u[size_t(j)] += weight[size_t(j * H + k)] * state[size_t(k)] * (mask ? mask[k] : 1);
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

struct Shape { Index T, B, H, D, threads; bool masked = false; Index I = 5; };

// The worst difference of y and the last state between the kernels and the loop.
static double worst(const Kernels& kernels, Kind kind, Shape s, std::mt19937& random) {
    const Index G = kind == kLstm ? 4 : kind == kGru ? 3 : 1, saved = kind == kLstm ? 5 : kind == kGru ? 4 : 1;
    const Index parts = kind == kLstm ? 2 : 1;
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
    Numbers gates(size_t(N * s.D * saved * s.H)), first = numbers(parts * s.D * s.B * s.H), last(first.size());
    const Numbers x = numbers(s.B * s.T * s.I);
    Numbers y(size_t(s.B * s.T * s.D * s.H)), weight_x[2], weight_h[2], bias_x[2], bias_h[2];
    for (Index d = 0; d < s.D; ++d) {
        weight_x[d] = numbers(G * s.H * s.I), weight_h[d] = numbers(G * s.H * s.H);
        bias_x[d] = numbers(G * s.H), bias_h[d] = numbers(G * s.H);
    }
    Numbers grad_y = numbers(Index(y.size())), grad_last = numbers(Index(last.size())), grad_first(last.size()), grad_x(x.size());
    const Numbers read = numbers(s.D * s.B * s.H), stays = numbers(s.D * parts * s.T * s.B * s.H);
    Numbers grad_weight_x[2], grad_weight_h[2], grad_bias_x[2], grad_bias_h[2];
    const Numbers* const weights[] = {weight_x, weight_h, bias_x, bias_h};
    Numbers* const grads[] = {grad_weight_x, grad_weight_h, grad_bias_x, grad_bias_h};
    for (Index k = 0; k < 4; ++k)
        for (Index d = 0; d < s.D; ++d) grads[k][d].resize(weights[k][d].size());
    Call call{kind, true, true, s.T, s.B, s.I, s.H, s.D, offset.data(), alive.data(), length.data(), row.data(),
              {s.T * s.I, s.I}, {s.T * s.D * s.H, s.D * s.H}, {s.T * s.I, s.I}, {s.T * s.D * s.H, s.D * s.H}, x.data(), gates.data(), y.data(), first.data(), last.data(), {weight_x[0].data(), weight_x[1].data()},
              {weight_h[0].data(), weight_h[1].data()}, {bias_x[0].data(), bias_x[1].data()},
              {bias_h[0].data(), bias_h[1].data()}, grad_y.data(), grad_last.data(), grad_first.data(), grad_x.data(),
              {grad_weight_x[0].data(), grad_weight_x[1].data()}, {grad_weight_h[0].data(), grad_weight_h[1].data()},
              {grad_bias_x[0].data(), grad_bias_x[1].data()}, {grad_bias_h[0].data(), grad_bias_h[1].data()},
              {s.threads, nullptr}, {}, {}};
    for (Index d = 0; d < s.D && s.masked; ++d) {
        call.read[d] = &read[size_t(d * s.B * s.H)];
        for (Index p = 0; p < parts; ++p)
            call.stays[d][p] = {&stays[size_t((d * parts + p) * s.T * s.B * s.H)], s.B * s.H, s.H};
    }
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
                const Index at = (row[size_t(r)] * s.T + t) * s.I;
                const Numbers old = state;
                Numbers projected = bias_x[d];
                for (Index j = 0; j < G * s.H; ++j)
                    for (Index k = 0; k < s.I; ++k) projected[size_t(j)] += weight_x[d][size_t(j * s.I + k)] * x[size_t(at + k)];
                step(kind, projected.data(), weight_h[d], bias_h[d], s.H, state,
                     s.masked ? &read[size_t((d * s.B + row[size_t(r)]) * s.H)] : nullptr);
                for (Index k = 0; k < parts * s.H && s.masked; ++k) {
                    const Index p = k / s.H, j = k % s.H;
                    const double share = stays[size_t((((d * parts + p) * s.T + t) * s.B + row[size_t(r)]) * s.H + j)];
                    state[size_t(k)] = share * old[size_t(k)] + (1 - share) * state[size_t(k)];
                }
                for (Index j = 0; j < s.H; ++j)
                    off = std::fmax(off, std::fabs(y[size_t(((row[size_t(r)] * s.T + t) * s.D + d) * s.H + j)] - state[size_t(j)]));
            }
            for (Index p = 0; p < parts; ++p)
                for (Index j = 0; j < s.H; ++j)
                    off = std::fmax(off, std::fabs(last[place(p) + size_t(j)] - state[size_t(p * s.H + j)]));
        }
    // The backward pass, by the difference quotient of the loss along all that has a gradient.
    kernels.run(call, true);
    std::vector<std::pair<const Numbers*, const Numbers*>> moving{{&first, &grad_first}, {&x, &grad_x}};
    for (Index d = 0; d < s.D; ++d)
        for (Index k = 0; k < 4; ++k) moving.push_back({weights[k] + d, grads[k] + d});
    const auto loss = [&](double by) {
        std::vector<Numbers> moved;
        for (const auto& [value, gradient] : moving) {
            moved.push_back(*value);
            for (size_t k = 0; k < value->size(); ++k) moved.back()[k] += by * std::sin(double(k + moved.size()));
        }
        Numbers g(gates.size()), y2(y.size()), last2(last.size());
        Call other = call;
        other.first = moved[0].data(), other.x = moved[1].data(), other.gates = g.data();
        other.y = y2.data(), other.last = last2.data();
        for (size_t d = 0, k = 2; d < size_t(s.D); ++d) {
            other.weight_x[d] = moved[k++].data(), other.weight_h[d] = moved[k++].data();
            other.bias_x[d] = moved[k++].data(), other.bias_h[d] = moved[k++].data();
        }
        kernels.run(other, false);
        double sum = 0;
        for (size_t k = 0; k < y2.size(); ++k) sum += y2[k] * grad_y[k];
        for (size_t k = 0; k < last2.size(); ++k) sum += last2[k] * grad_last[k];
        return sum;
    };
    double along = 0, size = 1;
    for (size_t n = 0; n < moving.size(); ++n)
        for (size_t k = 0; k < moving[n].second->size(); ++k) {
            const double gradient = (*moving[n].second)[k];
            along += gradient * std::sin(double(k + n + 1)), size += std::fabs(gradient);
        }
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
    const Step call{kind, true, B, I, H, I, x.data(), state.data(), spare.data(), packed_x.data(), packed_h.data(), b.data(), c.data(), nullptr, nullptr, nullptr};
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

// A few steps on weights as they lie.
static double worst_few(const Kernels& kernels, Kind kind, Index T, Index B, Index I, Index H, Index D, Index threads,
                        std::mt19937& random) {
    const Index G = kind == kLstm ? 4 : kind == kGru ? 3 : 1, parts = kind == kLstm ? 2 : 1;
    std::uniform_real_distribution<double> number(-0.5, 0.5);
    const auto numbers = [&](Index n) {
        Numbers v(static_cast<size_t>(n));
        for (auto& one : v) one = number(random);
        return v;
    };
    const Numbers x = numbers(B * T * I);
    Numbers y(size_t(T * B * D * H)), first[4], last[4], w_x[2], w_h[2], b[2], c[2];
    FewSteps q{kind, true, T, B, I, H, D, T * I, I, x.data(), y.data(), {}, {}, {}, {}, {}, {}, {threads, nullptr}};
    for (Index d = 0; d < D; ++d) {
        const size_t n = size_t(d);
        w_x[n] = numbers(G * H * I), w_h[n] = numbers(G * H * H), b[n] = numbers(G * H), c[n] = numbers(G * H);
        q.weight_x[n] = w_x[n].data(), q.weight_h[n] = w_h[n].data(), q.bias_x[n] = b[n].data(), q.bias_h[n] = c[n].data();
        for (Index p = 0; p < parts; ++p) {
            const size_t at = size_t(d * parts + p);
            first[at] = numbers(B * H), last[at].resize(size_t(B * H));
            q.first[at] = B % 2 ? first[at].data() : nullptr, q.last[at] = last[at].data();
            if (B % 2 == 0) first[at].assign(size_t(B * H), 0);
        }
    }
    kernels.few(q);
    double off = 0;
    for (Index d = 0; d < D; ++d)
        for (Index r = 0; r < B; ++r) {
            Numbers state;
            for (Index p = 0; p < parts; ++p) {
                const auto from = first[d * parts + p].begin() + long(r * H);
                state.insert(state.end(), from, from + H);
            }
            for (Index n = 0; n < T; ++n) {
                const Index t = d == 0 ? n : T - 1 - n;
                Numbers projected = b[d];
                for (Index j = 0; j < G * H; ++j)
                    for (Index k = 0; k < I; ++k) projected[size_t(j)] += w_x[d][size_t(j * I + k)] * x[size_t((r * T + t) * I + k)];
                step(kind, projected.data(), w_h[d], c[d], H, state);
                for (Index j = 0; j < H; ++j)
                    off = std::fmax(off, std::fabs(y[size_t(((t * B + r) * D + d) * H + j)] - state[size_t(j)]));
            }
            for (Index k = 0; k < parts * H; ++k)
                off = std::fmax(off, std::fabs(last[d * parts + k / H][size_t(r * H + k % H)] - state[size_t(k)]));
        }
    return off;
}

// A step with weights of 8 bits against one with the weights they stand for. In float, so what is off is given as a share
// of what may be.
static double worst_int8(const Kernels& kernels, Kind kind, Index B, Index I, Index H, Index threads, std::mt19937& random) {
    const Index G = kind == kLstm ? 4 : kind == kGru ? 3 : 1, parts = kind == kLstm ? 2 : 1;
    std::uniform_real_distribution<float> number(-0.5f, 0.5f);
    const auto numbers = [&](Index n) {
        std::vector<float> v(static_cast<size_t>(n));
        for (auto& one : v) one = number(random);
        return v;
    };
    const auto padded = [](Index K) { return (K + 63) / 64 * 64; };
    const std::vector<float> w_x = numbers(G * H * I), w_h = numbers(G * H * H), b = numbers(G * H), c = numbers(G * H);
    std::vector<float> x = numbers(B * I), state = numbers(parts * B * H), scale_x(size_t(G * H)), scale_h(size_t(G * H));
    std::vector<std::int8_t> packed_x(size_t(kernels.packed_int8_size(kind, I, H))), packed_h(size_t(kernels.packed_int8_size(kind, H, H)));
    std::vector<std::int16_t> rounded(size_t(B * (padded(I) + padded(H))));
    kernels.pack_int8(kind, w_x.data(), I, H, packed_x.data(), scale_x.data());
    kernels.pack_int8(kind, w_h.data(), H, H, packed_h.data(), scale_h.data());
    const auto meant = [&](const std::vector<float>& w, const std::vector<float>& scale, Index K) {
        Numbers v(w.size());
        for (size_t k = 0; k < w.size(); ++k) {
            const float s = scale[k / size_t(K)];
            v[k] = double(std::nearbyint(w[k] / s)) * double(s);  // in float, as the kernel does: a half may fall either way
        }
        return v;
    };
    const Numbers m_x = meant(w_x, scale_x, I), m_h = meant(w_h, scale_h, H);
    const std::vector<float> before = state;
    const Step call{kind, false, B, I, H, I, x.data(), state.data(), nullptr, packed_x.data(), packed_h.data(), b.data(),
                    c.data(), scale_x.data(), scale_h.data(), rounded.data()};
    step_all(kernels, &call, 1, {threads, nullptr});
    double off = 0;
    for (Index r = 0; r < B; ++r) {
        Numbers projected(b.begin(), b.end()), mine;
        for (Index j = 0; j < G * H; ++j)
            for (Index k = 0; k < I; ++k) projected[size_t(j)] += m_x[size_t(j * I + k)] * double(x[size_t(r * I + k)]);
        for (Index p = 0; p < parts; ++p)
            mine.insert(mine.end(), before.begin() + long((p * B + r) * H), before.begin() + long((p * B + r + 1) * H));
        step(kind, projected.data(), m_h, Numbers(c.begin(), c.end()), H, mine);
        for (Index p = 0; p < parts; ++p)
            for (Index j = 0; j < H; ++j)
                off = std::fmax(off, std::fabs(double(state[size_t((p * B + r) * H + j)]) - mine[size_t(p * H + j)]));
    }
    // Each of the numbers, at most 0.5 in size, is rounded by half a 32639th of that; weights are at most 0.5.
    const double allowed = double(I + H) * 0.25 / 65278 * 2 + 1e-5;
    return off / allowed * 0.9e-12;  // the bound of `check`
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
            check(worst(*kernels, Kind(kind), Shape{4, 700, 7, 2, 3}, random), *kernels, kind, "several windows");
        for (int kind = 0; kind < 4; ++kind)
            for (Index H : {1, 7, 16, 33, 65})
                for (Shape s : {Shape{1, 1, H, 1, 1}, Shape{5, 14, H, 2, 3}, Shape{6, 9, H, 1, 2}, Shape{3, 20, H, 2, 4}, Shape{5, 60, H, 1, 3}}) {
                    check(worst(*kernels, Kind(kind), s, random), *kernels, kind, "a sequence");
                    Shape masked = s;
                    masked.masked = true;
                    check(worst(*kernels, Kind(kind), masked, random), *kernels, kind, "a masked sequence");
                    check(worst_few(*kernels, Kind(kind), s.T, s.B % 8 + 1, s.T, H, s.D, s.threads, random), *kernels, kind, "a few steps");
                    check(worst_int8(*kernels, Kind(kind), s.B, s.T + 30, H, s.threads, random), *kernels, kind, "8 bits");
                    check(worst_step(*kernels, Kind(kind), 8 * s.B, s.T, H, s.threads, random), *kernels, kind, "a stream");
                }
    }
    std::printf("%d cases, %d wrong\n", cases, wrong);
    return wrong ? 1 : 0;
}
