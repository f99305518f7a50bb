// The kernels as seen from Python. All that is handed over is addresses: src/recurra/ops/native.py checks what they are of.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "call.h"
#include "direct.h"

namespace recurra {

#if defined(RECURRA_X86)
namespace avx512 { extern const Kernels kernels; }
namespace avx2 { extern const Kernels kernels; }
#endif
namespace portable { extern const Kernels kernels; }

const Kernels* const all_kernels[] = {
#if defined(RECURRA_X86)
    &avx512::kernels, &avx2::kernels,
#endif
    &portable::kernels, nullptr};

}  // namespace recurra

using namespace recurra;
using Address = std::uintptr_t;

template <class T>
static T* at(Address address) { return reinterpret_cast<T*>(address); }

// The instruction sets this machine has, the widest first.
static std::vector<std::string> targets() {
    std::vector<std::string> names;
    for (auto one = all_kernels; *one; ++one)
        if ((*one)->here()) names.emplace_back((*one)->name);
    return names;
}

static const Kernels& named(const std::string& target) {
    for (auto one = all_kernels; *one; ++one)
        if ((*one)->name == target && (*one)->here()) return **one;
    throw std::invalid_argument("this machine has no instruction set " + target);
}

// sizes: T, B, I, H, D, threads; index: as in Call; layout: the strides of x, y and of the gradients by them; data: x, gates,
// y, first, last and, backward, grad_y, grad_last, grad_first, grad_x; weights: weight_ih, weight_hh, bias_ih, bias_hh, of two
// directions each; grads: the gradients by them
static void run(const std::string& target, int kind, bool is_double, bool keep, bool back, std::vector<Index> sizes,
                std::vector<Address> index, std::vector<Index> layout, std::vector<Address> data,
                std::vector<Address> weights, std::vector<Address> grads, std::vector<Address> reads,
                std::vector<Address> keeps, std::vector<Index> strides, Address parallel) {
    if (sizes.size() != 6 || index.size() != 4 || layout.size() != 8 || data.size() != 9 || weights.size() != 8 ||
        grads.size() != 8 || reads.size() != 2 || keeps.size() != 4 || strides.size() != 8)
        throw std::invalid_argument("run: wrong number of addresses");
    const Kernels& kernels = named(target);
    const auto of = [&](size_t k) { return Strides{layout[2 * k], layout[2 * k + 1]}; };
    const auto stays = [&](size_t k) { return Keep{at<const void>(keeps[k]), strides[2 * k], strides[2 * k + 1]}; };
    const Call call{
        Kind(kind), is_double, keep, sizes[0], sizes[1], sizes[2], sizes[3], sizes[4],
        at<const Index>(index[0]), at<const Index>(index[1]), at<const Index>(index[2]), at<const Index>(index[3]),
        of(0), of(1), of(2), of(3),
        at<void>(data[0]), at<void>(data[1]), at<void>(data[2]), at<void>(data[3]), at<void>(data[4]),
        {at<void>(weights[0]), at<void>(weights[1])}, {at<void>(weights[2]), at<void>(weights[3])},
        {at<void>(weights[4]), at<void>(weights[5])}, {at<void>(weights[6]), at<void>(weights[7])},
        at<void>(data[5]), at<void>(data[6]), at<void>(data[7]), at<void>(data[8]),
        {at<void>(grads[0]), at<void>(grads[1])}, {at<void>(grads[2]), at<void>(grads[3])},
        {at<void>(grads[4]), at<void>(grads[5])}, {at<void>(grads[6]), at<void>(grads[7])},
        {sizes[5], reinterpret_cast<decltype(Team::parallel)>(parallel)},
        {at<void>(reads[0]), at<void>(reads[1])}, {{stays(0), stays(1)}, {stays(2), stays(3)}}};
    const nb::gil_scoped_release release;
    kernels.run(call, back);
}

