"""`attribution`: how much each input of the recurrent layer contributes to an output.

Integrated gradients: Sundararajan, Taly and Yan 2017, arXiv:1703.01365. The network runs in evaluation mode, with a plain loop
in place of the recurrent layer, so that every backend is differentiated in the same way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from ..errors import CallError, near
from ..nn.base import RecurrentBase
from ..nn.patch import unrolled
from ..nn.unroll import unroll
from ..nn.validate import Lengths, check_lengths
from ..run import Run
from ..tasks.contract import own_code
from .charts import Chart, HeatMap
from .examples import examples_of
from .models import batch_first, evaluating, layer_of
from .record import array_of
from .results import Array, Result

METHODS = ("integrated_gradients", "occlusion", "gradient_x_input")
TOLERANCE = 0.01  # of the difference of the outputs, by which the sum of integrated gradients may differ from it
MAX_POINTS = 512

Output = Callable[[Tensor], Tensor]  # input of the layer (B, T, I) -> one number for each sequence (B,)


@final
@dataclass(frozen=True, eq=False, repr=False)
class Attribution(Result):
    """The result of `attribution`.

    Attributes:
        values: (B, T, I), the contribution of each feature at each time step; for occlusion (B, T, 1).
        by_step: (B, T), their sum over the features.
        outputs: (B,), the output that is explained.
        baselines: (B,), the output for an input of zeros.
        completeness: (B,), the sum of all contributions minus (outputs - baselines). For integrated gradients it is at most 1 %
            of that difference; the other methods do not distribute it exactly.
        points: the number of points of the integral; 0 for the other methods.
        rows: (B,), for a run each example as JSON; otherwise empty texts.
    """

    values: Array
    by_step: Array
    outputs: Array
    baselines: Array
    completeness: Array
    points: int
    rows: Array

    def charts(self) -> list[Chart]:
        """The contributions of the time steps."""
        return [HeatMap("contribution of each time step", "time step", "sequence", self.by_step)]


def attribution(
    model: Any,
    data: Any,
    lengths: Lengths = None,
    *,
    method: str = "integrated_gradients",
    output: int | None = None,
    module: str | None = None,
) -> Attribution:
    """Compute the contribution of each input of the recurrent layer to an output.

    Contributions are relative to an input of zeros. For a layer the output is a feature of its output at the last valid time
    step. For a Run it is one number of what the network returns, such as the score of a class, and the input is what its
    recurrent layer reads, such as embeddings.

    Args:
        model: a Run, a layer of recurra.nn, or RNN, LSTM or GRU of torch.nn.
        data: for a layer its input, for a Run examples or a file; see `record`.
        lengths: see `record`.
        method: "integrated_gradients", "occlusion" (the loss of the output where a time step is replaced by zeros) or
            "gradient_x_input".
        output: index of the output. Default: None, for a layer the sum of all features, for a Run the largest output.
        module: for a Run, the name of the recurrent layer in its network. Default: None, the first one.

    Raises:
        CallError: an argument is invalid; the network of the run does not compute its output in one call, as decoders do not;
            or integrated gradients are not complete to 1 % with 512 points.

    Example:
        >>> import torch
        >>> from recurra import inspection, nn
        >>> result = inspection.attribution(nn.Recurrent("gru", 3, 4), torch.randn(5, 7, 3))
        >>> result.values.shape, bool((abs(result.completeness) <= 0.01 * abs(result.outputs - result.baselines)).all())
        ((5, 7, 3), True)
    """
    if method not in METHODS:
        raise CallError(f"unknown method {method!r}; {near(method, METHODS)}")
    layer = layer_of(model, module)
    if isinstance(model, Run):
        if lengths is not None:
            raise CallError("remove the argument lengths: model is a Run, whose examples determine the lengths")
        examples, texts = examples_of(model, data)
        with evaluating(model.network), own_code(model.task, model.task.cell):
            explained = [_Example(model, layer, example, output) for example in examples]
            return _joined([_attribute(one, one.x, method) for one in explained], texts)
    x = batch_first(layer, data)
    ends = check_lengths(lengths, x)
    with evaluating(layer):
        return _attribute(_last_output(layer, ends, output), x, method)


def _last_output(layer: Any, ends: Tensor | None, output: int | None) -> Output:
    """Return the function that is explained for a layer."""
    size = layer.output_size
    if output is not None and (isinstance(output, bool) or not isinstance(output, int) or not 0 <= output < size):
        raise CallError(f"output is {output!r}; expected an integer from 0 to {size - 1}")

    def explained(x: Tensor) -> Tensor:
        copies = len(x) // max(len(ends), 1) if ends is not None else 1
        lengths = None if ends is None else ends.repeat(copies)
        y = unroll(layer, x, lengths).y
        last = y[:, -1] if lengths is None else y[torch.arange(len(y)), (lengths - 1).clamp(min=0)]
        return last.sum(1) if output is None else last[:, output]

    return explained


class _FoundError(Exception):
    """The network has returned its output; what the task would make of it is not needed."""


class _Example:
    """The output of the network of a run for one example, as a function of what its recurrent layer reads first."""

    def __init__(self, run: Run, layer: RecurrentBase, example: Any, output: int | None) -> None:
        self.run, self.layer, self.example, self.output = run, layer, example, output
        self.given: Tensor | None = None  # the input of the next call; None: that of the example
        self.inputs: list[Tensor] = []  # of all calls of the layer
        self.result: Tensor | None = None
        with torch.no_grad():
            self(None)
        self.x = self.inputs[0].detach()

    def __call__(self, x: Tensor | None) -> Tensor:
        """Return the explained output, (1,)."""
        self.given, self.inputs, self.result = x, [], None
        handles = [
            self.layer.register_forward_pre_hook(self._replace, with_kwargs=True),
            self.run.network.register_forward_hook(self._finish),
        ]
        try:
            with unrolled(self.layer):
                self.run.task.predict(self.run.network, [self.example])
        except _FoundError:
            pass
        finally:
            for handle in handles:
                handle.remove()
        result = self.result
        if result is None or result.is_inference() or not self.inputs or len(self.inputs[0]) != 1:
            raise CallError(
                f"the network of {self.run.task.name} does not compute its output for an example in one call; attribution "
                "needs one, as that of classify, regress or tag, or a layer"
            )
        flat = result.reshape(-1)
        if self.output is None:
            self.output = int(flat.argmax())
        if not 0 <= self.output < len(flat):
            raise CallError(f"output is {self.output!r}; expected an integer from 0 to {len(flat) - 1}")
        return flat[self.output][None]

    def _replace(self, _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        given = self.given if self.given is not None and not self.inputs else args[0]
        self.inputs.append(given)
        return (given, *args[1:]), kwargs

    def _finish(self, _: Any, args: Any, result: Any) -> None:
        self.result = result[0] if isinstance(result, tuple) else result
        raise _FoundError


def _attribute(explained: Output, x: Tensor, method: str) -> Attribution:
    """Return the contributions of x (B, T, I) to the explained output."""
    with torch.no_grad():
        outputs, baselines = explained(x), explained(torch.zeros_like(x))
    points, values = 0, torch.zeros_like(x)
    if method == "occlusion":
        values = _occlusion(explained, x, outputs)
    elif method == "gradient_x_input":
        values = _gradient(explained, x) * x
    else:
        points, missing = 16, torch.ones(())
        while True:
            values = _integral(explained, x, points)
            missing = (values.sum((1, 2)) - (outputs - baselines)).abs()
            floor = 1e-5 * outputs.abs().max().clamp(min=1e-6)
            if bool((missing <= TOLERANCE * (outputs - baselines).abs() + floor).all()):
                break
            if points >= MAX_POINTS:
                raise CallError(
                    f"with {points} points, the sum of the integrated gradients differs from the change of the output by "
                    f"{float(missing.max()):.3g}; the output may not be smooth between zeros and the input, as with layer "
                    "normalization; use occlusion"
                )
            points *= 2
    completeness = values.sum((1, 2)) - (outputs - baselines)
    return Attribution(
        values=array_of(values),
        by_step=array_of(values.sum(2)),
        outputs=array_of(outputs),
        baselines=array_of(baselines),
        completeness=array_of(completeness),
        points=points,
        rows=np.full(len(x), ""),
    )


def _gradient(explained: Output, x: Tensor) -> Tensor:
    """Return the gradient of the explained output with respect to x."""
    x = x.detach().clone().requires_grad_()
    with torch.enable_grad():
        return torch.autograd.grad(explained(x).sum(), x)[0]


def _integral(explained: Output, x: Tensor, points: int) -> Tensor:
    """Return the integrated gradients from zero, by Gauss-Legendre quadrature."""
    nodes, weights = np.polynomial.legendre.leggauss(points)
    total = torch.zeros_like(x)
    for node, weight in zip(nodes, weights, strict=True):
        total += float(weight / 2) * _gradient(explained, x * float((node + 1) / 2))
    return total * x


def _occlusion(explained: Output, x: Tensor, outputs: Tensor) -> Tensor:
    """Return the loss of output where a time step is zero, (B, T, 1)."""
    lost = []
    with torch.no_grad():
        for t in range(x.shape[1]):
            occluded = x.clone()
            occluded[:, t] = 0
            lost.append(outputs - explained(occluded))
    return torch.stack(lost, 1)[:, :, None] if lost else x[:, :, :1]


def _joined(parts: list[Attribution], rows: list[str]) -> Attribution:
    """Return the attributions of several examples, (1, T_b, I) each, with zeros in the padding."""
    T = max(part.values.shape[1] for part in parts)

    def padded(array: Array) -> Array:
        return np.pad(array, [(0, 0), (0, T - array.shape[1]), *[(0, 0)] * (array.ndim - 2)])

    return Attribution(
        values=np.concatenate([padded(part.values) for part in parts]),
        by_step=np.concatenate([padded(part.by_step) for part in parts]),
        outputs=np.concatenate([part.outputs for part in parts]),
        baselines=np.concatenate([part.baselines for part in parts]),
        completeness=np.concatenate([part.completeness for part in parts]),
        points=max(part.points for part in parts),
        rows=np.array(rows),
    )
