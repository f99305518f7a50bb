"""What differs between two run folders, except for times."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors.torch import load_file

TIMES = ("seconds", "evaluation_seconds", "first_evaluation")


def difference(path: Path, other: Path) -> str | None:
    """Name what differs between two finished runs, or return None."""
    names, expected = (sorted(str(p.relative_to(root)) for p in root.rglob("*")) for root in (path, other))
    if names != expected:
        return f"files {sorted(set(names) ^ set(expected))}"
    for name in (name for name in names if (path / name).is_file()):
        if not _equal(path / name, other / name):
            return f"{name}{_keys(path / name, other / name)}"
    return None


def _keys(path: Path, other: Path) -> str:
    """The keys of a JSON object that differ."""
    if path.suffix != ".json" or path.name.startswith("text"):
        return ""
    a, b = _content(path), _content(other)
    return f" ({', '.join(key for key in a.keys() | b.keys() if a.get(key) != b.get(key))})"


def _equal(path: Path, other: Path) -> bool:
    if path.suffix == ".safetensors":
        a, b = load_file(path), load_file(other)
        return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
    return bool(_content(path) == _content(other))


def _content(path: Path) -> Any:
    if path.suffix == ".jsonl":
        return [_without_times(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
    if path.suffix == ".json":
        return _without_times(json.loads(path.read_text(encoding="utf-8")))
    if path.suffix == ".yaml":
        return _without_times(yaml.safe_load(path.read_text(encoding="utf-8")))
    return path.read_bytes()


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_times(inner) for key, inner in value.items() if key not in TIMES}
    return value
