"""Modes that record a graph. Each records it from an example with other values, and runs it on the case."""

from __future__ import annotations

import io
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call
from torch.fx.experimental.proxy_tensor import make_fx

from ..case import Case, Configuration
from ..observe import Found, named_gradients, named_outputs, trainable, values_and_gradients
from ..subjects import SUBJECTS
from .base import mode


def _compiled(flat: Any, case: Case, **options: Any) -> Found:
    torch._dynamo.reset()
    # torch.nn's layers are run without compiling by design; ours must not break the graph.
    compiled = torch.compile(flat, fullgraph=type(flat.layer).__module__.startswith("recurra"), **options)
    compiled(*case.example)
    return values_and_gradients(compiled, case, trainable(flat))


def _unrolled(c: Configuration) -> str | None:
    subject = SUBJECTS[c.subject]
    one_node = not subject.is_cell and subject.torch is not None
    return (
        None if one_node or c.T < 20 else "a graph of 20 unrolled steps takes minutes to compile; aot_eager records it"
    )


@mode("torch.compile", grid="one", skipped=_unrolled)
def compile_inductor(flat: Any, case: Case) -> Found:
    return _compiled(flat, case)


@mode("torch.compile: aot_eager", grid="pairs")
def compile_aot_eager(flat: Any, case: Case) -> Found:
    return _compiled(flat, case, backend="aot_eager")


@mode("torch.compile, no_grad", grid="pairs", exact=lambda flat, case: named_outputs(flat(*case.inputs, *case.rest)))
def compile_no_grad(flat: Any, case: Case) -> Found:
    torch._dynamo.reset()
    compiled = torch.compile(flat, fullgraph=type(flat.layer).__module__.startswith("recurra"), backend="aot_eager")
    with torch.no_grad():
        compiled(*case.example)
        return named_outputs(compiled(*case.inputs, *case.rest))


@mode("torch.compile, autocast bfloat16", grid="pairs", autocast=torch.bfloat16)
def compile_autocast(flat: Any, case: Case) -> Found:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return _compiled(flat, case, backend="aot_eager")


def _exported(flat: Any, case: Case, strict: bool, decomposed: bool = False) -> Found:
    program = torch.export.export(flat, case.example, strict=strict)
    if decomposed:
        program = program.run_decompositions()
    module = program.module()
    named = dict(module.named_parameters())
    return values_and_gradients(module, case, {name: named[name] for name in trainable(flat)})


@mode("torch.export", grid="pairs")
def export(flat: Any, case: Case) -> Found:
    return _exported(flat, case, strict=False)


@mode("torch.export, strict", grid="pairs")
def export_strict(flat: Any, case: Case) -> Found:
    return _exported(flat, case, strict=True)


@mode("torch.export, run_decompositions", grid="pairs")
def export_decomposed(flat: Any, case: Case) -> Found:
    return _exported(flat, case, strict=False, decomposed=True)


@mode("make_fx of a gradient", grid="pairs")
def make_fx_of_gradient(flat: Any, case: Case) -> Found:
    parameters, n = {name: t.detach() for name, t in trainable(flat).items()}, len(case.inputs)

    def function(*tensors: Tensor) -> tuple[Tensor, ...]:
        leaves = [t.detach().requires_grad_() for t in tensors[: n + len(parameters)]]
        named = dict(zip(parameters, leaves[n:], strict=True))
        outputs = functional_call(flat, named, (*leaves[:n], *tensors[len(leaves) :]))
        weights = case.coefficients(outputs)
        loss = torch.stack([(y * c).sum() for y, c in zip(outputs, weights, strict=True)]).sum()
        grads = torch.autograd.grad(loss, leaves, allow_unused=True)
        found = [torch.zeros_like(leaf) if g is None else g for leaf, g in zip(leaves, grads, strict=True)]
        return (*outputs, *found)

    example = case.example
    graph = make_fx(function)(*example[:n], *parameters.values(), *example[n:])
    found = graph(*(t.detach() for t in case.inputs), *parameters.values(), *case.rest)
    leaves = [*case.inputs, *parameters.values()]
    outputs, grads = found[: len(found) - len(leaves)], found[len(found) - len(leaves) :]
    return named_outputs(outputs) | named_gradients([*case.input_names, *parameters], leaves, grads)


@mode("torch.jit.trace", torchscript=True)
def jit_trace(flat: Any, case: Case) -> Found:
    traced = torch.jit.trace(flat, case.example, check_trace=False)
    buffer = io.BytesIO()
    torch.jit.save(traced, buffer)
    buffer.seek(0)
    loaded = torch.jit.load(buffer)
    named = dict(loaded.named_parameters())
    wanted = {name: named[name] for name in trainable(flat)}
    return values_and_gradients(loaded, case, wanted)
