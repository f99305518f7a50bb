"""Architecture: imports point one way and form no cycle, files are short, importing is light, exported names are stable."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import recurra

SOURCE = Path(recurra.__file__).parent

# Every part, with the parts it may import from. Leaves may be imported by all, and import leaves alone.
LEAVES = {
    "__init__",
    "errors",
    "shapes",
    "settings",
    "setting_fields",
    "gradient_settings",
    "regularization_settings",
    "config",
    "yaml_mappings",
    "files",
}
NETWORKS = {"cells", "ops", "nn"}
COMPONENTS = {"data", "fields", "models", "decoding", "metrics"}
TASKS = NETWORKS | COMPONENTS | {"tasks"}
RUNS = TASKS | {"weights", "evaluation", "provenance", "progress", "run_folder", "run"}
BELOW = {
    "cells": set(),
    "bptt": set(),
    "ops": {"cells"},
    "nn": {"cells", "ops"},
    "data": set(),
    "fields": {"data"},
    "models": NETWORKS | {"data"},
    "decoding": {"data"},
    "metrics": {"data"},
    "tasks": TASKS,
    "weights": NETWORKS,
    "progress": set(),
    "provenance": set(),
    "evaluation": TASKS,
    "run_folder": TASKS | {"provenance"},
    "run": RUNS,
    "training": RUNS,
    "inspection": RUNS,
    "comparison": RUNS | {"training", "inspection"},
    "testing": RUNS | {"training"},
    "selfcheck": NETWORKS | {"testing"},
    "plugins": {"cells", "tasks"},
    "cli": RUNS | {"training", "inspection", "comparison", "plugins", "selfcheck"},
    "__main__": {"cli"},
}
NO_LEAVES = {"bptt"}  # an oracle that shares nothing with what it checks


def part_of(file: Path) -> str:
    return file.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported_parts(text: str, package: list[str]) -> list[tuple[int, str]]:
    """(line, part) of each import of ours in a file of `package`, also in functions and for type checking."""
    found: list[tuple[int, str]] = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = [*base, *(node.module.split(".") if node.module else [])]
            # `from .. import cells, __version__` names parts, `from ..cells import LSTM` names what is in one
            modules = [f"recurra.{alias.name}" for alias in node.names] if stem == ["recurra"] else [".".join(stem)]
        else:
            continue
        for module in modules:
            top, _, rest = module.partition(".")
            if top == "recurra":
                name = rest.partition(".")[0] or "__init__"
                known = (SOURCE / name).is_dir() or (SOURCE / f"{name}.py").exists()
                found.append((node.lineno, name if known else "__init__"))
    return found


FILES = sorted(SOURCE.rglob("*.py"))


def test_the_reader_of_imports_sees_every_form() -> None:
    text = """
import recurra.tasks
from .. import cells, __version__
from ..ops.choose import pick
from . import state
from .state import State
import torch
from recurra.errors import near
def f():
    from ..training import train
