"""docs/from-tutorials.md: its code and its commands run, the names in its tables exist, and the two languages agree."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from tiny_runs import write_reviews, write_text

from recurra import cells, nn, tasks
from recurra.cli.main import run
from recurra.nn.attention import RULES
from recurra.settings import fields

DOCS = Path(__file__).parents[1] / "docs"
PAGES = [DOCS / name for name in ("from-tutorials.md", "from-tutorials.zh.md")]
SETTINGS = {key.partition(".")[2] for name in tasks.names() for key in fields(tasks.get(name).settings_class)}
OPTIONS = nn.options.RecurrentOptions.__optional_keys__  # type: ignore[attr-defined]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def rows(page: Path) -> list[str]:
    """The second column of the tables."""
    lines = [line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    return [line.split("|")[2] for line in lines if not set(line) <= set("|- ")]


def test_the_code_runs() -> None:
    names: dict[str, Any] = {}
    for code in blocks(PAGES[0], "python"):
        exec(compile(code, str(PAGES[0]), "exec"), names)


COMMANDS = [line for block in blocks(PAGES[0], "sh") for line in block.splitlines()]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    write_reviews(tmp_path / "reviews.csv")
    write_text(tmp_path / "text.txt")
    monkeypatch.chdir(tmp_path)
    program, *words = shlex.split(command)
    small = ["--set", "hidden_size=8", "--set", "embedding_size=8"] if "train" in words else []
    assert program == "recurra" and run([*words, *small]) == 0


def test_the_names_in_the_tables_exist() -> None:
    """Settings, options of a layer, cells, rules of attention, tasks, and attributes of recurra."""
    known = SETTINGS | set(OPTIONS) | set(cells.names()) | set(RULES) | set(tasks.names())
    values = {"last", "mean", "max", "mean_max", "none", "adamw"}
    unknown = []
    for cell in rows(PAGES[0]):
        for name in re.findall(r"`([^`]+)`", cell):
            if re.fullmatch(r"[a-z0-9_]+", name) and name not in known | values:
                unknown.append(name)
            for option in re.findall(r"--([a-z-]+)", name):
                assert option.replace("-", "_") in SETTINGS | {"set", "cell", "seed"}, option
            if found := re.match(r"recurra train (\w+)", name):
                assert found[1] in tasks.names()
            if found := re.search(r"examples/\S+\.(?:py|yaml)", name):
                assert (DOCS.parent / found[0]).exists()
    assert not unknown


def test_the_pages_agree() -> None:
    english, chinese = (page.read_text(encoding="utf-8") for page in PAGES)

    def code(text: str) -> list[str]:  # without the comments, which are in the language of the page
        return [re.sub(r" +#.*", "", block) for block in re.findall(r"```\w+\n(.*?)```", text, re.DOTALL)]

    assert code(english) == code(chinese)
    assert english.count("\n## ") == chinese.count("\n## ")
    assert len(rows(PAGES[0])) == len(rows(PAGES[1]))
    for one, other in zip(rows(PAGES[0]), rows(PAGES[1]), strict=True):
        assert sorted(re.findall(r"`[^`]+`", one)) == sorted(re.findall(r"`[^`]+`", other))
