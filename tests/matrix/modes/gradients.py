"""Modes of torch.autograd: higher order, batched, forward, and operations in place on the outputs."""

from __future__ import annotations

from typing import Any

import torch
import torch.autograd.forward_ad as forward_ad
from torch import Tensor
from torch.func import functional_call

from ..case import Case
from ..observe import Found, call, named_gradients, named_outputs, trainable
from .base import mode

BATCH = 3  # gradients in a batch


def second_order(flat: Any, case: Case) -> Found:
    """The gradients of the squared gradients of two chunks, where the state of the first is passed to the second.

    The state depends on the weights, so that a backward pass that follows the graph too far counts paths twice.
    """
    leaves = dict(zip(case.input_names, case.inputs, strict=True)) | trainable(flat)
    first = call(flat, case)
    second = tuple(flat(case.x, *first[1:], *case.rest))
    loss = case.loss(first) + case.loss(second, row=1)
    grads = torch.autograd.grad(loss, list(leaves.values()), create_graph=True, allow_unused=True)
    found = named_outputs(second) | named_gradients(list(leaves), list(leaves.values()), grads)
    penalty = torch.stack([g.square().sum() for g in grads if g is not None]).sum()
    again: Any = [None] * len(leaves)
    if penalty.requires_grad:
        again = torch.autograd.grad(penalty, list(leaves.values()), allow_unused=True)
    return found | named_gradients([f"penalty, {name}" for name in leaves], list(leaves.values()), again)


mode("create_graph", exact=second_order)(second_order)


def _vector_jacobian_products(flat: Any, case: Case, batched: bool) -> Found:
    leaves = dict(zip(case.input_names, case.inputs, strict=True)) | trainable(flat)
    outputs, tensors = call(flat, case), list(leaves.values())
    rows = [case.coefficients(outputs, row) for row in range(BATCH)]
    grads: Any
    if batched:
        stacked = [torch.stack(parts) for parts in zip(*rows, strict=True)]
        grads = torch.autograd.grad(outputs, tensors, stacked, is_grads_batched=True, allow_unused=True)
    else:
        single = [torch.autograd.grad(outputs, tensors, row, retain_graph=True, allow_unused=True) for row in rows]
        grads = [None if parts[0] is None else torch.stack(parts) for parts in zip(*single, strict=True)]
    like = [leaf.expand(BATCH, *leaf.shape) for leaf in tensors]
    return named_outputs(outputs) | named_gradients(list(leaves), like, grads)


@mode("is_grads_batched", exact=lambda flat, case: _vector_jacobian_products(flat, case, batched=False))
def grads_batched(flat: Any, case: Case) -> Found:
    return _vector_jacobian_products(flat, case, batched=True)


def tangents(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return a random tangent for each tensor."""
    generator = torch.Generator().manual_seed(17)
    return {name: torch.randn(t.shape, generator=generator).to(t.dtype) for name, t in tensors.items()}


def jvp(flat: Any, case: Case) -> Found:
    """Outputs and their tangents by torch.func.jvp, for the inputs and the trainable parameters."""
    primals = {name: t.detach() for name, t in zip(case.input_names, case.inputs, strict=True)}
    names, parameters = list(primals), {name: t.detach() for name, t in trainable(flat).items()}
    primals |= parameters

    def function(tensors: dict[str, Tensor]) -> Any:
        arguments = (*(tensors[name] for name in names), *case.rest)
        return tuple(functional_call(flat, {name: tensors[name] for name in parameters}, arguments))

    outputs, found = torch.func.jvp(function, (primals,), (tangents(primals),))
    return named_outputs(outputs) | {f"tangent {k}": tangent for k, tangent in enumerate(found)}


mode("func.jvp", exact=jvp, always=True)(jvp)


def _dual(flat: Any, case: Case) -> Found:
    primals = {name: t.detach() for name, t in zip(case.input_names, case.inputs, strict=True)}
    names, parameters = list(primals), {name: t.detach() for name, t in trainable(flat).items()}
    primals |= parameters
    with forward_ad.dual_level():
        directions = tangents(primals)
        duals = {name: forward_ad.make_dual(t, directions[name]) for name, t in primals.items()}
        arguments = (*(duals[name] for name in names), *case.rest)
        outputs = functional_call(flat, {name: duals[name] for name in parameters}, arguments)
        pairs = [forward_ad.unpack_dual(output) for output in outputs]
    found = {f"tangent {k}": torch.zeros_like(p) if t is None else t for k, (p, t) in enumerate(pairs)}
    return named_outputs([pair.primal for pair in pairs]) | found


@mode("forward AD", exact=jvp, always=True)
def forward_mode(flat: Any, case: Case) -> Found:
    return _dual(flat, case)


@mode("forward AD, no_grad", exact=jvp, always=True)
def forward_mode_no_grad(flat: Any, case: Case) -> Found:
    with torch.no_grad():
        return _dual(flat, case)


def _changed(flat: Any, case: Case, in_place: bool) -> Found:
    leaves = dict(zip(case.input_names, case.inputs, strict=True)) | trainable(flat)
    y, h, *others = call(flat, case)
    detached = call(flat, case)
    if in_place:
        y.relu_()
        h[..., 0, :] = 0
        for output in detached[1:]:
            output.detach_()
    else:
        y, mask = y.relu(), torch.ones_like(h)
        mask[..., 0, :] = 0
        h = h * mask
    outputs = (y, h, *others)
    loss = case.loss(outputs) + case.loss(detached[:1], row=1)
    grads = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
    return named_outputs(outputs) | named_gradients(list(leaves), list(leaves.values()), grads)


@mode(
    "outputs changed in place",
    exact=lambda flat, case: _changed(flat, case, in_place=False),
    refused="modified by an inplace operation",
)
def in_place(flat: Any, case: Case) -> Found:
    """`relu_` on y, zeros written into h, and `detach_` on the final state."""
    return _changed(flat, case, in_place=True)
