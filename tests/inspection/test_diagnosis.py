"""The diagnosis: broken runs have their cause first, healthy ones none; what cannot be checked is said with its reason.

Longer runs, from which the thresholds were chosen, are in benchmarks/diagnosis.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_runs import TINY, reviews

import recurra
from recurra import inspection
from recurra.errors import CallError, DataError, SettingError
from recurra.inspection.checks import CHECKS
from recurra.inspection.evidence import Evidence
from recurra.inspection.texts import LANGUAGES, catalog
from recurra.nn.patch import recurrent_of
from recurra.run import Run
from recurra.tasks.base import DataQuality

PLAIN = {"ensemble_size": 1, "adversarial_epsilon": 0, "bidirectional": False, "pooling": "max", "cell": "lstm"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return reviews(tmp_path_factory.mktemp("reviews"), **PLAIN)


@pytest.fixture
def run(trained: Run) -> Iterator[Run]:
    """The run; its weights and its history are restored."""
    weights = {name: value.clone() for name, value in trained.network.state_dict().items()}
    history = (trained.path / "history.jsonl").read_text()
    yield trained
    trained.network.load_state_dict(weights)
    (trained.path / "history.jsonl").write_text(history)


def causes(run: Run) -> list[str]:
    found = inspection.diagnose(run)
    for finding in found.findings:
        for language in LANGUAGES:
            assert all(finding.text(part, language) for part in ("name", "sentence", "why", "remedy"))
        assert finding.value >= finding.threshold
    assert not any(
        "{" in line.replace("cell_options={", "") for language in LANGUAGES for line in found.lines(language)
    )
    return [finding.cause for finding in found.findings]


def write_history(run: Run, train: list[float], valid: list[float], **more: Any) -> None:
    """Write a history of evaluations, 100 steps apart, and a last line with further keys."""
    lines = [
        {"step": 100 * (n + 1), "seconds": 1.0, "learning_rate": 1e-3, "train/loss": a, "valid/loss": b}
        for n, (a, b) in enumerate(zip(train, valid, strict=True))
    ]
    lines += [{"step": 100 * len(lines), "seconds": 1.0, "learning_rate": 1e-3, **more}] if more else []
    (run.path / "history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def scaled(run: Run, name: str, factor: float) -> None:
    """Multiply the recurrent parameters whose names contain `name`."""
    with torch.no_grad():
        for key, weight in recurrent_of(run.network)[1].named_parameters():
            if name in key:
                weight.mul_(factor)


FALLING = [0.69, 0.55, 0.4, 0.3, 0.25, 0.23, 0.22, 0.219, 0.218, 0.217]


@pytest.mark.parametrize(
    ("cause", "train", "valid", "more"),
    [
        ("none", FALLING, FALLING, {}),
        ("learning rate too high", [*FALLING[:4], 0.5, 0.9, 1.2], [*FALLING[:4], 0.5, 0.9, 1.2], {}),
        ("learning rate too high", [8.0, 7.0, 7.5, 7.2], [8.0, 7.0, 7.5, 7.2], {}),
        ("loss not finite", FALLING, FALLING, {"not_finite": "nan"}),
        ("overfitting", FALLING, [0.69, 0.6, 0.55, 0.5, 0.6, 0.8, 1.0, 1.2, 1.4, 1.6], {}),
        ("too few epochs", [0.69, 0.6, 0.5, 0.42, 0.36, 0.3], [0.69, 0.6, 0.5, 0.42, 0.36, 0.3], {}),
    ],
)
def test_causes_in_the_history(
    run: Run, cause: str, train: list[float], valid: list[float], more: dict[str, Any]
) -> None:
    write_history(run, train, valid, **more)
    found = [one for one in causes(run) if not one.startswith("labels")]  # the network was trained for 8 steps
    assert (found or ["none"])[0] == cause


def test_a_rate_too_low(run: Run) -> None:
    write_history(run, [0.693, 0.693, 0.692, 0.692, 0.692], [0.693] * 5)
    file = run.path / "history.jsonl"
    file.write_text(file.read_text().replace('"learning_rate": 0.001', '"learning_rate": 1e-06'))
    assert causes(run)[0] == "learning rate too low"


def test_saturated_gates(run: Run) -> None:
    scaled(run, "weight", 300.0)
    scaled(run, "bias", 300.0)
    assert causes(run)[0] == "saturated gates"


def test_dead_units(tmp_path: Path) -> None:
    run = reviews(tmp_path, **(PLAIN | {"cell": "rnn", "cell_options": {"nonlinearity": "relu"}}))
    with torch.no_grad():
        for name, weight in recurrent_of(run.network)[1].named_parameters():
            if "bias_ih" in name:
                weight[:6] = -100.0
    assert causes(run)[0] == "dead units"


def test_a_leak_through_padding(run: Run) -> None:
    """Half of the positions of a batch are padding for the shortest text, whose mean is then another one."""
    for name, weight in run.network.named_parameters():
        if "head" in name:
            weight.data.mul_(30.0)
    layer = recurrent_of(run.network)[1]
    handle = layer.register_forward_pre_hook(lambda _, args: (args[0] + 5 * args[0].mean(1, keepdim=True), *args[1:]))
    try:
        assert causes(run)[0] == "leak through padding"
    finally:
        handle.remove()


@pytest.mark.parametrize(
    ("cause", "quality"),
    [
        ("vocabulary too small", DataQuality(unknown={"text": 0.6})),
        ("duplicates across the split", DataQuality(shared=40, compared=50)),
        ("class imbalance", DataQuality(classes={"label": {"rare": 1, "frequent": 5000}})),
    ],
)
def test_causes_in_the_data(run: Run, monkeypatch: pytest.MonkeyPatch, cause: str, quality: DataQuality) -> None:
    monkeypatch.setattr(Evidence, "quality", quality)
    assert causes(run) == [cause]


def test_what_quality_counts(tmp_path: Path) -> None:
    file, valid = tmp_path / "rows.csv", tmp_path / "valid.csv"
    rows = [f"word{n} good,{'yes' if n % 4 else 'no'}" for n in range(40)]
    file.write_text("\n".join(["text,label", *rows]) + "\n")
    valid.write_text("\n".join(["text,label", *rows[:3], "other words,yes"]) + "\n")
    options = {"text": "text", "label": "label", "tokenization": "words", "character_ngrams": False, "min_count": 1}
    run = recurra.train("classify", file, valid=valid, out=tmp_path / "run", steps=2, hidden_size=4, **options)
    with inspection.evidence.evidence_of(run, None) as evidence:
        quality = evidence.quality
    assert quality.classes == {"label": {"no": 10, "yes": 30}}
    assert (quality.shared, quality.compared) == (3, 3)
    assert quality.unknown == {"text": 0.0}


@pytest.mark.parametrize("task", TINY)
def test_healthy_tiny_runs_raise_no_alarm(task: str, tmp_path: Path) -> None:
    found = inspection.diagnose(TINY[task](tmp_path))
    assert found.findings == ()
    assert found.lines()[0].startswith("no problem found")
    assert all(one.reason for one in found.not_done)


def test_state_never_carried(tmp_path: Path) -> None:
    make: Callable[..., Run] = TINY["language"]
    assert causes(make(tmp_path, batching="random")) == ["state never carried"]
    found = inspection.diagnose(make(tmp_path, "carried", batching="sequential"))
    assert "state" in found.done


def test_a_run_without_its_data_is_diagnosed_from_its_history(tmp_path: Path) -> None:
    run = reviews(tmp_path)
    (tmp_path / "reviews.csv").unlink()
    found = inspection.diagnose(run)
    assert "not_finite" in found.done
    assert any("cannot be read" in one.reason for one in found.not_done)


def test_wrong_arguments(run: Run, tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    other.write_text("text,label\n" + "".join(f"quite other words {n},{n % 2}\n" for n in range(30)))
    with pytest.raises(DataError, match="another vocabulary"):
        inspection.diagnose(run, other)
    with pytest.raises(CallError, match="needs a Run"):
        inspection.diagnose(torch.nn.LSTM(2, 3))  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="unknown language 'de'"):
        catalog("de")


def test_texts_are_complete() -> None:
    """Both languages have the same keys with the same facts, and every check has its texts."""
    import string

    def facts(text: str) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}

    en, zh = catalog("en"), catalog("zh")
    assert en.keys() == zh.keys()
    assert [key for key in en if facts(en[key]) != facts(zh[key])] == []
    for check in CHECKS:
        assert {f"{check.key}.{part}" for part in ("name", "sentence", "why")} <= en.keys()
        assert any(key.startswith(f"{check.key}.remedy") for key in en)
