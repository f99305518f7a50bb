"""Checkpoints: everything that a run needs to continue bit-identically, in safetensors and JSON."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import RunError
from ..files import link_or_copy, read_json, sync_folder, write_text
from ..weights import load_tensors, save_tensors

BEST = "best.safetensors"


def save(folder: Path, tensors: dict[str, Tensor], facts: dict[str, Any], best: Path | None = None) -> None:
    """Replace the last checkpoint. After a crash at any moment, the old or the new one is complete.

    folder    the folder of the checkpoint
    tensors   tensors by name
    facts     other values, which JSON can represent
    best      the file of the best weights so far, which becomes part of the checkpoint
    """
    part, old = folder.with_name(f"{folder.name}.part"), _old(folder)
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        save_tensors(part / "tensors.safetensors", tensors)
        write_text(part / "state.json", json.dumps(facts))
        if best is not None:
            link_or_copy(best, part / BEST)
        sync_folder(part)
        if folder.exists():  # otherwise the old one is the last checkpoint
            shutil.rmtree(old, ignore_errors=True)
            folder.replace(old)
        part.replace(folder)
        sync_folder(folder.parent)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise RunError(f"{folder} cannot be written ({error.strerror or error}); the last checkpoint is kept") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)


def load(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the last checkpoint of `save`. Raises RunError if there is none, or if it is damaged."""
    old = _old(folder)
    if not folder.exists() and old.exists():  # the process was killed between two renames
        old.replace(folder)
    if not folder.exists():
        raise RunError(f"{folder}: there is no checkpoint to resume from; train again with --overwrite")
    tensors, facts = load_tensors(folder / "tensors.safetensors"), read_json(folder / "state.json")
    if not isinstance(facts, dict) or "metrics" not in facts:
        raise RunError(f"{folder} is damaged, or of an earlier version of recurra; train again with --overwrite")
    return tensors, facts


def _old(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.old")


def pack_optimizer(optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors of the state of an optimizer by `index/name`, and its other values."""
    state = optimizer.state_dict()
    tensors, numbers = {}, {}
    for index, values in state["state"].items():
        for name, value in values.items():
            if isinstance(value, Tensor):
                tensors[f"{index}/{name}"] = value
            else:
                numbers[f"{index}/{name}"] = value
    return tensors, {"numbers": numbers, "groups": state["param_groups"]}


def unpack_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """Restore the state of an optimizer from the result of `pack_optimizer`."""
    state: dict[int, dict[str, Any]] = {}
    for key, value in (tensors | facts["numbers"]).items():
        index, _, name = key.partition("/")
        state.setdefault(int(index), {})[name] = value
    groups = [{**group, "betas": tuple(group["betas"])} if "betas" in group else group for group in facts["groups"]]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
