"""Modes of torch.func."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call

from ..case import Case
from ..observe import Found, call, named_gradients, named_outputs, trainable
from .base import mode

BATCH = 3  # samples of a vmap


def _loss(flat: Any, case: Case) -> Any:
    """A function (parameters, inputs) -> loss without side effects."""
    return lambda parameters, inputs: case.loss(functional_call(flat, parameters, (*inputs, *case.rest)))


def _detached(flat: Any, case: Case) -> tuple[dict[str, Tensor], tuple[Tensor, ...]]:
    return {name: t.detach() for name, t in trainable(flat).items()}, tuple(t.detach() for t in case.inputs)


def _gradients(flat: Any, case: Case) -> Found:
    parameters = trainable(flat)
    leaves = [*case.inputs, *parameters.values()]
    grads = torch.autograd.grad(case.loss(call(flat, case)), leaves, allow_unused=True)
    return named_gradients([*case.input_names, *parameters], leaves, grads)


@mode("func.grad", exact=_gradients, always=True)
def func_grad(flat: Any, case: Case) -> Found:
    parameters, inputs = _detached(flat, case)
    of_parameters, of_inputs = torch.func.grad(_loss(flat, case), argnums=(0, 1))(parameters, inputs)
    leaves, grads = [*inputs, *parameters.values()], [*of_inputs, *of_parameters.values()]
    return named_gradients([*case.input_names, *parameters], leaves, grads)


def _samples(case: Case, inputs: tuple[Tensor, ...]) -> list[Tensor]:
    """Each input with further samples in a new first axis."""
    return [torch.stack([t, *(case.random(*t.shape) for _ in range(BATCH - 1))]) for t in inputs]


def _mapped(flat: Any, case: Case, vmap: bool) -> Found:
    """Outputs and gradients of each of several batches."""
    parameters, inputs = _detached(flat, case)
    samples = _samples(case, inputs)

    def outputs_of(*sample: Tensor) -> tuple[Tensor, ...]:
        return tuple(flat(*sample, *case.rest))

    def loss_of(parameters: dict[str, Tensor], *sample: Tensor) -> Tensor:
        return case.loss(functional_call(flat, parameters, (*sample, *case.rest)))

    if vmap:
        outputs = torch.func.vmap(outputs_of)(*samples)
        axes = (None, *[0] * len(samples))
        grads = torch.func.vmap(torch.func.grad(loss_of), axes)(parameters, *samples) if parameters else {}
    else:
        each = [outputs_of(*sample) for sample in zip(*samples, strict=True)]
        outputs = tuple(torch.stack(parts) for parts in zip(*each, strict=True))
        leaves, rows = list(trainable(flat).values()), []
        for sample in zip(*samples, strict=True) if parameters else ():
            rows.append(torch.autograd.grad(loss_of(trainable(flat), *sample), leaves))
        grads = dict(zip(parameters, (torch.stack(parts) for parts in zip(*rows, strict=True)), strict=False))
    return named_outputs(outputs) | {f"gradient of {name}": grad for name, grad in grads.items()}


@mode("func.vmap", exact=lambda flat, case: _mapped(flat, case, vmap=False), always=True)
def vmap(flat: Any, case: Case) -> Found:
    """A batch of batches, with the gradient of each."""
    return _mapped(flat, case, vmap=True)


def _ensemble(flat: Any, case: Case, vmap: bool) -> Found:
    """Outputs of several layers whose parameters are stacked."""
    _, inputs = _detached(flat, case)
    named = {name: parameter.detach() for name, parameter in flat.named_parameters()}
    stacked = {name: torch.stack([t, 0.5 * t, -t]) for name, t in named.items()}

    def outputs_of(parameters: dict[str, Tensor]) -> tuple[Tensor, ...]:
        return tuple(functional_call(flat, parameters, (*inputs, *case.rest)))

    if vmap:
        return named_outputs(torch.func.vmap(outputs_of)(stacked))
    each = [outputs_of({name: t[k] for name, t in stacked.items()}) for k in range(3)]
    return named_outputs([torch.stack(parts) for parts in zip(*each, strict=True)])


@mode("func.vmap over parameters", exact=lambda flat, case: _ensemble(flat, case, vmap=False), always=True)
def ensemble(flat: Any, case: Case) -> Found:
    return _ensemble(flat, case, vmap=True)
