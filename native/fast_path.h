// A few time steps of one layer, directly from Python's tensors. The kernel takes one or two microseconds, and checking each
// tensor from Python would take several times as long. So the checks are done here. They use the attributes that Python sees,
// and never torch's own C++ types.
#pragma once

#include <nanobind/nanobind.h>

#include <cstdint>

#include "fields.h"
#include "kernels.h"

namespace recurra {

class FastPath {
    const Kernels& kernels_;
    void (*gomp_parallel_)(void (*)(void*), void*, unsigned, unsigned);
    CellKind cell_;
    Index H_;
    nb::list names_;
    nb::object tensor_, parameter_, float32_, float64_;
    Index max_steps_, max_batch_;
    nb::str shape_{"shape"}, dtype_{"dtype"}, is_cpu_{"is_cpu"}, stride_{"stride"}, data_ptr_{"data_ptr"},
        is_contiguous_{"is_contiguous"}, is_neg_{"is_neg"}, new_empty_{"new_empty"};

    static Index integer(nb::handle tuple, Index k) { return PyLong_AsSsize_t(PyTuple_GET_ITEM(tuple.ptr(), k)); }

    // tensor.name(), without the bound method that `attr` would create.
    static nb::object call(nb::handle tensor, const nb::str& name) {
        PyObject* result = PyObject_CallMethodNoArgs(tensor.ptr(), name.ptr());
        if (!result) throw nb::python_error();
        return nb::steal(result);
    }

    void* memory(nb::handle tensor) const {
        return reinterpret_cast<void*>(nb::cast<std::uintptr_t>(call(tensor, data_ptr_)));
    }

    // Whether this is a plain tensor on the CPU whose memory holds its values. What else a tensor can be (sparse, quantized,
    // a wrapper of torch.func) has another type, another dtype, no memory, or is excluded before `run` is called.
    bool is_cpu_tensor(nb::handle tensor, nb::handle dtype) const {
        const PyObject* type = reinterpret_cast<PyObject*>(Py_TYPE(tensor.ptr()));
        return (type == tensor_.ptr() || type == parameter_.ptr()) && nb::object(tensor.attr(dtype_)).is(dtype) &&
               nb::object(tensor.attr(is_cpu_)).ptr() == Py_True &&
               call(tensor, is_neg_).ptr() == Py_False;
    }

    // The memory of a contiguous tensor of this dtype and shape, or null if the tensor is different. The shape is
    // `leading_axes` axes of size 1, then (rows, columns), or (columns) if `rows` is 0.
    void* contiguous_memory(nb::handle tensor, nb::handle dtype, Index leading_axes, Index rows, Index columns) const {
        if (!is_cpu_tensor(tensor, dtype)) return nullptr;
        const nb::object shape = tensor.attr(shape_);
        Index axis = 0;
        const Index axes = Index(PyTuple_GET_SIZE(shape.ptr()));
        if (axes != leading_axes + (rows ? 2 : 1)) return nullptr;
        for (; axis < leading_axes; ++axis)
            if (integer(shape, axis) != 1) return nullptr;
        if (rows && integer(shape, axis++) != rows) return nullptr;
        if (integer(shape, axis) != columns || call(tensor, is_contiguous_).ptr() != Py_True) return nullptr;
        return memory(tensor);
    }

   public:
    // `names` are the parameters of the layer in the order of the cell. The types and dtypes are those of torch.
    FastPath(const Kernels& kernels, decltype(Team::gomp_parallel) gomp_parallel, CellKind cell, Index H, nb::list names,
             nb::object tensor, nb::object parameter, nb::object float32, nb::object float64, Index max_steps,
             Index max_batch)
        : kernels_(kernels), gomp_parallel_(gomp_parallel), cell_(cell), H_(H), names_(names), tensor_(tensor),
          parameter_(parameter), float32_(float32), float64_(float64), max_steps_(max_steps), max_batch_(max_batch) {}

    // x is (B, T, I), or (T, B, I) with `time_first`. `state` is None or a tuple of the components of the initial state, each
    // (B, H) after `leading_axes` axes of size 1. `parameters` is a dict that has the names of the constructor.
    // Returns [y (T, B, H), final state components with the same axes], or None if the call does not fit this path.
    nb::object run(nb::handle x, bool time_first, nb::handle state, Index leading_axes, nb::handle parameters,
                   Index threads) const {
        const Index H = H_, gates = num_gates(cell_), components = num_state_components(cell_);
        const nb::object none = nb::none(), dtype = x.attr(dtype_);
        if (!(dtype.is(float32_) || dtype.is(float64_)) || !is_cpu_tensor(x, dtype)) return none;
        const nb::object shape = x.attr(shape_), stride = this->call(x, stride_);
        if (PyTuple_GET_SIZE(shape.ptr()) != 3 || integer(stride, 2) != 1) return none;
        const int batch_axis = time_first, time_axis = !time_first;
        const Index B = integer(shape, batch_axis), T = integer(shape, time_axis), I = integer(shape, 2);
        if (B < 1 || T < 1 || I < 1 || B > max_batch_ || T > max_steps_) return none;
        SmallCall call{};
        call.cell = cell_;
        call.is_double = dtype.is(float64_);
        call.T = T, call.B = B, call.I = I, call.H = H, call.D = 1;
        call.x = memory(x);
        if (!call.x) return none;
        call.x_strides = {.batch = integer(stride, batch_axis), .time = integer(stride, time_axis)};
        call.team = {.threads = threads, .gomp_parallel = gomp_parallel_};

        const void** targets[] = {call.weight_ih, call.weight_hh, call.bias_ih, call.bias_hh};
        nb::object owners[4];  // another thread may replace a parameter before the kernel has returned
        const Index count = Index(PyList_GET_SIZE(names_.ptr()));
        for (Index k = 0; k < count && k < 4; ++k) {
            owners[k] = nb::borrow(PyDict_GetItem(parameters.ptr(), PyList_GET_ITEM(names_.ptr(), k)));
            if (!owners[k].is_valid()) return none;
            const Index rows = k < 2 ? gates * H : 0, columns = k == 0 ? I : k == 1 ? H : gates * H;
            *targets[k] = contiguous_memory(owners[k], dtype, 0, rows, columns);
            if (!*targets[k]) return none;
        }
        if (!state.is_none()) {
            if (!PyTuple_Check(state.ptr()) || PyTuple_GET_SIZE(state.ptr()) != components) return none;
            for (Index p = 0; p < components; ++p) {
                call.initial_state[p] = contiguous_memory(PyTuple_GET_ITEM(state.ptr(), p), dtype, leading_axes, B, H);
                if (!call.initial_state[p]) return none;
            }
        }

        nb::list outputs;
        outputs.append(x.attr(new_empty_)(T, B, H));
        call.y = memory(outputs[0]);
        for (Index p = 0; p < components; ++p) {
            outputs.append(leading_axes ? x.attr(new_empty_)(1, B, H) : x.attr(new_empty_)(B, H));
            call.final_state[p] = memory(outputs[1 + p]);
        }
        {
            const nb::gil_scoped_release release;
            kernels_.run_small(call);
        }
        return outputs;
    }
};

}  // namespace recurra
