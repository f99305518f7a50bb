// The Python module recurra.ops.native._native. Its types are declared in src/recurra/ops/native/_native.pyi; the Python side
// checks shapes, dtypes and devices before it calls the kernels.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "fast_path.h"
#include "fields.h"
#include "kernels.h"

using namespace recurra;
using Address = std::uintptr_t;
using GompParallel = decltype(Team::gomp_parallel);

// The instruction sets of this machine, the widest first.
static std::vector<std::string> targets() {
    std::vector<std::string> names;
    for (auto kernels = all_kernels; *kernels; ++kernels)
        if ((*kernels)->is_supported()) names.emplace_back((*kernels)->name);
    return names;
}

static const Kernels& kernels_of(const std::string& target) {
    for (auto kernels = all_kernels; *kernels; ++kernels)
        if ((*kernels)->name == target && (*kernels)->is_supported()) return **kernels;
    throw std::invalid_argument("this machine does not have the instruction set " + target);
}

static Team team_of(Index threads, Address gomp_parallel) {
    return {.threads = threads, .gomp_parallel = reinterpret_cast<GompParallel>(gomp_parallel)};
}

static void run_sequence(const std::string& target, bool backward, Index threads, Address gomp_parallel, nb::kwargs fields) {
    const Kernels& kernels = kernels_of(target);
    const SequenceCall call = sequence_call(std::move(fields), team_of(threads, gomp_parallel));
    const nb::gil_scoped_release release;
    kernels.run_sequence(call, backward);
}

static void run_small(const std::string& target, Index threads, Address gomp_parallel, nb::kwargs fields) {
    const Kernels& kernels = kernels_of(target);
    const SmallCall call = small_call(std::move(fields), team_of(threads, gomp_parallel));
    const nb::gil_scoped_release release;
    kernels.run_small(call);
}

static double peak_operations(const std::string& target, Index threads, Address gomp_parallel, double seconds) {
    const Kernels& kernels = kernels_of(target);
    const nb::gil_scoped_release release;
    return recurra::peak_operations(kernels, team_of(threads, gomp_parallel), seconds);
}

// Single steps of a stack of layers whose buffers are bound once. The Python object keeps the tensors alive, in an attribute.
class Stepper {
    const Kernels& kernels_;
    std::vector<StepCall> layers_;
    Team team_;
    Index products_ = 0;  // multiplications of one step

    // Below this a step of one thread takes a few microseconds, in which other threads of Python may wait: releasing the lock
    // costs time too, and so does waiting for it.
    static constexpr Index kProductsWithLock = 1 << 16;

   public:
    Stepper(const std::string& target, Index threads, Address gomp_parallel)
        : kernels_(kernels_of(target)), team_(team_of(threads, gomp_parallel)) {}

    Index packed_size(nb::handle cell, bool is_double, Index K, Index H) const {
        return kernels_.packed_size(cell_kind(cell), is_double, K, H);
    }
    void pack(nb::handle cell, bool is_double, Index K, Index H, nb::handle weight, nb::handle packed) const {
        kernels_.pack(cell_kind(cell), is_double, data_of<void>(weight, "weight"), K, H,
                      data_of<void>(packed, "packed"));
    }
    void add_layer(nb::kwargs fields) {
        const StepCall& call = layers_.emplace_back(step_call(std::move(fields)));
        products_ += call.B * num_gates(call.cell) * call.H * (call.I + call.H);
    }
    void operator()() const {
        if (team_.threads == 1 && products_ < kProductsWithLock) return step();
        const nb::gil_scoped_release release;
        step();
    }

   private:
    void step() const { step_all(kernels_, layers_.data(), Index(layers_.size()), team_); }
};

NB_MODULE(_native, module) {
    using nb::arg, nb::kw_only;
    module.def("targets", &targets);
    module.def("run_sequence", &run_sequence, kw_only(), arg("target"), arg("backward"), arg("threads"), arg("gomp_parallel"),
               arg("fields"));
    module.def("run_small", &run_small, kw_only(), arg("target"), arg("threads"), arg("gomp_parallel"), arg("fields"));
    module.def("peak_operations", &::peak_operations, kw_only(), arg("target"), arg("threads"), arg("gomp_parallel"),
               arg("seconds"));
    nb::class_<FastPath>(module, "FastPath")
        .def("__init__",
             [](FastPath* self, const std::string& target, Address gomp_parallel, nb::handle cell, Index H, nb::list names,
                nb::object tensor, nb::object parameter, nb::object float32, nb::object float64, Index max_steps,
                Index max_batch) {
                 new (self) FastPath(kernels_of(target), reinterpret_cast<GompParallel>(gomp_parallel), cell_kind(cell), H,
                                     names, tensor, parameter, float32, float64, max_steps, max_batch);
             },
             kw_only(), arg("target"), arg("gomp_parallel"), arg("cell"), arg("H"), arg("names"), arg("tensor"),
             arg("parameter"), arg("float32"), arg("float64"), arg("max_steps"), arg("max_batch"))
        .def("run", &FastPath::run, kw_only(), arg("x"), arg("time_first"), arg("state").none(), arg("leading_axes"),
             arg("parameters"), arg("threads"));
    nb::class_<Stepper>(module, "Stepper", nb::dynamic_attr())
        .def(nb::init<const std::string&, Index, Address>(), kw_only(), arg("target"), arg("threads"), arg("gomp_parallel"))
        .def("packed_size", &Stepper::packed_size, kw_only(), arg("cell"), arg("is_double"), arg("K"), arg("H"))
        .def("pack", &Stepper::pack, kw_only(), arg("cell"), arg("is_double"), arg("K"), arg("H"), arg("weight"),
             arg("packed"))
        .def("add_layer", &Stepper::add_layer)
        .def("__call__", &Stepper::operator());
}