"""
    expected = ["tasks", "cells", "__init__", "ops", "nn", "nn", "errors", "training"]
    assert sorted(name for _, name in imported_parts(text, ["recurra", "nn"])) == sorted(expected)


@pytest.mark.parametrize("file", FILES, ids=[str(file.relative_to(SOURCE)) for file in FILES])
def test_imports_point_one_way(file: Path) -> None:
    part = part_of(file)
    if part in LEAVES - {"__init__"}:
        allowed = LEAVES
    elif part == "__init__":
        return  # the front door names everything, lazily; test_import_is_light holds that
    else:
        assert part in BELOW, f"{part} is new: say in BELOW what it may import"
        allowed = {part} | BELOW[part] | (set() if part in NO_LEAVES else LEAVES)
    package = ["recurra", *file.relative_to(SOURCE).parts[:-1]]
    found = imported_parts(file.read_text(encoding="utf-8"), package)
    wrong = [f"{file.name}:{line} imports {name}" for line, name in found if name not in allowed]
    assert not wrong, f"{part} may import {sorted(allowed)}"


def modules_imported(file: Path) -> set[Path]:
    """The files of recurra that a file imports, also in functions and for type checking."""
    package = file.relative_to(SOURCE).parts[:-1]
    found: set[Path] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            base = ["recurra", *package[: len(package) - node.level + 1]] if node.level else []
            stem = [*base, *(node.module.split(".") if node.module else [])]
            names = [[*stem, alias.name] for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
        else:
            continue
        for name in names:
            if name[0] != "recurra" or "_native" in name:  # compiled
                continue
            inner = SOURCE.joinpath(*name[1:])
            outer = SOURCE.joinpath(*name[1:-1])
            candidates = (
                inner.with_suffix(".py"),
                inner / "__init__.py",
                outer.with_suffix(".py"),
                outer / "__init__.py",
            )
            found.update([next(path for path in candidates if path.exists())])
    return found - {SOURCE / "__init__.py"}


def test_there_is_no_import_cycle() -> None:
    """Files that import each other cannot be understood or changed one at a time."""
    graph = {file: modules_imported(file) for file in FILES}
    done: set[Path] = set()

    def visit(file: Path, path: list[Path]) -> None:
        if file in path:
            cycle = [str(one.relative_to(SOURCE)) for one in [*path[path.index(file) :], file]]
            raise AssertionError(" -> ".join(cycle))
        if file not in done:
            for other in graph[file]:
                visit(other, [*path, file])
            done.add(file)

    for file in FILES:
        visit(file, [])


def test_no_file_is_long() -> None:
    native = SOURCE.parent.parent / "native"
    files = [*FILES, *(native.glob("*.[ch]*") if native.is_dir() else [])]
    long = {file.name: count for file in files if (count := len(file.read_text(encoding="utf-8").splitlines())) > 300}
    assert long == {}


HEAVY = ("torch", "numpy", "pyarrow", "tokenizers", "lightning", "lightning_fabric", "torchmetrics", "safetensors")


@pytest.mark.parametrize(
    "code",
    [
        "import recurra",
        "from recurra.cli.main import run; assert run(['--help']) == 0",
        "from recurra.cli.main import run; assert run(['--version']) == 0",
        *(f"from recurra.cli.main import run; assert run(['{c}', '--help']) == 0"
          for c in ("train", "predict", "evaluate", "generate", "data", "demo")),
    ],
)  # fmt: skip
def test_import_is_light(code: str) -> None:
    ends = f"\nimport sys, json; print('\\n' + json.dumps([m for m in {HEAVY!r} if m in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code + ends], capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == []


def test_exported_names() -> None:
    assert sorted(recurra.__all__) == ["Run", "__version__", "finetune", "inspection", "load", "nn", "train"]
    for name in recurra.__all__:
        assert getattr(recurra, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        recurra.trian  # noqa: B018


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU", "RNNCell", "LSTMCell", "GRUCell", "Recurrent"])
def test_layers_have_their_names(name: str) -> None:
    from recurra import nn

    assert name in nn.__all__
    assert isinstance(getattr(nn, name), type)


def test_no_pickle_in_the_sources() -> None:
    """A run folder from a stranger is safe to open: nothing here can read a pickle."""
    for file in FILES:
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            assert not {"pickle", "shelve", "marshal", "dill", "joblib"} & set(names), file
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("torch.load", "torch.save"):
                raise AssertionError(f"{file}:{node.lineno} {ast.unparse(node.func)} is a pickle")


@pytest.mark.skipif(not any(map(shutil.which, ("c++", "g++", "clang++"))), reason="there is no C++ compiler here")
@pytest.mark.skipif("RECURRA_NATIVE" in os.environ, reason="RECURRA_NATIVE chooses the kernels")
def test_kernels_are_built_where_they_can_be() -> None:
    """An error in native/ makes a wheel of Python alone, whose tests of kernels are all skipped: that is no green."""
    from recurra.ops.native import loader

    module, said = loader.load()
    assert module is not None, said
