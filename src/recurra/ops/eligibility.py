"""Which kinds of kernels may run a call: the only place that decides it.

The kernels of the native backend read the memory of tensors. They are correct only where the memory holds the values and
nothing else has to see the operations. The fused kernels of torch are seen by autograd and by recorders, but they have no
rules for every transform. The plain loop consists of ordinary operations, which everything supports.

    what is active                                native   torch   reference   the operator
    nothing, plain CPU tensors                    yes      yes     yes         not needed
    torch.compile, torch.export, make_fx, fake    -        -       -           yes
    a TorchDispatchMode or TorchFunctionMode      inside the operator          yes
    torch.onnx.export                             no       yes     yes         no
    torch.jit.trace, torch.onnx without dynamo    no       yes     no          no
    torch.func, forward-mode AD                   no       no      yes         no
    a subclass with __torch_function__            no       yes     yes         no
    a subclass with __torch_dispatch__, DTensor   no       no      yes         no
    negative bit, sparse, quantized, ...          no       yes     yes         no

Autocast is a matter of the backends, except that a traced call consists of ordinary operations under autocast, so that
its dtypes are those of eager mode.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch._C import _TorchDispatchModeKey as _Mode
from torch._subclasses import FakeTensor
from torch._subclasses.functional_tensor import FunctionalTensor
from torch.autograd import forward_ad
from torch.utils._device import DeviceContext

from .call import Call

_PLAIN = (Tensor, torch.nn.Parameter)
_TRACED = (FakeTensor, FunctionalTensor)
_TRACING_MODES = (_Mode.FAKE, _Mode.FUNCTIONAL, _Mode.PROXY)

# Bound once, because a single step asks for all of them.
_is_compiling = torch.compiler.is_compiling
_dispatch_modes = torch._C._len_torch_dispatch_stack
_function_modes = torch._C._len_torch_function_stack
_tracing_state = torch._C._get_tracing_state
_transformed = torch._C._are_functorch_transforms_active
_keys = torch._C._dispatch_keys

with torch.inference_mode():
    _INFERENCE = _keys(torch.empty(0, device="cpu")).raw_repr()
_PLAIN_KEYS = (_keys(torch.empty(0, device="cpu")).raw_repr(), _INFERENCE)


def fast_path_may_run(x: Any) -> bool:
    """Whether x is a plain tensor and nothing is active that has to see the operations. This takes about a microsecond."""
    return type(x) in _PLAIN and not (
        _is_compiling()
        or _transformed()
        or _dispatch_modes()
        or (_function_modes() and _has_function_mode())
        or _tracing_state() is not None
        or forward_ad._current_level >= 0
    )


def traced(x: Tensor) -> bool:
    """Whether a graph is being recorded or shapes are being inferred, so that tensor values must not be read."""
    return (
        _is_compiling()
        or isinstance(x, _TRACED)
        or x.is_meta
        or _tracing_state() is not None
        or (_dispatch_modes() > 0 and any(torch._C._get_dispatch_mode(mode) is not None for mode in _TRACING_MODES))
    )


def observed(x: Tensor) -> bool:
    """Whether a call has to appear as one operator: a graph is recorded, or a mode sees every operation."""
    return _is_compiling() or _dispatch_modes() > 0 or isinstance(x, _TRACED) or x.is_meta


def wants_operator(call: Call) -> bool:
    """Whether a layer has to run a call through its operator."""
    if _is_compiling():
        return not (_transformed() or _converted(call.x) or _dispatching(call) or _exporting_onnx())
    if not (observed(call.x) or (_function_modes() and _has_function_mode())):
        return False
    return not (_converted(call.x) or _tracing_state() is not None or ordinary_reason(_tensors(call)))


def ordinary_reason(tensors: Iterable[Tensor]) -> str | None:
    """Why a call with these tensors has to consist of ordinary operations, which only the plain loop does; or None."""
    if _transformed():
        return "the transforms of torch.func need to see every operation"
    if forward_ad._current_level >= 0:
        return "forward-mode differentiation needs to see every operation"
    return next((f"{type(t).__name__} implements __torch_dispatch__" for t in tensors if _dispatches(t)), None)


def memory_reason(tensors: Iterable[Tensor]) -> str | None:
    """Why the memory of these tensors must not be read directly; or None."""
    if _tracing_state() is not None:
        return "torch.jit.trace does not record what the kernels do"
    if _is_compiling():
        return "a graph of ordinary operations is recorded"
    tensors = list(tensors)
    if reason := ordinary_reason(tensors):
        return reason
    for tensor in tensors:
        if type(tensor) not in _PLAIN:
            return f"the kernels need plain tensors, and one is a {type(tensor).__name__}"
        if tensor.is_cpu and _keys(tensor).raw_repr() not in _PLAIN_KEYS:
            return f"the kernels need plain dense tensors, and one is {_kind(tensor)}"
    return None


def jit_tracing() -> bool:
    """Whether torch.jit.trace or the ONNX exporter that uses it records the call."""
    return _tracing_state() is not None


def without_autocast(x: Tensor) -> AbstractContextManager[Any]:
    """Disables autocast inside a block, on the device of x."""
    kind = x.device.type
    return torch.autocast(kind, enabled=False) if torch.amp.is_autocast_available(kind) else nullcontext()


def mixes_dtensors(tensors: Iterable[Tensor]) -> bool:
    """Whether some of the tensors are distributed and others are not. torch does not import the class before it is used."""
    distributed = {type(tensor).__name__ == "DTensor" for tensor in tensors}
    return len(distributed) == 2


def _exporting_onnx() -> bool:
    """Whether torch.onnx.export(dynamo=True) records the call. ONNX has torch's layers, and no operator of ours."""
    flags = sys.modules.get("torch.onnx._internal.exporter._flags")
    return flags is not None and bool(flags._is_onnx_exporting)


def _tensors(call: Call) -> tuple[Tensor, ...]:
    return (call.x, *call.state, *call.weights, *call.masks)


def _has_function_mode() -> bool:
    """Whether a TorchFunctionMode is active other than that of a default device, which changes new tensors only."""
    modes = (torch._C._get_function_stack_at(k) for k in range(_function_modes()))
    return any(type(mode) is not DeviceContext for mode in modes)


def _dispatches(tensor: Tensor) -> bool:
    """Whether the class of a tensor implements its operations itself. Fake tensors take the operator instead."""
    kind = type(tensor)
    return kind not in _PLAIN and kind.__torch_dispatch__ is not Tensor.__torch_dispatch__ and kind not in _TRACED


def _dispatching(call: Call) -> bool:
    return any(_dispatches(tensor) for tensor in _tensors(call))


def _converted(x: Tensor) -> bool:
    """Whether autocast chooses the dtype of each operation."""
    return torch.amp.is_autocast_available(x.device.type) and torch.is_autocast_enabled(x.device.type)


def _kind(tensor: Tensor) -> str:
    if tensor.is_neg() or tensor.is_conj():
        return "a view with the negative or conjugate bit; call resolve_neg() or resolve_conj()"
    if tensor.layout != torch.strided:
        return str(tensor.layout)
    return f"of the kind {_keys(tensor)}"
