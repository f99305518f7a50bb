"""translate: pairs from files, training, answers and their JSON, copied words, invalid input, and components."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import recurra
from recurra import cells
from recurra.cli import main as cli
from recurra.data.store.store import Store, StoreWriter
from recurra.decoding.beam_search import Hypothesis
from recurra.errors import CallError, DataError, SettingError, UserError
from recurra.run import Run
from recurra.settings import as_given, settings_from
from recurra.tasks.base import DatasetInfo, ignore_progress
from recurra.tasks.shared.target_files import TargetFiles
from recurra.tasks.translate.dataset import PairDataset
from recurra.tasks.translate.lengths import PairLengths
from recurra.tasks.translate.output import Output
from recurra.tasks.translate.settings import TranslateSettings
from recurra.tasks.translate.task import Translate, pair_batch

SMALL: dict[str, Any] = {"hidden_size": 12, "embedding_size": 8, "steps": 6, "batch_size": 16, "num_evaluations": 2}


# runs -----------------------------------------------------------------------------------------------------------------
def spell(n: int) -> tuple[str, str]:
    """A word, and the same word reversed."""
    draw = random.Random(n)
    word = "".join(draw.choice("abcde") for _ in range(draw.randint(1, 4)))
    return word, word[::-1]


def write_pairs(path: Path, pairs: Sequence[tuple[str, ...]], header: tuple[str, ...] = ("source", "target")) -> Path:
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(dict(zip(header, pair, strict=True))) + "\n" for pair in pairs))
    else:
        mark = "\t" if path.suffix == ".tsv" else ","
        path.write_text("".join(mark.join(row) + "\n" for row in [header, *pairs]), encoding="utf-8")
    return path


def write_sides(folder: Path, pairs: Sequence[tuple[str, str]], name: str = "train") -> tuple[Path, Path]:
    files = folder / f"{name}.a", folder / f"{name}.b"
    for file, side in zip(files, zip(*pairs, strict=True), strict=True):
        file.write_text("\n".join(side) + "\n", encoding="utf-8")
    return files


WORDS = [spell(n) for n in range(200)]
SENTENCES = [
    (f"the {colour} {animal} sees number {n}", f"das {colour[::-1]} {animal[::-1]} sieht Nummer {n}")
    for n in range(20)
    for colour in ("red", "green")
    for animal in ("dog", "cat")
]


def train(folder: Path, pairs: Sequence[tuple[str, ...]], name: str = "run", **settings: Any) -> Run:
    data = write_pairs(folder / f"{name}.csv", pairs)
    return recurra.train("translate", data, out=folder / name, **(SMALL | settings))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that has learnt to reverse short words."""
    folder = tmp_path_factory.mktemp("trained")
    settings = {
        "hidden_size": 48,
        "embedding_size": 24,
        "steps": 260,
        "dropout": 0.0,
        "batch_size": 64,
        "ema_decay": 0.9,
    }
    return train(folder, [spell(n) for n in range(3000)], **settings, learning_rate=1e-2)


def test_it_learns_and_returns_attention_weights(trained: Run) -> None:
    assert trained.metrics["valid/exact_match"] > 0.95
    assert trained.metrics["valid/token_error_rate"] < 0.02
    loaded = recurra.load(trained.path)
    assert [answer["text"] for answer in loaded.predict(["abcd", "eda", "", "b"])] == ["dcba", "ade", "", "b"]
    loaded.change(return_attention=True, beam_size=1)
    attention = loaded.predict(["abc"])[0]["attention"]
    assert (attention["source"], attention["target"]) == (["a", "b", "c"], ["c", "b", "a", "<end>"])
    assert all(sum(row) == pytest.approx(1, abs=2e-4) for row in attention["weights"])
    assert loaded.streams[0] is False


@pytest.mark.parametrize("beam_size", [1, 4])
def test_an_answer_does_not_depend_on_the_batch(trained: Run, beam_size: int) -> None:
    run = recurra.load(trained.path)
    run.change(beam_size=beam_size)
    words = [spell(n)[0] for n in range(5000, 5040)] + ["", "abcdeabcdeabcde", "xyz"]
    alone = [run.predict([word])[0] for word in words]
    for seed in range(3):
        order = random.Random(seed).sample(range(len(words)), len(words))
        for answer, at in zip(run.predict([words[i] for i in order]), order, strict=True):
            assert answer["text"] == alone[at]["text"]
            assert answer["score"] == pytest.approx(alone[at]["score"], abs=1e-5)


