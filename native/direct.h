// A few steps of a layer, straight from Python's tensors. A step takes a microsecond or two, and looking at each tensor from
// Python several times as long: so that is done here, by the attributes that Python sees, and never by torch's own types.
#pragma once

#include <nanobind/nanobind.h>

#include <cstdint>

#include "call.h"

namespace recurra {

namespace nb = nanobind;

class Direct {
    const Kernels& kernels_;
    Team team_;
    nb::object tensor_, parameter_, float32_, float64_;
    Index most_steps_, most_rows_;
    nb::str shape_{"shape"}, dtype_{"dtype"}, is_cpu_{"is_cpu"}, stride_{"stride"}, data_ptr_{"data_ptr"},
        is_contiguous_{"is_contiguous"}, new_empty_{"new_empty"};

    static Index number(nb::handle of, Index at) { return PyLong_AsSsize_t(PyTuple_GET_ITEM(of.ptr(), at)); }

    void* memory(nb::handle tensor) const {
        return reinterpret_cast<void*>(nb::cast<std::uintptr_t>(tensor.attr(data_ptr_)()));
    }

    bool fits(nb::handle tensor, nb::handle dtype) const {
        const PyObject* type = reinterpret_cast<PyObject*>(Py_TYPE(tensor.ptr()));
        return (type == tensor_.ptr() || type == parameter_.ptr()) && nb::object(tensor.attr(dtype_)).is(dtype) &&
               nb::object(tensor.attr(is_cpu_)).ptr() == Py_True;
    }

    // Where the numbers of a tensor of this dtype and shape lie, in one piece; null if it is another one. `lead`: axes of 1.
    void* whole(nb::handle tensor, nb::handle dtype, Index lead, Index rows, Index columns) const {
        if (!fits(tensor, dtype)) return nullptr;
        const nb::object shape = tensor.attr(shape_);
        Index axis = 0;
        const Index axes = Index(PyTuple_GET_SIZE(shape.ptr()));
        if (axes != lead + (rows ? 2 : 1)) return nullptr;
        for (; axis < lead; ++axis)
            if (number(shape, axis) != 1) return nullptr;
        if (rows && number(shape, axis++) != rows) return nullptr;
        if (number(shape, axis) != columns || nb::object(tensor.attr(is_contiguous_)()).ptr() != Py_True) return nullptr;
        return memory(tensor);
    }

   public:
    Direct(const Kernels& kernels, Team team, nb::object tensor, nb::object parameter, nb::object float32,
           nb::object float64, Index most_steps, Index most_rows)
        : kernels_(kernels), team_(team), tensor_(tensor), parameter_(parameter), float32_(float32), float64_(float64),
          most_steps_(most_steps), most_rows_(most_rows) {}

    // x (B, T, I), or (T, B, I) with `time_first`; `first`, the parts of the state, (B, H) each after `lead` axes of 1, or
    // None; the parameters `names` of the dict `weights`, as the cells order them. -> [y (T, B, H), parts after the last
    // step, with the same axes], or None where something is not as it should be, too large, or not there.
    nb::object run(int kind, Index H, nb::handle x, bool time_first, nb::handle first, Index lead, nb::handle weights,
                   nb::handle names, Index threads) const {
        const Index gates = kind == kLstm ? 4 : kind == kGru ? 3 : 1, parts = kind == kLstm ? 2 : 1;
        const nb::object none = nb::none(), dtype = x.attr(dtype_);
        if (!(dtype.is(float32_) || dtype.is(float64_)) || !fits(x, dtype)) return none;
        const nb::object shape = x.attr(shape_), stride = x.attr(stride_)();
        if (PyTuple_GET_SIZE(shape.ptr()) != 3 || number(stride, 2) != 1) return none;
        const int row = time_first, step = !time_first;
        const Index B = number(shape, row), T = number(shape, step), I = number(shape, 2);
        if (B < 1 || T < 1 || I < 1 || B > most_rows_ || T > most_steps_) return none;
        FewSteps q{Kind(kind), dtype.is(float64_), T, B, I, H, 1, number(stride, row), number(stride, step),
                   memory(x), nullptr, {}, {}, {}, {}, {}, {}, {threads, team_.parallel}};

        const void** of[] = {q.weight_x, q.weight_h, q.bias_x, q.bias_h};
        nb::object kept[4];  // another thread may put others in their place before the kernel is through
        const Index count = Index(PyList_GET_SIZE(names.ptr()));
        for (Index k = 0; k < count && k < 4; ++k) {
            kept[k] = nb::borrow(PyDict_GetItem(weights.ptr(), PyList_GET_ITEM(names.ptr(), k)));
            if (!kept[k].is_valid()) return none;
            *of[k] = whole(kept[k], dtype, 0, k < 2 ? gates * H : 0, k == 0 ? I : k == 1 ? H : gates * H);
            if (!*of[k]) return none;
        }
        if (!first.is_none()) {
            if (!PyTuple_Check(first.ptr()) || PyTuple_GET_SIZE(first.ptr()) != parts) return none;
            for (Index p = 0; p < parts; ++p) {
                q.first[p] = whole(PyTuple_GET_ITEM(first.ptr(), p), dtype, lead, B, H);
                if (!q.first[p]) return none;
            }
        }

        nb::list found;
        found.append(x.attr(new_empty_)(T, B, H));
        q.y = memory(found[0]);
        for (Index p = 0; p < parts; ++p) {
            found.append(lead ? x.attr(new_empty_)(1, B, H) : x.attr(new_empty_)(B, H));
            q.last[p] = memory(found[1 + p]);
        }
        {
            const nb::gil_scoped_release release;
            kernels_.few(q);
        }
        return found;
    }
};

}  // namespace recurra
