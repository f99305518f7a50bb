"""The report: one page that is complete in both languages, safe with any data, and says what it cannot show."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tiny_runs import TINY

import recurra
from recurra.cli.main import run as command
from recurra.errors import DataError, RunError
from recurra.inspection.report import inspect_run
from recurra.inspection.texts import catalog
from recurra.run import Run

ATTACK = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("report")
    rows = [f'"{ATTACK} word{n % 5}",{ATTACK if n % 2 else "</table>"}' for n in range(60)]
    (folder / "rows.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    settings = {"text": "text", "label": "label", "ensemble_size": 1, "num_evaluations": 4}
    return recurra.train("classify", folder / "rows.csv", out=folder / "run", steps=12, hidden_size=6, **settings)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_is_complete_and_self_contained(run: Run, language: str) -> None:
    _, path = inspect_run(run, language=language, overwrite=True)
    page = path.read_text(encoding="utf-8")
    assert len(page.encode()) < 2.5e6
    for key in (
        "report.diagnosis",
        "curves.heading",
        "memory.heading",
        "gates.heading",
        "dynamics.heading",
        "data.heading",
    ):
        assert f">{catalog(language)[key]}</h2>" in page
    for figure in ("loss", "by_lag", "saturation", "states", "eigenvalues", "exponents"):
        assert f'data-figure="{figure}"' in page and f'"{figure}":{{"kind"' in page
    assert catalog(language)["report.missing"].partition("{")[0] not in page
    outside = page.replace("http://www.w3.org/2000/svg", "").replace("https://github.com/leeoniya/uPlot", "")
    assert not re.search(r"""(?:src|href)=|url\(|@import|https?://""", outside)  # nothing is fetched from elsewhere


def test_data_of_the_user_are_escaped(run: Run) -> None:
    _, path = inspect_run(run, overwrite=True)
    page = path.read_text(encoding="utf-8")
    assert "&lt;script&gt;alert(1)" in page  # a label of the confusion matrix
    assert ATTACK not in page and page.count("<script") == page.count("</script>") == 2
    assert page.count("</table>") == page.count("<table>")


def test_an_existing_report_is_kept(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    inspect_run(run, overwrite=True)
    with pytest.raises(RunError, match=r"report\.html exists already; replace it with --overwrite"):
        inspect_run(run)
    assert command(["inspect", str(run.path)]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert command(["inspect", str(run.path), "--overwrite", "--language", "zh"]) == 0
    assert 'lang="zh-Hans"' in (run.path / "report.html").read_text(encoding="utf-8")
    assert command(["inspect", str(run.path), "--language", "fr", "--overwrite"]) == 2
    assert "unknown language 'fr'" in capsys.readouterr().err


def test_without_data_the_report_has_what_needs_none(tmp_path: Path) -> None:
    run = TINY["tag"](tmp_path)
    (tmp_path / "tagged.jsonl").unlink()
    _, path = inspect_run(run)
    page = path.read_text(encoding="utf-8")
    assert "Not shown: the training data" in page
    assert 'data-figure="by_lag"' not in page and "valid/loss" not in page and "Metrics of the best evaluation" in page


def test_data_of_another_task(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "text.txt"
    file.write_text("just a text\n" * 50)
    with pytest.raises(DataError) as error:
        inspect_run(run, file, overwrite=True)
    assert "\n" not in str(error.value)
    with pytest.raises(DataError, match="cannot be read"):
        inspect_run(run, tmp_path / "missing.csv", overwrite=True)


@pytest.mark.parametrize("task", ["language", "forecast", "translate"])
def test_reports_of_other_tasks(task: str, tmp_path: Path) -> None:
    _, path = inspect_run(TINY[task](tmp_path))
    page = path.read_text(encoding="utf-8")
    assert {"language": "A sample of generated text", "forecast": "Coverage", "translate": "The first examples"}[
        task
    ] in page