def test_a_larger_beam_finds_answers_that_are_at_least_as_probable(trained: Run) -> None:
    run = recurra.load(trained.path)
    words = [spell(n)[0] for n in range(6000, 6100)]
    greedy, wide = [], []
    for beam_size, scores in ((1, greedy), (6, wide)):
        run.change(beam_size=beam_size)
        scores += [answer["score"] for answer in run.predict(words)]
    assert sum(wide) >= sum(greedy)


def test_the_same_seed_gives_the_same_run_with_scheduled_sampling(tmp_path: Path) -> None:
    one, two, other = (
        train(tmp_path, WORDS, name, teacher_forcing_ratio=ratio, scheduled_sampling="sigmoid")
        for name, ratio in (("a", 0.2), ("b", 0.2), ("c", 1.0))
    )
    first, second, third = (dict(run.network.state_dict()) for run in (one, two, other))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(not torch.equal(first[name], third[name]) for name in first)


@pytest.mark.parametrize(
    "settings",
    [
        {"attention": "concat", "cell": "gru"},
        {"attention": "dot", "context_injection": "input", "num_layers": 1, "bidirectional": False},
        {"attention": "none", "context_injection": "output", "cell": "rnn", "tie_weights": False},
        {
            "attention": "additive",
            "self_attention": True,
            "encoder_layers": 2,
            "tokenization": "characters",
            "shared_vocabulary": True,
        },
    ],
)
def test_every_configuration_trains_saves_and_predicts(tmp_path: Path, settings: dict[str, Any]) -> None:
    run = train(tmp_path, WORDS, **settings)
    assert math.isfinite(run.metrics["valid/loss"])
    again = recurra.load(run.path).predict(["abc", "d"])
    assert again == run.predict(["abc", "d"])
    metrics = run.evaluate(tmp_path / "run.csv")
    assert {"bleu", "chrf", "exact_match", "token_error_rate", "sequence_error_rate", "loss"} <= metrics.keys()
    assert metrics["sequence_error_rate"] == 1 - metrics["exact_match"]


def test_metrics_during_training_use_evenly_spaced_pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    valid = write_pairs(tmp_path / "valid.csv", WORDS[:40])
    monkeypatch.setattr(Translate, "searched", 4)
    data = write_pairs(tmp_path / "a.csv", WORDS)
    run = recurra.train("translate", data, valid=valid, out=tmp_path / "run", **(SMALL | {"ema_decay": 0.0}))
    selected = write_pairs(tmp_path / "selected.csv", [WORDS[0], WORDS[13], WORDS[26], WORDS[39]])
    run.change(beam_size=1)
    metrics = run.evaluate(selected)
    assert run.metrics["valid/loss"] == pytest.approx(metrics["loss"], rel=1e-5)
    assert run.metrics["valid/chrf"] == pytest.approx(metrics["chrf"])


def test_tied_and_shared_weights_are_one_parameter(tmp_path: Path) -> None:
    net = train(tmp_path, SENTENCES, tokenization="subwords", vocabulary_size=300).network
    assert net.output.weight is net.decoder.embed.embedding.weight is net.encoder.embed.embedding.weight
    apart = train(
        tmp_path,
        SENTENCES,
        "apart",
        tokenization="subwords",
        vocabulary_size=300,
        shared_vocabulary=False,
        tie_weights=False,
    ).network
    assert apart.output.weight is not apart.decoder.embed.embedding.weight
    assert apart.encoder.embed is not apart.decoder.embed
    alone = train(
        tmp_path, SENTENCES, "alone", tokenization="subwords", vocabulary_size=300, shared_vocabulary=False
    ).network
    assert alone.output.weight is alone.decoder.embed.embedding.weight is not alone.encoder.embed.embedding.weight


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl"])
def test_pairs_from_tables(tmp_path: Path, suffix: str) -> None:
    data = write_pairs(tmp_path / f"pairs{suffix}", WORDS, ("en", "de"))
    run = recurra.train("translate", data, out=tmp_path / "run", source="en", target="de", **SMALL)
    assert run.predict([{"en": "abc"}]) == run.predict(["abc"])
    assert run.evaluate(data)["loss"] > 0


