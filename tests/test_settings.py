"""Settings: names, groups, sources in their order, files, and messages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from recurra import tasks
from recurra.config import parse_pairs, read_config
from recurra.errors import SettingError
from recurra.settings import (
    DataSettings,
    ModelSettings,
    Settings,
    TrainingSettings,
    as_given,
    fields,
    full_name,
    settings_from,
)
from recurra.tasks.classify.task import Classify
from recurra.tasks.language.task import Language

Plain = Settings[DataSettings, ModelSettings, TrainingSettings]
TRAINING = {"epochs": 1.0, "batch_size": 4, "learning_rate": 0.1, "ema_decay": 0.0, "patience": 3}


def test_later_sources_win_and_names_are_short_or_full_or_nested() -> None:
    settings = settings_from(
        as_given(Classify.settings_class),
        {"model": {"hidden_size": 3, "dropout": 0.1}, "seed": 5},
        {"hidden_size": 4, "training.steps": 7},
        {"model.hidden_size": 6, "clip_norm": None},
    )
    assert (settings.model.hidden_size, settings.model.dropout) == (6, 0.1)
    assert (settings.training.seed, settings.training.steps, settings.training.clip_norm) == (5, 7, None)


def test_open_fields_are_filled_and_what_was_given_is_kept() -> None:
    settings = settings_from(as_given(Plain), {"hidden_size": 3})
    assert settings.model.num_layers is None
    model = {"cell": "gru", "hidden_size": 99, "num_layers": 2, "dropout": 0.1}
    filled = settings.fill(model=model, training=TRAINING | {"no_such_field": 1})
    assert (filled.model.hidden_size, filled.model.num_layers) == (3, 2)
    with pytest.raises(SettingError, match=r"setting model.num_layers = 0"):
        settings.with_(model={"num_layers": 0})
    with pytest.raises(SettingError, match=r"setting model.num_layers = None"):
        filled.with_(model={"num_layers": None})
    with pytest.raises(SettingError, match=r"setting model.dropout has no value"):
        settings.fill(model={"cell": "gru", "num_layers": 2}, training=TRAINING)
    with pytest.raises(ValidationError):
        settings.model.hidden_size = 4  # frozen


@pytest.mark.parametrize(
    ("task", "key", "said"),
    [
        (Classify, "hiddn_size", "unknown setting 'hiddn_size'; did you mean 'hidden_size'"),
        (Classify, "training.sed", "did you mean 'training.seed'"),
        (Classify, "model.seed", "unknown setting 'model.seed'"),
        (Language, "bidirectional", "unknown setting 'bidirectional'"),
    ],
)
def test_unknown_names(task: Any, key: str, said: str) -> None:
    with pytest.raises(SettingError) as raised:
        full_name(task.settings_class, key)
    assert said in str(raised.value)


@pytest.mark.parametrize("name", tasks.names())
def test_every_field_of_every_task_says_what_it_is(name: str) -> None:
    """It is what `--help` prints."""
    cls = tasks.get(name).settings_class
    known = fields(cls)
    assert all(field.description for _, field in known.values())
    assert [key for key in known if full_name(cls, key.partition(".")[2]) != key] == []  # none is ambiguous


def test_pairs_are_read_as_yaml() -> None:
    pairs = ["a=1", "b=true", "c=null", "d=x=y", "e=", "f=0.5", "g={leak: 1}", "h=[", "i = 3"]
    expected = {"a": 1, "b": True, "c": None, "d": "x=y", "e": None, "f": 0.5, "g": {"leak": 1}, "h": "[", "i": 3}
    assert parse_pairs(pairs) == expected
    for wrong in ("hidden_size", "=3"):
        with pytest.raises(SettingError, match="write it as key=value"):
            parse_pairs([wrong])


@pytest.mark.parametrize(
    ("pair", "spelling"),
    [
        ("cell_options={dt:0.5}", "expected a colon and a space: --set 'cell_options={dt: 0.5}'"),
        (
            "cell_options={dt=0.5}",
            "'dt=0.5' is not name and value; expected a colon and a space: --set 'cell_options={dt: 0.5}'",
        ),
        ("cell_options={dt:0.5, leak: 2, x: true}", "--set 'cell_options={dt: 0.5, leak: 2, x: true}'"),
        ("model.cell_options={nonlinearity:relu}", "--set 'model.cell_options={nonlinearity: relu}'"),
        ("a={b: {c:1}}", "b: 'c:1' is not name and value; expected a colon and a space: {c: 1}"),
        ("a=[{c:1}]", "expected a colon and a space: {c: 1}"),
    ],
)
def test_a_mapping_without_spaces_is_answered_with_the_right_spelling(tmp_path: Path, pair: str, spelling: str) -> None:
    with pytest.raises(SettingError) as raised:
        parse_pairs([pair])
    assert spelling in str(raised.value) and str(raised.value).startswith(f"--set {pair}: ")
    assert len(str(raised.value).splitlines()) == 1
    config = tmp_path / "config.yaml"
    config.write_text(pair.replace("=", ": ", 1).replace("model.", ""))
    with pytest.raises(SettingError, match=r"config.yaml: .* is not name and value; expected a colon and a space"):
        read_config(config)


@pytest.mark.parametrize(
    ("value", "example"),
    [("dt:0.5", "{dt: 0.5}"), ("dt=0.5", "{dt: 0.5}"), ("relu", "{name: value}"), (3, "{name: value}")],
)
def test_a_value_that_is_not_a_mapping_is_reported_with_an_example(value: object, example: str) -> None:
    with pytest.raises(SettingError) as raised:
        settings_from(as_given(tasks.get("classify").settings_class), {"cell_options": value})
    assert f"= {value!r}: expected a mapping, as in --set 'cell_options={example}'" in str(raised.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("model: [", "invalid YAML"),
        ("- 1", "expected settings by name"),
        ("1: 2", "expected settings by name"),
        ("x: !!python/object/apply:os.getcwd []", "invalid YAML"),
    ],
)
def test_files_that_are_no_settings(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(SettingError, match=rf"a.yaml(, line 1)?: {said}"):
        read_config(tmp_path / "a.yaml")


def test_a_file_of_settings(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("model: {hidden_size: 12}\nseed: 3\n")
    settings = settings_from(as_given(Classify.settings_class), read_config(tmp_path / "a.yaml"))
    assert (settings.model.hidden_size, settings.training.seed) == (12, 3)
    (tmp_path / "b.yaml").write_text("")
    assert read_config(tmp_path / "b.yaml") == {}
    with pytest.raises(SettingError, match=r"none.yaml: cannot be read"):
        read_config(tmp_path / "none.yaml")
