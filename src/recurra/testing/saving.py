"""Checks of what a run folder keeps of a cell: its options, which are text, and its weights."""

from __future__ import annotations

import copy
import json
from dataclasses import fields
from typing import Any

import torch
from safetensors.torch import load, save

from .. import cells, nn
from .invariances import random_layer
from .reporting import reporting


def check_options(cell: cells.Cell) -> dict[str, Any]:
    """Return the options, which a run keeps in its config.yaml. Each has a default value and can be saved."""
    cls = type(cell)
    for name in cells.options_without_default(cls):
        raise cells.no_default(cls, name)
    cells.check_instance(cell)
    options = {field.name: getattr(cell, field.name) for field in fields(cell) if field.init}
    with reporting(cell, f"making it from its options {options}"):
        again = cells.get(cls, **json.loads(json.dumps(options)))
    if again != cell:
        message = f"serialization: made again from its options {options} it is {again}"
        raise cells.problem(cell, message, "__post_init__")
    return options


def check_saved(cell: cells.Cell, options: dict[str, Any], I: int, H: int) -> None:
    """Check that a layer with the same options and weights gives the same output, and that a deep copy has its own."""
    layer, x = random_layer(cell, I, H), torch.randn(2, 3, I, dtype=torch.float64)
    again = nn.Recurrent(cells.get(type(cell), **options), I, H, dtype=torch.float64)
    again.load_state_dict(load(save(layer.state_dict())))
    with reporting(cell, "copy.deepcopy of a layer"):
        other = copy.deepcopy(layer)
    y = layer(x)[0]
    if not torch.equal(again(x)[0], y):
        raise cells.problem(cell, "serialization: a layer with the same options and weights gives another y")
    if not torch.equal(other(x)[0], y):
        raise cells.problem(cell, "a deep copy of a layer gives another y")
    with torch.no_grad():
        for tensor in other.state_dict().values():
            tensor.zero_()
    if not torch.equal(layer(x)[0], y):
        raise cells.problem(cell, "a change to a deep copy of a layer changed the layer")
