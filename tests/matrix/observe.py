"""What is compared in every mode: outputs and gradients by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from .case import Case

Found = dict[str, Tensor]
Flat = Callable[..., Any]


def trainable(flat: Any) -> dict[str, Tensor]:
    """Return the parameters that require a gradient, by name. A fixed or frozen one does not."""
    return {name: parameter for name, parameter in flat.named_parameters() if parameter.requires_grad}


def named_outputs(outputs: Sequence[Tensor]) -> Found:
    """Return the outputs by name: y, then the components of the final state."""
    return {f"output {k}": output for k, output in enumerate(outputs)}


def named_gradients(names: Sequence[str], leaves: Sequence[Tensor], grads: Sequence[Tensor | None]) -> Found:
    """Return the gradients by name; zero where nothing depends on a leaf."""
    return {
        f"gradient of {name}": torch.zeros_like(leaf) if grad is None else grad
        for name, leaf, grad in zip(names, leaves, grads, strict=True)
    }


def call(flat: Flat, case: Case) -> tuple[Tensor, ...]:
    """Return the outputs of a call."""
    return tuple(flat(*case.inputs, *case.rest))


def values(flat: Flat, case: Case) -> Found:
    """Return the outputs alone."""
    return named_outputs(call(flat, case))


def values_and_gradients(flat: Flat, case: Case, parameters: dict[str, Tensor] | None = None) -> Found:
    """Return outputs and the gradients of the inputs and of the trainable parameters."""
    parameters = trainable(flat) if parameters is None else parameters
    outputs = call(flat, case)
    leaves = [*case.inputs, *parameters.values()]
    grads = torch.autograd.grad(case.loss(outputs), leaves, allow_unused=True)
    return named_outputs(outputs) | named_gradients([*case.input_names, *parameters], leaves, grads)
