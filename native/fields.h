// The typed boundary to Python: each field of a call is read from the keyword argument of the same name.
//
// A missing name, an unknown name and a value of the wrong type raise TypeError, so no argument can land in another field.
#pragma once

#include <nanobind/nanobind.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "call.h"

namespace recurra {

namespace nb = nanobind;

// A string that is made once, because a call looks up dozens of names.
struct Name {
    const char* text;
    PyObject* object;

    explicit Name(const char* name) : text(name), object(PyUnicode_InternFromString(name)) {}
};

// tensor.name(), or null if there is no such method.
inline nb::object call_method(nb::handle tensor, const Name& name) {
    PyObject* result = PyObject_CallMethodNoArgs(tensor.ptr(), name.object);
    if (result) return nb::steal(result);
    if (!PyErr_ExceptionMatches(PyExc_AttributeError)) throw nb::python_error();
    PyErr_Clear();
    return {};
}

// The memory of a torch tensor. The caller keeps the tensor alive until the kernel has returned.
template <class T>
T* data_of(nb::handle tensor, const char* argument) {
    static const Name data_ptr("data_ptr");
    const nb::object address = call_method(tensor, data_ptr);
    if (!address.is_valid()) throw nb::type_error((std::string(argument) + " is not a tensor").c_str());
    return reinterpret_cast<T*>(nb::cast<std::uintptr_t>(address));
}

inline CellKind cell_kind(nb::handle name) {
    if (!PyUnicode_Check(name.ptr())) throw nb::type_error("cell is not a string");
    const std::string_view wanted = PyUnicode_AsUTF8(name.ptr());
    if (wanted == "rnn_tanh") return kRnnTanh;
    if (wanted == "rnn_relu") return kRnnRelu;
    if (wanted == "lstm") return kLstm;
    if (wanted == "gru") return kGru;
    throw nb::type_error(("there is no kernel for the cell " + std::string(wanted)).c_str());
}

class Fields {
    nb::kwargs kwargs_;
    Py_ssize_t used_ = 0;

    nb::handle find(const Name& name) {
        const nb::handle value = PyDict_GetItemWithError(kwargs_.ptr(), name.object);
        if (!value.is_valid()) throw nb::type_error((std::string("missing field '") + name.text + "'").c_str());
        ++used_;
        return value;
    }

    template <class T>
    T convert(const Name& name) {
        T value;
        if (!nb::try_cast(find(name), value)) throw nb::type_error((std::string(name.text) + " has the wrong type").c_str());
        return value;
    }

    template <class T>
    static T* memory(const Name& name, nb::handle tensor) {
        return tensor.is_none() ? nullptr : data_of<T>(tensor, name.text);
    }

    static Strides strides_of(nb::handle tensor) {
        static const Name stride("stride");
        const nb::object strides = call_method(tensor, stride);
        return {.batch = PyLong_AsSsize_t(PyTuple_GET_ITEM(strides.ptr(), 0)),
                .time = PyLong_AsSsize_t(PyTuple_GET_ITEM(strides.ptr(), 1))};
    }

    static nb::handle item(nb::handle list, Py_ssize_t k, const Name& name) {
        if (!PyList_Check(list.ptr())) throw nb::type_error((std::string(name.text) + " must be a list").c_str());
        return k < PyList_GET_SIZE(list.ptr()) ? nb::handle(PyList_GET_ITEM(list.ptr(), k)) : nb::handle(Py_None);
    }

   public:
    explicit Fields(nb::kwargs kwargs) : kwargs_(std::move(kwargs)) {}

    void read(const Name& name, CellKind& field) { field = cell_kind(find(name)); }
    void read(const Name& name, bool& field) { field = convert<bool>(name); }
    void read(const Name& name, Index& field) { field = convert<Index>(name); }

    // A tensor, or None for null.
    template <class T>
    void read(const Name& name, T*& field) {
        field = memory<T>(name, find(name));
    }

    // A list of tensors or None; elements beyond the end of the list are null.
    template <class T, std::size_t n>
    void read(const Name& name, T* (&field)[n]) {
        const nb::handle list = find(name);
        for (std::size_t k = 0; k < n; ++k) field[k] = memory<T>(name, item(list, Py_ssize_t(k), name));
    }

    // A tensor (B, T, *) or None, with its strides.
    template <class T>
    void read(const Name& name, T*& field, Strides& strides) {
        const nb::handle value = find(name);
        field = memory<T>(name, value);
        if (field) strides = strides_of(value);
    }

