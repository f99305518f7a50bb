"""The examples in docstrings run, and every public definition of recurra has a docstring.

`python tests/test_doctests.py [SOURCE]` prints the number of public definitions under SOURCE (default: src/recurra) and
lists those without a docstring.
"""

from __future__ import annotations

import ast
import doctest
import importlib
import sys
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "recurra"

# Public definitions that may lack a docstring, as "module:qualified name". Overridden methods do not have to be listed:
# see `documented_elsewhere`.
EXCEPTIONS: set[str] = set()

# torch.nn.Module and torch.autograd.Function document these methods; the class describes inputs and outputs.
DOCUMENTED_BY_TORCH = {"forward", "backward", "setup_context", "reset_parameters", "extra_repr"}

Definition = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def module_name(path: Path, source: Path) -> str:
    """The dotted name of a module below `source`, which is the folder of the package recurra."""
    parts = ("recurra", *path.relative_to(source).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def public_definitions(source: Path) -> Iterator[tuple[str, str, Definition, ast.ClassDef | None]]:
    """Module, qualified name, syntax tree and class of each public module, class, function and method.

    Public is what has no leading underscore and is not inside a function. Setters and overloads are not counted.
    """
    for path in sorted(source.rglob("*.py")):
        module = module_name(path, source)
        if any(part.startswith("_") for part in module.split(".")):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        yield module, "", tree, None
        yield from members(module, "", tree, None)


def members(
    module: str, prefix: str, node: ast.AST, owner: ast.ClassDef | None
) -> Iterator[tuple[str, str, Definition, ast.ClassDef | None]]:
    """The public definitions directly inside a module or class, and those inside its classes."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If | ast.Try):
            yield from members(module, prefix, child, owner)
        elif isinstance(child, ast.ClassDef) and not child.name.startswith("_"):
            yield module, prefix + child.name, child, owner
            yield from members(module, f"{prefix}{child.name}.", child, child)
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) and not child.name.startswith("_"):
            decorators = [ast.unparse(decorator) for decorator in child.decorator_list]
            if not any(name.endswith((".setter", "overload")) for name in decorators):
                yield module, prefix + child.name, child, owner


def has_sentence(node: Definition) -> bool:
    """Whether a definition has a docstring of at least two words."""
    return len((ast.get_docstring(node) or "").split()) >= 2


def documented_elsewhere(name: str, owner: ast.ClassDef | None, documented: dict[str, list[tuple[str, ...]]]) -> bool:
    """Whether a method overrides one that has a docstring: of a base class in recurra, or of torch.nn.Module.

    `documented` contains, for the name of each class of recurra, the names of its bases and of its documented methods.
    """
    if owner is None:
        return False
    method, pending, seen = name.rpartition(".")[2], [base_name(base) for base in owner.bases], set[str]()
    while pending:
        base = pending.pop()
        if base in seen:
            continue
        seen.add(base)
        if base in ("Module", "Function") and method in DOCUMENTED_BY_TORCH:
            return True
        for bases, methods in documented.get(base, ()):  # type: ignore[assignment, misc]
            if method in methods:
                return True
            pending += bases
    return False


def base_name(base: ast.expr) -> str:
    """The name of a base class without its module and type arguments."""
    while isinstance(base, ast.Subscript):
        base = base.value
    return base.attr if isinstance(base, ast.Attribute) else base.id if isinstance(base, ast.Name) else ""


def undocumented(source: Path) -> tuple[int, list[str]]:
    """The number of public definitions, and "module:name" of those without a docstring."""
    definitions = list(public_definitions(source))
    classes: dict[str, list[tuple[tuple[str, ...], tuple[str, ...]]]] = {}
    for _, name, node, _ in definitions:
        if isinstance(node, ast.ClassDef):
            bases = tuple(base_name(base) for base in node.bases)
            methods = tuple(item.name for item in node.body if isinstance(item, ast.FunctionDef) and has_sentence(item))
            classes.setdefault(name.rpartition(".")[2], []).append((bases, methods))
    missing = [
        f"{module}:{name}"
        for module, name, node, owner in definitions
        if not has_sentence(node) and not documented_elsewhere(name, owner, classes)  # type: ignore[arg-type]
    ]
    return len(definitions), missing


@cache
def with_examples() -> tuple[str, ...]:
    """The modules that contain doctests."""
    paths = sorted(path for path in SOURCE.rglob("*.py") if ">>> " in path.read_text(encoding="utf-8"))
    return tuple(module_name(path, SOURCE) for path in paths)


def test_there_are_examples() -> None:
    expected = {"rnn", "lstm", "gru", "cells", "recurrent", "state", "stepper", "pooling"}
    assert {f"recurra.nn.{name}" for name in expected} <= set(with_examples())


@pytest.mark.parametrize("name", with_examples())
def test_the_examples_of_docstrings_run(name: str) -> None:
    import torch

    if name == "recurra.nn.stepper":
        from recurra.ops.native import loader

        if loader.load()[0] is None:
            pytest.skip(str(loader.load()[1]))
    module = importlib.import_module(name)
    torch.manual_seed(0)
    report: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
        tests = [test for test in doctest.DocTestFinder(exclude_empty=True).find(module) if test.examples]
        assert tests, f"{name} contains '>>> ' outside of docstrings"
        for test in tests:
            runner.run(test, out=report.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(report)


def test_every_public_definition_has_a_docstring() -> None:
    _, missing = undocumented(SOURCE)
    assert sorted(set(missing) - EXCEPTIONS) == []
    assert set(missing) >= EXCEPTIONS, "remove documented definitions from EXCEPTIONS"


if __name__ == "__main__":
    count, names = undocumented(Path(sys.argv[1]) if len(sys.argv) > 1 else SOURCE)
    print(*names, f"{count} public definitions, {len(names)} of them without a docstring", sep="\n")