def test_parallel_files_give_the_run_of_a_table(tmp_path: Path) -> None:
    a, b = write_sides(tmp_path, WORDS)
    va, vb = write_sides(tmp_path, WORDS[:20], "valid")
    sides = recurra.train(
        "translate", a, target=str(b), valid=va, valid_target=str(vb), out=tmp_path / "sides", **SMALL
    )
    table = write_pairs(tmp_path / "pairs.csv", WORDS), write_pairs(tmp_path / "valid.csv", WORDS[:20])
    run = recurra.train("translate", table[0], valid=table[1], out=tmp_path / "table", **SMALL)
    ours, theirs = sides.network.state_dict(), run.network.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    metrics = run.evaluate(table[1])
    with pytest.raises(
        DataError, match=r"contains only the sources; name the file with the target of each line with --set target=FILE"
    ):
        sides.evaluate(va)
    sides.change(target=str(vb))
    assert sides.evaluate(va) == metrics
    assert recurra.load(tmp_path / "sides").evaluate(table[1]) == metrics  # the columns of a table are found by name


def test_several_source_columns_are_joined_with_an_end_token(tmp_path: Path) -> None:
    rows = [(word, other, word + other) for (word, _), (other, _) in pairwise(WORDS)]
    data = write_pairs(tmp_path / "rows.csv", rows, ("passage", "question", "answer"))
    run = recurra.train("translate", data, out=tmp_path / "run", source="passage, question", **SMALL)
    run.change(return_attention=True)
    answer = run.predict([{"passage": "ab", "question": "c"}])[0]
    assert answer["attention"]["source"] == ["a", "b", "|", "c"]
    assert answer == run.predict([["ab", "c"]])[0]
    assert answer["text"] is not None and run.evaluate(data)["loss"] > 0
    with pytest.raises(
        CallError, match="example 1: an input object requires 'passage' and 'question'; this one has 'passage'"
    ):
        run.predict([{"passage": "ab"}])
    with pytest.raises(CallError, match="the source consists of passage and question; pass a JSON object"):
        run.predict(["ab"])
    assert cli.run(["predict", str(tmp_path / "run"), str(data), "--out", str(tmp_path / "out.jsonl")]) == 0
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == len(rows)


def test_unknown_words_are_replaced_by_the_word_with_the_largest_attention_weight(tmp_path: Path) -> None:
    run = train(tmp_path, SENTENCES, tokenization="words", min_count=3, replace_unk=True)
    source, target = run.task.dataset.source, run.task.dataset.target
    vocabulary = target.vocabulary
    assert vocabulary.decode([vocabulary.unknown, vocabulary.unknown], ["a", "Zürich"]) == "a Zürich"
    weights = torch.tensor([[0.1, 0.9, 0.0], [0.8, 0.1, 0.1], [1.0, 0.0, 0.0]])
    known = vocabulary.encode("sieht").tolist()
    hypothesis = Hypothesis([vocabulary.unknown, *known], 0.0, 0.0, True, weights)
    assert Output(source, target, replace_unk=True).text(hypothesis, "the Zebra sees") == "Zebra sieht"
    assert "�" not in run.predict(["the Zebra sees number 99"])[0]["text"]
    run.change(replace_unk=False)
    assert Output(source, target, replace_unk=False).text(hypothesis, "the Zebra sees") == "� sieht"
    letters = train(tmp_path, WORDS, "letters")
    letters.change(replace_unk=True)
    with pytest.raises(SettingError, match="characters and subwords have no unknown words"):
        letters.predict(["abc"])


def test_only_concat_rejects_a_source_longer_than_those_in_training(tmp_path: Path) -> None:
    run = train(tmp_path, WORDS, attention="concat")
    assert run.predict(["abcd"])[0]["text"] is not None
    with pytest.raises(
        CallError,
        match=r"example 2: the source has 5 tokens.*has 4 positions, the length of the longest source in training",
    ):
        run.predict(["abcd", "abcde"])
    longer = write_pairs(tmp_path / "longer.csv", [("ab", "ba"), ("abcde", "edcba")])
    with pytest.raises(DataError, match=r"longer.csv, row 2: the source has 5 tokens"):
        run.evaluate(longer)
    other = train(tmp_path, WORDS, "additive").predict(["abcdeabcde"])
    assert other[0]["text"] is not None