    // For each direction a list of one mask (T, B, H), or None, for each state component.
    void read(const Name& name, ZoneoutMask (&field)[2][2]) {
        const nb::handle list = find(name);
        for (Py_ssize_t d = 0; d < 2; ++d) {
            const nb::handle components = item(list, d, name);
            for (Py_ssize_t p = 0; p < 2 && !components.is_none(); ++p) {
                const nb::handle value = item(components, p, name);
                const void* data = memory<const void>(name, value);
                if (!data) continue;
                const Strides strides = strides_of(value);  // the first axis of a mask is time
                field[d][p] = {.data = data, .time_stride = strides.batch, .batch_stride = strides.time};
            }
        }
    }

    void check_no_others() const {
        if (used_ == PyDict_Size(kwargs_.ptr())) return;
        throw nb::type_error(("unknown field among " + std::string(nb::str(nb::list(kwargs_.attr("keys")())).c_str())).c_str());
    }
};

// Reads a member from the argument of the same name.
#define RECURRA_READ(field)                \
    do {                                   \
        static const Name name(#field);    \
        fields.read(name, call.field);     \
    } while (false)

// The same for a tensor whose strides are a member too.
#define RECURRA_READ_STRIDED(field)                            \
    do {                                                       \
        static const Name name(#field);                        \
        fields.read(name, call.field, call.field##_strides);   \
    } while (false)

inline SequenceCall sequence_call(nb::kwargs kwargs, Team team) {
    Fields fields(std::move(kwargs));
    SequenceCall call{};
    call.team = team;
    RECURRA_READ(cell);
    RECURRA_READ(is_double);
    RECURRA_READ(save_for_backward);
    RECURRA_READ(T);
    RECURRA_READ(B);
    RECURRA_READ(I);
    RECURRA_READ(H);
    RECURRA_READ(D);
    RECURRA_READ(step_offsets);
    RECURRA_READ(batch_sizes);
    RECURRA_READ(lengths);
    RECURRA_READ(batch_indices);
    RECURRA_READ_STRIDED(x);
    RECURRA_READ_STRIDED(y);
    RECURRA_READ(saved);
    RECURRA_READ(initial_state);
    RECURRA_READ(final_state);
    RECURRA_READ(weight_ih);
    RECURRA_READ(weight_hh);
    RECURRA_READ(bias_ih);
    RECURRA_READ(bias_hh);
    RECURRA_READ(scale_ih);
    RECURRA_READ(scale_hh);
    RECURRA_READ(recurrent_dropout_mask);
    RECURRA_READ(zoneout_mask);
    RECURRA_READ_STRIDED(grad_x);
    RECURRA_READ_STRIDED(grad_y);
    RECURRA_READ(grad_initial_state);
    RECURRA_READ(grad_final_state);
    RECURRA_READ(grad_weight_ih);
    RECURRA_READ(grad_weight_hh);
    RECURRA_READ(grad_bias_ih);
    RECURRA_READ(grad_bias_hh);
    fields.check_no_others();
    return call;
}

inline SmallCall small_call(nb::kwargs kwargs, Team team) {
    Fields fields(std::move(kwargs));
    SmallCall call{};
    call.team = team;
    RECURRA_READ(cell);
    RECURRA_READ(is_double);
    RECURRA_READ(T);
    RECURRA_READ(B);
    RECURRA_READ(I);
    RECURRA_READ(H);
    RECURRA_READ(D);
    RECURRA_READ_STRIDED(x);
    RECURRA_READ(y);
    RECURRA_READ(initial_state);
    RECURRA_READ(final_state);
    RECURRA_READ(weight_ih);
    RECURRA_READ(weight_hh);
    RECURRA_READ(bias_ih);
    RECURRA_READ(bias_hh);
    fields.check_no_others();
    return call;
}

inline StepCall step_call(nb::kwargs kwargs) {
    Fields fields(std::move(kwargs));
    StepCall call{};
    RECURRA_READ(cell);
    RECURRA_READ(is_double);
    RECURRA_READ(unpacked);
    RECURRA_READ(B);
    RECURRA_READ(I);
    RECURRA_READ(H);
    RECURRA_READ(x_stride);
    RECURRA_READ(x);
    RECURRA_READ(state);
    RECURRA_READ(scratch);
    RECURRA_READ(weight_ih);
    RECURRA_READ(weight_hh);
    RECURRA_READ(bias_ih);
    RECURRA_READ(bias_hh);
    RECURRA_READ(scale_ih);
    RECURRA_READ(scale_hh);
    RECURRA_READ(quantized);
    fields.check_no_others();
    return call;
}

#undef RECURRA_READ
#undef RECURRA_READ_STRIDED

}  // namespace recurra
