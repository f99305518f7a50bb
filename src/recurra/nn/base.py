"""`RecurrentBase`, the base class of all recurrent layers: parameters, options, and the run over layers and directions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import dropout

from .. import ops
from ..cells import Cell, Parameter, check_parameters, check_sizes, initial_state_of, reporting
from ..cells.int8 import Int8Cell
from ..errors import CallError
from .explain import LayerPlan, plan_calls
from .layout import SequenceLayout
from .options import Options, fill_forget_bias
from .parameters import check_loaded, initial_values, weight_of
from .pickling import cell_of, plain_cell, plain_options
from .reset import Reset, Segments, check_reset
from .torch_quantization import Qconfig
from .validate import (
    Lengths,
    ShapeError,
    check_bool,
    check_factory,
    check_lengths,
    check_like,
    check_probability,
    check_size,
    check_tensor,
)


class RecurrentBase(torch.nn.Module):
    """Base class of all recurrent layers: stacked cells, each in one or two directions.

    The parameters are named `{parameter}_l{k}` and `{parameter}_l{k}_reverse` after those of the cell of layer k.
    """

    norms: torch.nn.ModuleList  # only with layer_norm
    qconfig = Qconfig()

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
        check_factory(device, dtype)
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
        self._state_names = [f"{component}{end}" for k, end in self._name_suffixes() for component in self._sizes[k]]
        self._names: list[list[str]] = [[] for _ in cells]  # per layer, one direction after the other
        self._own_names: list[tuple[str, ...]] = [() for _ in cells]  # those of one direction, without suffix
        for k, end in self._name_suffixes():
            declared = self._declared_parameters(k)
            self._own_names[k] = tuple(declared)
            for name, parameter in declared.items():
                self._names[k].append(name + end)
                tensor = torch.empty(parameter.shape, device=device, dtype=parameter.dtype or dtype)
                if parameter.trainable:
                    self.register_parameter(name + end, torch.nn.Parameter(tensor))
                else:  # fixed: saved, loaded and moved with the layer, but not among its parameters()
                    self.register_buffer(name + end, tensor)
        options.check_fit(cells, self._own_names, bidirectional)
        for k in range(1, self.num_layers) if options.residual else ():
            if self._input_size(k) != self._output_size(k):
                raise CallError(f"residual is True, and layer {k} has {self._input_size(k)} input features and "
                                f"{self._output_size(k)} output features; expected equal numbers")  # fmt: skip
        learned_names = self._state_names if options.learned_state else []
        self._learned_names = [name.replace("_l", "0_l", 1) for name in learned_names]
        for name, (_, size) in zip(self._learned_names, self._state_shapes(0).values(), strict=False):
            self.register_parameter(name, torch.nn.Parameter(torch.empty(size, device=device, dtype=dtype)))
        if options.layer_norm:
            widths = [self._output_size(k) for k in range(self.num_layers - 1)]
            self.norms = torch.nn.ModuleList(torch.nn.LayerNorm(size, device=device, dtype=dtype) for size in widths)
        self._find_operators()
        self.reset_parameters()

    def _name_suffixes(self) -> Iterator[tuple[int, str]]:
        """Yield (k, suffix) for each layer k and direction; the names of its parameters and state components end in suffix."""
        return ((k, f"_l{k}{suffix}") for k in range(self.num_layers) for suffix in self._suffixes)

    def _declared_parameters(self, k: int) -> dict[str, Parameter]:
        """Return the parameters of one direction that the cell of layer k declares."""
        with reporting(self.cells[k]):
            declared = self.cells[k].parameters(self._input_size(k), self.hidden_sizes[k], self.bias)
        check_parameters(self.cells[k], declared)
        return declared

    def _find_operators(self) -> None:
        self._operators: list[Callable[..., list[Tensor]] | None] = [ops.operator_of(cell) for cell in self.cells]
        self._cell_options = [ops.options_of(cell) if ops.operator_of(cell) else "" for cell in self.cells]
        bare = self.num_layers == 1 and not self.bidirectional and not self.options.act_in_call
        self._fast_path = ops.FastPath.of(self.cell, self.hidden_size, self._names[0]) if bare else None

    def _input_size(self, k: int) -> int:
        return self.input_size if k == 0 else self._output_size(k - 1)

    def _output_size(self, k: int) -> int:
        return next(iter(self._sizes[k].values())) * (len(self._suffixes) if self.options.merge == "concat" else 1)

    @property
    def output_size(self) -> int:
        """Number of features of the output y: those of each direction of the last layer, unless the directions are merged."""
        return self._output_size(self.num_layers - 1)

    def _state_shapes(self, batch_size: int) -> dict[str, tuple[int, int]]:
        sizes = [size for sizes in self._sizes for _ in self._suffixes for size in sizes.values()]
        return {name: (batch_size, size) for name, size in zip(self._state_names, sizes, strict=True)}

    def _initial(self) -> list[Tensor]:
        """Return the initial state, (size,) per component: learned, or as the cells define it; an empty list if it is zero."""
        if not self._has_initial_state:
            return [self._weight(name) for name in self._learned_names]
        initial: list[Tensor] = []
        for k, end in self._name_suffixes():
            params = {name: self._weight(name + end) for name in self._own_names[k]}
            initial += initial_state_of(self.cells[k], self.hidden_sizes[k], params)
        return initial

    def reset_parameters(self) -> None:
        """Initialize all parameters, including fixed ones, in the order of torch.nn."""
        for k, end in self._name_suffixes():
            with initial_values(self, {name: name + end for name in self._own_names[k]}) as params:
                with reporting(self.cells[k]):
                    self.cells[k].initialize(params, self._input_size(k), self.hidden_sizes[k], self.bias)
                if (value := self.options.forget_bias) is not None:
                    fill_forget_bias(
                        self.cells[k], self.hidden_sizes[k], value, params["bias_ih"], params.get("bias_hh")
                    )
        with initial_values(self, {name: name for name in self._learned_names}) as params:
            for initial_state in params.values():
                initial_state.zero_()
        for norm in self.norms if self.options.layer_norm else ():
            assert isinstance(norm, torch.nn.LayerNorm)
            norm.reset_parameters()

    def extra_repr(self) -> str:
        """Return the arguments that `repr` shows: the sizes and everything that differs from its default."""
        options = {
            "num_layers": (self.num_layers, 1),
            "bias": (self.bias, True),
            "dropout": (self.dropout, 0.0),
            "bidirectional": (self.bidirectional, False),
            "backend": (self.backend, "auto"),
            "int8": (isinstance(self.cell, Int8Cell), False),
        }
        return ", ".join(
            [f"{self.input_size}, {self.hidden_size}"]
            + [f"{name}={value}" for name, (value, default) in options.items() if value != default]
            + [f"{name}={value}" for name, value in self.options.non_default().items()]
        )

    def __getstate__(self) -> dict[str, Any]:
        # Plain types only, see `pickling`. __setstate__ computes the rest.
        derived = ("cell", "_operators", "_cell_options", "_fast_path")
        state = {name: value for name, value in self.__dict__.items() if name not in derived}
        return state | {"cells": [plain_cell(cell) for cell in self.cells], "options": plain_options(self.options)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        cells = tuple(cell_of(plain) for plain in state["cells"])
        computed = {"cells": cells, "cell": cells[-1], "options": Options(**state["options"])}
        super().__setstate__(state | computed)  # type: ignore[no-untyped-call]
        self._find_operators()

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *args: Any) -> None:
        check_loaded(self, state_dict, prefix, args[-1])
        super()._load_from_state_dict(state_dict, prefix, *args)

    def _check_x(self, x: Tensor) -> None:
        if check_tensor("x", x).dim() != 3 or x.shape[2] != self.input_size:
            raise ShapeError(f"x has shape {tuple(x.shape)}; expected (B, T, I) with I = {self.input_size}")
        check_like("x", x, self._first_weight())

    def _first_weight(self) -> Tensor:
        """Return the first weight, which has the dtype and device of the layer."""
        return self._weight(self._names[0][0])

    _weight = weight_of

    def _call(self, k: int, x: Tensor, lengths: Tensor | None, state: Sequence[Tensor]) -> ops.Call:
        weights = [self._weight(name) for name in self._names[k]]
        if self.options.weight_drop and self.training:
            weights = [
                dropout(weight, self.options.weight_drop) if name.startswith("weight_hh_l") else weight
                for name, weight in zip(self._names[k], weights, strict=True)
            ]
        masks = self.options.masks(self._sizes[k], len(self._suffixes), x, self.training)
        size, bidirectional = self.hidden_sizes[k], self.bidirectional
        return ops.Call(self.cells[k], x, lengths, state, weights, size, self.bias, bidirectional, masks)

    def _split(
        self, x: Tensor, lengths: Tensor | None, state: Sequence[Tensor], starts: Tensor | None
    ) -> tuple[Tensor, Tensor | None, Sequence[Tensor], Segments | None]:
        """Return input, lengths and initial state for the layers, and the segments if sequences restart at `starts`."""
        initial, segments = self._initial(), None
        if starts is not None:
            segments = Segments.of(starts, lengths, x.device)
            if state:
                restart = initial or [x.new_zeros(())] * len(state)
                triples = zip(state, restart, self._directions(), strict=True)
                state = [segments.initial_state(*triple) for triple in triples]
            x, lengths = segments.split(x), segments.lengths
        return x, lengths, state or [component.repeat(x.shape[0], 1) for component in initial], segments

    def _directions(self) -> list[int]:
        """Return the direction of each component of the state: 0 forward, 1 reverse."""
        return [int(name.endswith("_reverse")) for name in self._state_names]

    def _state_of_layer(self, k: int, state: Sequence[Any]) -> Sequence[Any]:
        """Return those components of `state` that belong to layer k."""
        if not state or self.num_layers == 1:
            return state
        counts = [len(sizes) * len(self._suffixes) for sizes in self._sizes]
        return state[sum(counts[:k]) : sum(counts[: k + 1])]

    def _run(
        self, x: Tensor, lengths: Tensor | None, state: Sequence[Tensor], starts: Tensor | None, layout: SequenceLayout
    ) -> tuple[Tensor, list[Tensor]]:
        """Return the output y in the layout of the caller, and the final state. None of them is a view.

        x is (B, T, I); lengths and starts have been checked; both states are in the order of `_state_names`, and the
        initial one may be empty.
        """
        x, lengths, state, segments = self._split(x, lengths, state, starts)
        if segments is None:
            return self._run_layers(x, lengths, state, layout)
        y, final = self._run_layers(x, lengths, state, SequenceLayout())
        y, pairs = segments.join(y), zip(final, self._directions(), strict=True)
        final = [segments.final_state(*pair) for pair in pairs]
        return ops.exchange_first_axes(y) if layout.time_first else y, final

    def _run_layers(
        self, x: Tensor, lengths: Tensor | None, state: Sequence[Tensor], layout: SequenceLayout
    ) -> tuple[Tensor, list[Tensor]]:
        """Run one layer after the other."""
        final: list[Tensor] = []
        exchange = layout.time_first  # what is left to do
        for k, operator in enumerate(self._operators):
            call = self._call(k, x, lengths, self._state_of_layer(k, state))
            is_last = k + 1 == self.num_layers
            if operator is None or not ops.wants_operator(call):
                if exchange and is_last and not self.options.residual and self.options.merge == "concat":
                    call, exchange = call._replace(time_first=True), False
                outputs = ops.execute(call, self.backend)
            else:
                outputs = operator(*call.arguments, self._cell_options[k], self.backend)
            y = self.options.merge_directions(outputs[0])
            final += outputs[1:]
            x = x + y if self.options.residual and k > 0 else y
            if not is_last:
                x = self._between_layers(k, x, lengths, layout)
        return ops.exchange_first_axes(x) if exchange else x, final

    def _between_layers(self, k: int, x: Tensor, lengths: Tensor | None, layout: SequenceLayout) -> Tensor:
        """Return the input of layer k + 1 from x (B, T, D*H), the output of layer k. Both are zero in the padding."""
        if self.options.layer_norm:
            x = self.norms[k](x)
            if lengths is not None:
                x = torch.where((torch.arange(x.shape[1], device=x.device) < lengths[:, None])[:, :, None], x, 0)
        return layout.dropout(x, self.dropout) if self.dropout and self.training else x

    def _plan(self, x: Tensor, lengths: Lengths, reset: Reset = None) -> LayerPlan:
        self._check_x(x)
        x, checked, state, _ = self._split(x, check_lengths(lengths, x), (), check_reset(reset, x))
        with torch.random.fork_rng([x.device] if x.is_cuda else []):  # does not change the random state
            calls = []
            for k in range(self.num_layers):
                layer_input = x[..., :1].expand(-1, -1, self._input_size(k))  # only the shape matters
                calls.append(self._call(k, layer_input, checked, self._state_of_layer(k, state)))
            return plan_calls(calls, self.backend)
