"""Exported programs of `torch.export`: without the operators of recurra, or saved with the name of the package they need.

A layer is one operator of an exported program, `torch.ops.recurra.lstm` and so on. To load such a program, a process must
import `recurra.nn` first; otherwise `torch.export.load` fails, and logs that it cannot resolve `torch.ops.recurra.lstm`.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram

from .. import cells, ops
from ..errors import CallError
from .state import State

_CELLS: list[type[cells.Cell]] = list(dict.fromkeys(cell for backend in ops.BACKENDS for cell in backend.cells))


def without_custom_operators(program: ExportedProgram) -> ExportedProgram:
    """Return a program that computes the same with the operators of torch alone, so that it runs without recurra.

    Each operator of recurra is replaced by the plain loop over its time steps. The graph then has some ten nodes per time step,
    and runs more slowly; B may be dynamic, and T may not.

    Args:
        program: the result of `torch.export.export`.

    Raises:
        CallError: if the number of time steps is dynamic, or the program takes or returns a `State`, whose class is in recurra.

    Example:
        >>> import torch
        >>> from recurra import nn
        >>> layer, x = nn.LSTM(5, 8, batch_first=True).eval(), torch.randn(2, 4, 5)
        >>> program = nn.export.without_custom_operators(torch.export.export(layer, (x,)))
        >>> any("recurra" in str(node.target) for node in program.graph.nodes)
        False
        >>> torch.allclose(program.module()(x)[0], layer(x)[0], atol=1e-6)
        True
    """
    for spec, verb in ((program.call_spec.in_spec, "takes"), (program.call_spec.out_spec, "returns")):
        if spec is not None and _has_state(spec):
            raise CallError(f"the program {verb} a State, whose class is in recurra; export a module that {verb} "
                            "state.tensors(), a dict of tensors, instead")  # fmt: skip
    table = {getattr(torch.ops.recurra, cell.name).default: _loop(cell) for cell in _CELLS}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"`isinstance\(treespec, LeafSpec\)", FutureWarning)  # of torch by torch
        decomposed: ExportedProgram = program.run_decompositions(table)
    return decomposed


def save(program: ExportedProgram, file: Any, **options: Any) -> None:
    """Save an exported program like `torch.export.save`, with the name and version of the package that it needs.

    If the program needs recurra, the extra files of the saved file, which is a ZIP archive, contain `requirements.txt`, and
    `torch.export.load(file, extra_files={"requirements.txt": ""})` returns its text.

    Args:
        program: the result of `torch.export.export`.
        file: a path or a binary file.
        options: the other arguments of `torch.export.save`.

    Example:
        >>> import io, torch
        >>> from recurra import nn
        >>> layer, file = nn.GRU(5, 8), io.BytesIO()
        >>> nn.export.save(torch.export.export(layer, (torch.randn(4, 2, 5),)), file)
        >>> extra_files = {"requirements.txt": ""}
        >>> program = torch.export.load(file, extra_files=extra_files)
        >>> print(extra_files["requirements.txt"].rpartition("==")[0])
        recurra
    """
    extra = dict(options.pop("extra_files", None) or {})
    if requires_recurra(program):
        from .. import __version__

        extra.setdefault("requirements.txt", f"recurra=={__version__}\n")
    torch.export.save(program, file, extra_files=extra, **options)


def requires_recurra(program: ExportedProgram) -> bool:
    """Return whether a program has operators of recurra, or takes or returns a `State`."""
    specs = (program.call_spec.in_spec, program.call_spec.out_spec)
    return any(spec is not None and _has_state(spec) for spec in specs) or any(
        str(node.target).startswith("recurra.")
        for graph in program.graph_module.modules()
        if isinstance(graph, torch.fx.GraphModule)
        for node in graph.graph.nodes
    )


def _has_state(spec: Any) -> bool:
    return spec.type is State or any(map(_has_state, spec.children()))


def _loop(cls: type[cells.Cell]) -> Callable[..., list[Tensor]]:
    """Return the function that computes the operator of a cell as a loop over its time steps."""
    reference = ops.BACKENDS[-1]

    def loop(
        x: Tensor,
        lengths: Tensor | None,
        state: list[Tensor],
        weights: list[Tensor],
        hidden_size: int,
        bias: bool,
        bidirectional: bool,
        masks: list[Tensor],
        options: str,
        backend: str,
    ) -> list[Tensor]:
        if not isinstance(x.shape[1], int):
            raise CallError("the number of time steps is dynamic; without the operators of recurra each time step is part of "
                            "the graph, so export with a fixed number of them")  # fmt: skip
        cell = cls(**json.loads(options))
        return reference.run(ops.Call(cell, x, lengths, state, weights, hidden_size, bias, bidirectional, masks))

    return loop
