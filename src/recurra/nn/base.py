"""What all recurrent layers share: the parameters of a deep, perhaps two-directional stack of cells, and its run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import dropout

from .. import ops
from ..cells import Cell, Parameter, check_parameters, check_sizes, failure, initial_state_of
from ..errors import CallError
from .explain import LayerPlan, plan_of
from .options import Options, fill_forget_bias
from .reset import Pieces, Reset, check_reset
from .validate import (
    Lengths,
    ShapeError,
    check_bool,
    check_dtype,
    check_lengths,
    check_probability,
    check_size,
    check_tensor,
)


@contextmanager
def _reporting(cell: Cell) -> Iterator[None]:
    """What a method of somebody's own cell raises, with the place in their file."""
    try:
        yield
    except Exception as error:
        if report := failure(cell, error):
            raise report from error
        raise


class Stack(torch.nn.Module):
    """A layer for each cell, their parameters named `{parameter}_l{k}` and `{parameter}_l{k}_reverse`."""

    norms: torch.nn.ModuleList  # only with layer_norm

    def __init__(
        self,
        cells: Sequence[Cell],
        input_size: int,
        hidden_sizes: Sequence[int],
        bias: bool,
        bidirectional: bool,
        dropout: float,
        options: Options,
        backend: str,
        device: Any,
        dtype: Any,
    ) -> None:
        super().__init__()
        self.input_size, self.num_layers = check_size("input_size", input_size), len(cells)
        self.hidden_sizes = tuple(check_size("hidden_size", size) for size in hidden_sizes)
        self.hidden_size, self.cells, self.cell = self.hidden_sizes[-1], tuple(cells), cells[-1]
        self.bias, self.bidirectional = check_bool("bias", bias), check_bool("bidirectional", bidirectional)
        self.dropout, self.backend = check_probability("dropout", dropout), ops.check_name(backend)
        self.options = options
        self._sizes = [cell.state_sizes(size) for cell, size in zip(cells, self.hidden_sizes, strict=True)]
        for cell, sizes in zip(cells, self._sizes, strict=True):
            check_sizes(cell, sizes)
        self._has_initial_state = any(cell.has_initial_state for cell in cells)
        self._suffixes = ("", "_reverse") if bidirectional else ("",)
        self._state_names = [f"{part}{end}" for k, end in self._ends() for part in self._sizes[k]]
        self._names: list[list[str]] = [[] for _ in cells]  # the parameters of each layer, direction after direction
        self._own_names: list[tuple[str, ...]] = [() for _ in cells]  # those of one direction, as the cell names them
        for k, end in self._ends():
            declared = self._declared(k)
            self._own_names[k] = tuple(declared)
            for name, parameter in declared.items():
                self._names[k].append(name + end)
                tensor = torch.empty(parameter.shape, device=device, dtype=dtype)
                if parameter.trainable:
                    self.register_parameter(name + end, torch.nn.Parameter(tensor))
                else:  # fixed: saved, loaded and moved with the layer, and none of its parameters()
                    self.register_buffer(name + end, tensor)
        options.check_fit(cells, self._own_names, bidirectional)
        for k in range(1, self.num_layers) if options.residual else ():
            if self._input_size(k) != self._output_size(k):
                raise CallError(f"residual is True, and layer {k} takes {self._input_size(k)} features and gives "
                                f"{self._output_size(k)}; wanted as many")  # fmt: skip
        learned = self._state_names if options.learned_state else []
        self._learned_names = [name.replace("_l", "0_l", 1) for name in learned]
        for name, (_, size) in zip(self._learned_names, self._state_shapes(0).values(), strict=False):
            self.register_parameter(name, torch.nn.Parameter(torch.empty(size, device=device, dtype=dtype)))
        if options.layer_norm:
            widths = [self._output_size(k) for k in range(self.num_layers - 1)]
            self.norms = torch.nn.ModuleList(torch.nn.LayerNorm(size, device=device, dtype=dtype) for size in widths)
        self._find_operators()
        self.reset_parameters()

    def _ends(self) -> Iterator[tuple[int, str]]:
        """What the names of each layer and direction end in."""
        return ((k, f"_l{k}{suffix}") for k in range(self.num_layers) for suffix in self._suffixes)

    def _declared(self, k: int) -> dict[str, Parameter]:
        """What the cell of layer k declares as the parameters of one direction."""
        with _reporting(self.cells[k]):
            declared = self.cells[k].parameters(self._input_size(k), self.hidden_sizes[k], self.bias)
        check_parameters(self.cells[k], declared)
        return declared

    def _find_operators(self) -> None:
        self._operators: list[Callable[..., list[Tensor]] | None] = [ops.operator_of(cell) for cell in self.cells]
        self._cell_options = [ops.options_of(cell) if ops.operator_of(cell) else "" for cell in self.cells]
        bare = self.num_layers == 1 and not self.bidirectional and not self.options.act
        self._fast_path = ops.FastPath.of(self.cell, self.hidden_size, self._names[0]) if bare else None

    def _input_size(self, k: int) -> int:
        return self.input_size if k == 0 else self._output_size(k - 1)

    def _output_size(self, k: int) -> int:
        return next(iter(self._sizes[k].values())) * (len(self._suffixes) if self.options.merge == "concat" else 1)

    @property
    def output_size(self) -> int:
        """Features of y: those of the last layer's output, for each direction unless these are merged."""
        return self._output_size(self.num_layers - 1)

    def _state_shapes(self, batch_size: int) -> dict[str, tuple[int, int]]:
        sizes = [size for sizes in self._sizes for _ in self._suffixes for size in sizes.values()]
        return {name: (batch_size, size) for name, size in zip(self._state_names, sizes, strict=True)}

    def _initial(self) -> list[Tensor]:
        """The state before the first step, (size,) a part: as learned, or as the cells declare it; empty where it is zero."""
        if not self._has_initial_state:
            return [getattr(self, name) for name in self._learned_names]
        initial: list[Tensor] = []
        for k, end in self._ends():
            params = {name: self._weight(name + end) for name in self._own_names[k]}
            initial += initial_state_of(self.cells[k], self.hidden_sizes[k], params)
        return initial

    def reset_parameters(self) -> None:
        """Draw all parameters anew, fixed ones too, in the order of torch.nn."""
        with torch.no_grad():
            for k, end in self._ends():
                params = {name: getattr(self, name + end) for name in self._own_names[k]}
                with _reporting(self.cells[k]):
                    self.cells[k].initialize(params, self._input_size(k), self.hidden_sizes[k], self.bias)
            for name in self._learned_names:
                getattr(self, name).zero_()
            for norm in self.norms if self.options.layer_norm else ():
                assert isinstance(norm, torch.nn.LayerNorm)
                norm.reset_parameters()
        if (value := self.options.forget_bias) is not None:
            for k, end in self._ends():
                biases = getattr(self, f"bias_ih{end}"), getattr(self, f"bias_hh{end}", None)
                fill_forget_bias(self.cells[k], self.hidden_sizes[k], value, *biases)

    def extra_repr(self) -> str:
        options = {
            "num_layers": (self.num_layers, 1),
            "bias": (self.bias, True),
            "dropout": (self.dropout, 0.0),
            "bidirectional": (self.bidirectional, False),
            "backend": (self.backend, "auto"),
        }
        return ", ".join(
            [f"{self.input_size}, {self.hidden_size}"]
            + [f"{name}={value}" for name, (value, default) in options.items() if value != default]
            + [f"{name}={value}" for name, value in self.options.used().items()]
        )

    def __getstate__(self) -> dict[str, Any]:
        # The operators are found again: they cannot be copied or pickled.
        return {name: value for name, value in self.__dict__.items() if name != "_operators"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._find_operators()

    def _check_x(self, x: Tensor) -> None:
        if check_tensor("x", x).dim() != 3 or x.shape[2] != self.input_size:
            raise ShapeError(f"x has shape {tuple(x.shape)}; wanted (B, T, I) with I = {self.input_size}")
        check_dtype("x", x, self._some_weight())

    def _some_weight(self) -> Tensor:
        """A weight, for its dtype."""
        return self._weight(self._names[0][0])

    def _weight(self, name: str) -> Tensor:
        """A parameter, or what somebody has put in its place. As an attribute it would be looked for in five places."""
        found: Tensor | None = self._parameters.get(name)
        return getattr(self, name) if found is None else found

    def _call(self, k: int, x: Tensor, lengths: Tensor | None, state: Sequence[Tensor]) -> ops.Call:
        weights = [self._weight(name) for name in self._names[k]]
        if self.options.weight_drop and self.training:
            weights = [
                dropout(weight, self.options.weight_drop) if name.startswith("weight_hh_l") else weight
                for name, weight in zip(self._names[k], weights, strict=True)
            ]
        masks = self.options.masks(self._sizes[k], len(self._suffixes), x, self.training)
        size, two = self.hidden_sizes[k], self.bidirectional
        return ops.Call(self.cells[k], x, lengths, state, weights, size, self.bias, two, masks)

    def _cut(
        self, x: Tensor, lengths: Tensor | None, state: Sequence[Tensor], starts: Tensor | None
    ) -> tuple[Tensor, Tensor | None, Sequence[Tensor], Pieces | None]:
        """x, lengths and the first state as the layers are given them, and the pieces that rows are cut into."""
        initial, pieces = self._initial(), None
        if starts is not None:
            pieces = Pieces.of(starts, lengths, x.device)
            if state:
                anew = initial or [x.new_zeros(())] * len(state)
                state = [pieces.first(*parts) for parts in zip(state, anew, self._directions(), strict=True)]
            x, lengths = pieces.cut(x), pieces.lengths
        return x, lengths, state or [part.repeat(x.shape[0], 1) for part in initial], pieces

    def _directions(self) -> list[int]:
        """The direction of each part of the state."""
        return [int(name.endswith("_reverse")) for name in self._state_names]

    def _layer(self, k: int, parts: Sequence[Any]) -> Sequence[Any]:
        """Of what is given for each part of the state, that of layer k."""
        if not parts or self.num_layers == 1:
            return parts
        counts = [len(sizes) * len(self._suffixes) for sizes in self._sizes]
        return parts[sum(counts[:k]) : sum(counts[: k + 1])]

    def _run(
        self, x: Tensor, lengths: Tensor | None, state: Sequence[Tensor], starts: Tensor | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """x (B, T, I), checked lengths, first state in the order of `_state_names` or empty, checked reset -> y, last."""
        x, lengths, state, pieces = self._cut(x, lengths, state, starts)
        y, last = self._run_layers(x, lengths, state)
        if pieces is None:
            return y, last
        return pieces.stitch(y), [pieces.last(*parts) for parts in zip(last, self._directions(), strict=True)]

    def _run_layers(self, x: Tensor, lengths: Tensor | None, state: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """One layer after the other."""
        last: list[Tensor] = []
        traced = ops.wants_operator(x)
        for k, operator in enumerate(self._operators):
            call = self._call(k, x, lengths, self._layer(k, state))
            if operator is None or not traced:
                outputs = ops.execute(call, self.backend)
            else:
                outputs = operator(*call[1:], self._cell_options[k], self.backend)
            y = self.options.merged(outputs[0])
            last += outputs[1:]
            x = x + y if self.options.residual and k > 0 else y
            if k + 1 < self.num_layers:
                x = self._between(k, x, lengths)
        return x, last

    def _between(self, k: int, x: Tensor, lengths: Tensor | None) -> Tensor:
        """What layer k + 1 is given of x (B, T, D*H), the output of layer k: zero past each row's length, as that is."""
        if self.options.layer_norm:
            x = self.norms[k](x)
            if lengths is not None:
                x = torch.where((torch.arange(x.shape[1], device=x.device) < lengths[:, None])[:, :, None], x, 0)
        return dropout(x, self.dropout, self.training) if self.dropout else x

    def _plan(self, x: Tensor, lengths: Lengths, reset: Reset = None) -> LayerPlan:
        self._check_x(x)
        x, checked, state, _ = self._cut(x, check_lengths(lengths, x), (), check_reset(reset, x))
        with torch.random.fork_rng([x.device] if x.is_cuda else []):  # a plan leaves the stream of numbers where it was
            calls = []
            for k in range(self.num_layers):
                given = x[..., :1].expand(
                    -1, -1, self._input_size(k)
                )  # of what later layers are given the shape is known
                calls.append(self._call(k, given, checked, self._layer(k, state)))
            return plan_of(calls, self.backend)