// sizes: T, B, I, H, D, the strides of x, threads; data: x, y, the first state (4), the last one (4), weight_ih,
// weight_hh, bias_ih and bias_hh of two directions
static void few(const std::string& target, int kind, bool is_double, std::vector<Index> sizes, std::vector<Address> data,
                Address parallel) {
    if (sizes.size() != 8 || data.size() != 18) throw std::invalid_argument("few: wrong number of addresses");
    const Kernels& kernels = named(target);
    FewSteps q{Kind(kind), is_double, sizes[0], sizes[1], sizes[2], sizes[3], sizes[4], sizes[5], sizes[6],
               at<const void>(data[0]), at<void>(data[1]), {}, {}, {}, {}, {}, {},
               {sizes[7], reinterpret_cast<decltype(Team::parallel)>(parallel)}};
    for (size_t k = 0; k < 4; ++k) q.first[k] = at<void>(data[2 + k]), q.last[k] = at<void>(data[6 + k]);
    for (size_t d = 0; d < 2; ++d) {
        q.weight_x[d] = at<void>(data[10 + 4 * d]), q.weight_h[d] = at<void>(data[11 + 4 * d]);
        q.bias_x[d] = at<void>(data[12 + 4 * d]), q.bias_h[d] = at<void>(data[13 + 4 * d]);
    }
    const nb::gil_scoped_release release;
    kernels.few(q);
}

// Steps of a stack of layers whose memory is bound once; Python keeps that memory alive, in an attribute of this object.
class Steps {
    const Kernels& kernels_;
    std::vector<Step> layers_;
    Team team_;

   public:
    Steps(const std::string& target, Index threads, Address parallel)
        : kernels_(named(target)), team_{threads, reinterpret_cast<decltype(Team::parallel)>(parallel)} {}

    Index packed_size(int kind, bool is_double, Index K, Index H) const {
        return kernels_.packed_size(Kind(kind), is_double, K, H);
    }
    void pack(int kind, bool is_double, Address weight, Index K, Index H, Address to) const {
        kernels_.pack(Kind(kind), is_double, at<void>(weight), K, H, at<void>(to));
    }
    Index packed_int8_size(int kind, Index K, Index H) const { return kernels_.packed_int8_size(Kind(kind), K, H); }
    void pack_int8(int kind, Address weight, Index K, Index H, Address to, Address scale) const {
        kernels_.pack_int8(Kind(kind), at<float>(weight), K, H, at<std::int8_t>(to), at<float>(scale));
    }
    void add(int kind, bool is_double, Index B, Index I, Index H, std::vector<Address> data) {
        if (data.size() != 10) throw std::invalid_argument("add: wrong number of addresses");
        layers_.push_back({Kind(kind), is_double, B, I, H, I, at<void>(data[0]), at<void>(data[1]), at<void>(data[2]),
                           at<void>(data[3]), at<void>(data[4]), at<void>(data[5]), at<void>(data[6]),
                           at<float>(data[7]), at<float>(data[8]), at<std::int16_t>(data[9])});
    }
    void operator()() const { step_all(kernels_, layers_.data(), Index(layers_.size()), team_); }
};

NB_MODULE(_native, module) {
    module.def("targets", &targets);
    module.def("run", &run);
    module.def("few", &few);
    nb::class_<Direct>(module, "Direct")
        .def("__init__", [](Direct* self, const std::string& target, Address parallel, nb::object tensor,
                            nb::object parameter, nb::object float32, nb::object float64, Index steps, Index rows) {
            new (self) Direct(named(target), {1, reinterpret_cast<decltype(Team::parallel)>(parallel)}, tensor,
                              parameter, float32, float64, steps, rows);
        })
        .def("run", &Direct::run, nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg().none(), nb::arg(), nb::arg(),
             nb::arg(), nb::arg());
    nb::class_<Steps>(module, "Steps", nb::dynamic_attr())  // which keep what the addresses are of
        .def(nb::init<const std::string&, Index, Address>())
        .def("packed_size", &Steps::packed_size)
        .def("pack", &Steps::pack)
        .def("packed_int8_size", &Steps::packed_int8_size)
        .def("pack_int8", &Steps::pack_int8)
        .def("add", &Steps::add)
        .def("__call__", &Steps::operator());
}