def test_concat_with_a_fixed_number_of_positions(tmp_path: Path) -> None:
    run = train(tmp_path, WORDS, attention="concat", attention_positions=6)
    assert run.predict(["abcdea"])[0]["text"] is not None
    with pytest.raises(CallError, match=r"the source has 7 tokens.*has 6 positions, the value of attention_positions"):
        run.predict(["abcdeab"])
    with pytest.raises(SettingError, match=r"attention_positions is 3, and the longest source has 4 tokens; set 4 or"):
        train(tmp_path, WORDS, "short", attention="concat", attention_positions=3)
    with pytest.raises(SettingError, match=r"attention_positions requires attention=concat, and attention is dot"):
        train(tmp_path, WORDS, "dot", attention="dot", attention_positions=6)


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = write_sides(tmp_path, WORDS)
    options = [word for name, value in SMALL.items() for word in ("--set", f"{name}={value}")]
    run = tmp_path / "run"
    assert cli.run(["train", "translate", str(a), "--target", str(b), "--out", str(run), *options]) == 0
    capsys.readouterr()
    assert cli.run(["predict", str(run), str(a), "--set", "return_attention=true", "--set", "beam_size=2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(WORDS) and json.loads(lines[0]).keys() == {"text", "score", "attention"}
    assert cli.run(["evaluate", str(run), str(a), "--set", f"target={b}", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["loss"] > 0
    assert cli.run(["predict", str(run), str(a), "--set", "hidden_size=3"]) == 2
    assert (
        "hidden_size was fixed by the training; settings that can be changed at inference: beam"
        in capsys.readouterr().err
    )


# components -----------------------------------------------------------------------------------------------------------
def store_of(folder: Path, pairs: Sequence[tuple[list[int], list[int]]]) -> Store:
    """A store of encoded pairs."""
    with StoreWriter(folder, {"source": "ragged:int32", "target": "ragged:int32"}) as writer:
        for source, target in pairs:
            writer.append(source=np.array(source, np.int32), target=np.array(target, np.int32))
    return Store(folder)


def test_a_batch_by_hand(tmp_path: Path) -> None:
    """Padding is 0, the end token 2."""
    batch = pair_batch(store_of(tmp_path / "store", [([5, 6, 7], [8]), ([9], [3, 4])]), np.array([1, 0]))
    assert batch.inputs["x"].tolist() == [[9, 0, 0], [5, 6, 7]]
    assert batch.inputs["lengths"].tolist() == [1, 3]
    assert batch.inputs["tokens"].tolist() == [[2, 3, 4], [2, 8, 0]]
    assert batch.inputs["steps"].tolist() == [3, 2]
    assert batch.targets["next"].tolist() == [[3, 4, 2], [8, 2, 0]]
    assert (batch.valid, batch.computed) == (1 + 3 + 3 + 2, 2 * (3 + 1 + 1))


def test_lengths_of_pairs(tmp_path: Path) -> None:
    train = store_of(tmp_path / "train", [([1] * 3, [1] * 7)] * 4)
    valid = store_of(tmp_path / "valid", [([1] * 9, [1] * 20)])
    lengths = PairLengths.of({"train": train, "valid": valid})
    assert lengths == PairLengths(ratio=2.0, max_target_length=7, max_source_length=9)
    assert [lengths.max_answer_length(n) for n in (0, 3, 100)] == [3 + 5, 11 + 5, 2 * 7 + 10]


def test_the_file_of_the_targets(tmp_path: Path) -> None:
    """During training, that of each split; later, that of the settings, but only for the training sources."""
    names = [str(tmp_path / name) for name in ("a.en", "a.de", "b.en", "b.de")]
    en, de, other_en, other_de = names
    files = TargetFiles(de)
    files.begin_training(en, other_en, other_de)
    assert [str(files.target_of(file)) for file in (en, other_en)] == [de, other_de]
    with pytest.raises(DataError, match="with --valid-target FILE"):
        files.target_of(tmp_path / "c.en")
    files.remember(en)
    again = TargetFiles(de)
    again.trained_on = files.trained_on
    assert str(again.target_of(en)) == de
    with pytest.raises(DataError, match="with --set target=FILE"):
        again.target_of(other_en)
    changed = TargetFiles(other_de)
    changed.trained_on = files.trained_on
    assert str(changed.target_of(other_en)) == other_de
    with pytest.raises(DataError, match="with --target FILE"):
        unnamed = TargetFiles(None)
        unnamed.begin_training(en, None, None)
        unnamed.target_of(en)


def prepared(folder: Path, pairs: Sequence[tuple[str, str]], **settings: Any) -> tuple[PairDataset, DatasetInfo, Any]:
    """A prepared dataset of pairs, its information, and the settings of the user."""
    requested = settings_from(as_given(TranslateSettings), settings)
    dataset = Translate.dataset_for(requested)
    folder.mkdir()
    data = write_pairs(folder / "pairs.csv", pairs)
    return dataset, dataset.prepare(data, None, folder / "cache", ignore_progress), requested


def test_defaults_for_spelling_and_for_sentences(tmp_path: Path) -> None:
    dataset, info, requested = prepared(tmp_path / "words", WORDS)
    words = Translate.resolve(requested, dataset, info)
    assert (words.data.source_tokenization, words.data.target_tokenization, words.data.shared_vocabulary) == (
        "characters",
        "characters",
        False,
    )
    model, training = words.model, words.training
    assert (model.cell, model.hidden_size, model.context_injection, model.num_layers) == ("gru", 128, "output", 1)
    assert (training.selection_metric, training.label_smoothing) == (
        "token_error_rate",
        0.0,
    ) and words.data.max_length == 8
    assert info.rows + info.valid_rows == len(WORDS) and info.time_steps == info.stats["lengths"].sum()
    assert model.encoder_hidden_size == 64
    pairs = [(f"the red dog sees number {n}", f"das rote Tier sieht Nummer {n}") for n in range(100)]
    dataset, info, requested = prepared(tmp_path / "sentences", pairs, context_injection="input", dropout=0.0)
    sentences = Translate.resolve(requested, dataset, info)
    assert (sentences.data.source_tokenization, sentences.data.target_tokenization) == ("subwords", "subwords")
    assert sentences.data.shared_vocabulary and dataset.source.vocabulary is dataset.target.vocabulary
    assert (sentences.model.cell, sentences.model.context_injection, sentences.model.num_layers) == ("lstm", "input", 1)
    assert (sentences.training.selection_metric, sentences.training.label_smoothing) == ("bleu", 0.1)
    assert sentences.model.dropout == 0.0 and sentences.model.encoder_hidden_size == 192


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, 6),
        ({"bidirectional": False}, 12),
        ({"hidden_size": 5}, 2),
        ({"encoder_hidden_size": 9}, 9),
        ({"encoder_hidden_size": 7, "bidirectional": False}, 7),
    ],
)
def test_the_hidden_size_of_the_encoder(tmp_path: Path, settings: dict[str, Any], expected: int) -> None:
    """By default half of that of the decoder for each of two directions. The run folder records it, and a run opens with it."""
    run = train(tmp_path, WORDS, **(settings | {"steps": 1}))
    assert run.config["model"]["encoder_hidden_size"] == expected
    assert recurra.load(run.path).network.encoder.recurrent.hidden_size == expected
    assert run.network.decoder.lower.hidden_size == settings.get("hidden_size", 12)


def test_too_long_pairs_are_left_out_of_training(tmp_path: Path) -> None:
    pairs = [*WORDS, ("a" * 9, "b"), ("b", "a" * 9)]
    dataset, info, requested = prepared(tmp_path / "pairs", pairs, max_length=5, validation_fraction=0.1)
    task = Translate(Translate.resolve(requested, dataset, info), dataset, cells.get("lstm"))
    train = dataset.stores["train"]
    long = np.flatnonzero(np.maximum(train.lengths("source"), train.lengths("target")) > 5)
    assert len(long) and any("are not used for training (max_length)" in line for line in info.messages)
    trained = np.concatenate(task.sampler().epoch(0))
    assert sorted(trained.tolist()) == sorted(set(range(len(train))) - set(long.tolist()))
    steps = train.lengths("source") + train.lengths("target") + 1
    keys = task.sampler().epoch(0)
    assert task.sampler().time_steps(keys).tolist() == [len(rows) * steps[rows].max() for rows in keys]


# invalid input ------------------------------------------------------------------------------------------------------------
def rejected(folder: Path, start: Callable[[], Any], *parts: str) -> None:
    """Training stops with one or two lines that contain all `parts` of a message, and leaves no files behind."""
    before = sorted(folder.rglob("*"))
    with pytest.raises(UserError) as raised:
        start()
    for part in parts:
        assert part in str(raised.value)
    assert len(str(raised.value).splitlines()) <= 2
    assert sorted(folder.rglob("*")) == before


def test_parallel_files_of_different_length(tmp_path: Path) -> None:
    a, b = write_sides(tmp_path, WORDS)
    b.write_text("".join(b.read_text().splitlines(keepends=True)[:150]))
    start = lambda **options: recurra.train("translate", a, target=str(b), out=tmp_path / "run", **SMALL, **options)  # noqa: E731
    rejected(tmp_path, start, "train.b: there is no line 151", "150 lines", "train.a has more")
    rejected(tmp_path, lambda: start(on_error="skip"), "there is no line 151")
    a.write_text("".join(a.read_text().splitlines(keepends=True)[:100]))
    rejected(tmp_path, start, "train.a: there is no line 101", "100 lines", "train.b has more")


def test_one_side_without_the_other(tmp_path: Path) -> None:
    a, b = write_sides(tmp_path, WORDS)
    out = {"out": tmp_path / "run", **SMALL}
    rejected(
        tmp_path, lambda: recurra.train("translate", a, **out), "train.a: contains only the sources", "--target FILE"
    )
    rejected(
        tmp_path, lambda: recurra.train("translate", a, target=str(tmp_path / "no"), **out), "no: there is no such file"
    )
    va, _ = write_sides(tmp_path, WORDS[:9], "valid")
    rejected(
        tmp_path,
        lambda: recurra.train("translate", a, target=str(b), valid=va, **out),
        "valid.a",
        "--valid-target FILE",
    )


def test_an_empty_source_or_target_raises_or_is_skipped(tmp_path: Path) -> None:
    pairs = [*WORDS[:30], ("abc", ""), *WORDS[30:], ("", "x")]
    a, b = write_sides(tmp_path, pairs)
    start = lambda **options: recurra.train("translate", a, target=str(b), out=tmp_path / "run", **SMALL, **options)  # noqa: E731
    rejected(
        tmp_path,
        start,
        f"{b}, row 31, field 'target': is empty (line 31)",
        "1 more row cannot be used (row 202)",
        "on_error=skip",
    )
    assert start(on_error="skip").config["resolved"]["dataset"]["rows"] < 200


def test_rows_of_unequal_columns(tmp_path: Path) -> None:
    data = write_pairs(tmp_path / "a.tsv", WORDS)
    data.write_text(data.read_text() + "alone\n")
    rejected(
        tmp_path,
        lambda: recurra.train("translate", data, out=tmp_path / "run", **SMALL),
        "row 201",
        "1 cell, but the header",
    )


def test_columns_that_cannot_be_determined(tmp_path: Path) -> None:
    data = write_pairs(tmp_path / "a.csv", [(*pair, "x") for pair in WORDS], ("one", "two", "three"))
    out = {"out": tmp_path / "run", **SMALL}
    rejected(
        tmp_path,
        lambda: recurra.train("translate", data, **out),
        "cannot determine the column of the source",
        "one, two, three",
    )
    rejected(
        tmp_path,
        lambda: recurra.train("translate", data, source="one", **out),
        "cannot determine the column of the target",
    )
    rejected(
        tmp_path,
        lambda: recurra.train("translate", data, source="one", target="one", **out),
        "is used twice, as source and target",
    )
    rejected(
        tmp_path,
        lambda: recurra.train("translate", data, source="one,four", target="two", **out),
        "unknown column 'four'",
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_layers": 1, "context_injection": "between"}, "num_layers is 1"),
        ({"attention": "adittive"}, "model.attention = 'adittive'"),
        (
            {"shared_vocabulary": True, "source_tokenization": "words", "target_tokenization": "characters"},
            "set one tokenization for both",
        ),
        ({"replace_unk": True, "attention": "none"}, "attention is none"),
        ({"max_length": 1, "tokenization": "words", "min_count": 1, "source": "none"}, "unknown column 'none'"),
        ({"teacher_forcing_ratio": 1.5}, "training.teacher_forcing_ratio"),
    ],
)
def test_invalid_settings(tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    data = write_pairs(tmp_path / "a.csv", WORDS)
    rejected(tmp_path, lambda: recurra.train("translate", data, out=tmp_path / "run", **(SMALL | settings)), message)
