"""The components of a tagger: dataset, examples, scores, network, metrics, JSON and defaults."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import pytest
import torch

from recurra import cells
from recurra.data.words.tag_schemes import allowed_transitions
from recurra.errors import CallError, DataError
from recurra.fields.tags import Tags
from recurra.fields.token_features import TokenFeature
from recurra.fields.words import Words
from recurra.nn.crf import TransitionScores
from recurra.settings import as_given, settings_from
from recurra.tasks.base import DatasetInfo, ignore_progress
from recurra.tasks.tag.dataset import TagDataset
from recurra.tasks.tag.defaults import tag_defaults
from recurra.tasks.tag.metrics import path_metrics
from recurra.tasks.tag.model import FeatureEmbedding, Tagger, TaggerEnsemble, Transitions, member_scores
from recurra.tasks.tag.output import sentence_label_to_json, tags_to_json
from recurra.tasks.tag.scores import Scores, best_tags, max_batch_size, mean_scores, sequence_losses
from recurra.tasks.tag.settings import TagSettings
from recurra.tasks.tag.task import Tag
from recurra.tasks.tag.token_sequence import TokenSequence, parse_example

ROWS: list[dict[str, Any]] = [
    {"tokens": ["Ada", "saw", "Oslo"], "tags": ["B-PER", "O", "B-LOC"], "intent": "look", "pos": ["N", "V", "N"]},
    {"tokens": ["Grace", "left"], "tags": ["B-PER", "O"], "intent": "travel", "pos": ["N", "V"]},
    {"tokens": ["Oslo"], "tags": ["B-LOC"], "intent": "look", "pos": ["N"]},
]


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def dataset(folder: Path, valid: list[dict[str, Any]] | None = None, **settings: Any) -> tuple[TagDataset, DatasetInfo]:
    data = write(folder / "a.jsonl", ROWS * 4)
    given = None if valid is None else write(folder / "v.jsonl", valid)
    made = TagDataset(settings_from(as_given(TagSettings), {"character_ngrams": False, "min_count": 1} | settings))
    return made, made.prepare(data, given, folder / "cache", ignore_progress)


# dataset --------------------------------------------------------------------------------------------------------------
def test_a_batch_has_words_features_tags_and_sentence_labels(tmp_path: Path) -> None:
    made, info = dataset(tmp_path, valid=ROWS, token_features="pos")
    assert (info.rows, info.valid_rows, info.time_steps) == (12, 3, 24)
    assert made.sentence_label is not None
    assert (made.words.words, made.tags.tags) == (
        ["oslo", "ada", "grace", "left", "saw"],
        ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"],
    )
    batch = made.collate(made.stores["train"], [0, 1])  # type: ignore[arg-type]
    assert batch.inputs["x"].tolist() == [[3, 6, 2], [4, 5, 0]] and batch.inputs["lengths"].tolist() == [3, 2]
    assert batch.inputs["token_feature1"].tolist() == [[2, 3, 2], [2, 3, 0]]
    assert batch.targets["tags"].tolist() == [[3, 0, 1], [3, 0, 0]] and batch.targets["sentence_label"].tolist() == [
        0,
        1,
    ]
    assert (batch.valid, batch.computed) == (5, 6)
    x, lengths, features = made.network_inputs(batch)
    assert (
        x is batch.inputs["x"] and lengths is batch.inputs["lengths"] and features == [batch.inputs["token_feature1"]]
    )


def test_settings_that_prepare_resolves(tmp_path: Path) -> None:
    made, info = dataset(tmp_path)
    assert made.resolved == {
        "scheme": "bio",
        "tokenization": "words",
        "character_ngrams": False,
        "keep_digits": False,
        "sentence_label": "intent",
    }
    assert info.messages[0] == "jsonl: words tokens, tags tags, sentence label intent"
    without, info = dataset(tmp_path, sentence_label="none")
    assert without.resolved["sentence_label"] == "none" and without.sentence_label is None
    assert info.messages[0] == "jsonl: words tokens, tags tags"
    settings = Tag.resolve(made.settings, made, info)
    assert (settings.data.scheme, settings.model.crf, settings.model.cell) == ("bio", True, "lstm")
    assert (
        Tag.dataset_for(settings).sentence_label is not None
    )  # with resolved settings the sentence label is known before the data is read


def test_another_file_has_separate_counts(tmp_path: Path) -> None:
    made, _ = dataset(tmp_path, valid=[{"tokens": ["x"], "tags": ["B-GOD"], "intent": "dance"}])
    assert made.validation_examples()[1:] == ({"B-GOD": 1}, {"dance": 1})
    other = write(tmp_path / "o.jsonl", [{"tokens": ["x", "y"], "tags": ["Z", "B-LOC"], "intent": "sing"}])
    with made.encoded(other) as rows:
        assert rows.store.flat("tags").tolist() == [5, 1] and rows.store.column("sentence_label")[0] == -1
        assert (rows.unseen_tags, rows.unseen_sentence_labels) == ({"Z": 1}, {"sing": 1})
    assert made.validation_examples()[1:] == ({"B-GOD": 1}, {"dance": 1})


def test_all_fields_have_an_entry_for_each_word(tmp_path: Path) -> None:
    rows = [*ROWS, {"tokens": ["a", "b"], "tags": ["O", "O"], "intent": "look", "pos": ["N"]}]
    data = write(tmp_path / "a.jsonl", rows)
    made = TagDataset(settings_from(as_given(TagSettings), {"token_features": "pos"}))
    with pytest.raises(DataError, match="row 4, field 'pos': has 1 entry for 2 words"):
        made.prepare(data, None, tmp_path / "cache", ignore_progress)


def test_a_saved_dataset_can_be_loaded(tmp_path: Path) -> None:
    made, info = dataset(tmp_path, token_features="pos")
    (tmp_path / "vocabulary").mkdir()
    made.save(tmp_path / "vocabulary")
    again = Tag.dataset_for(Tag.resolve(made.settings, made, info))
    again.load(tmp_path / "vocabulary")
    row = again.parse_example({"tokens": ["Ada", "went"], "pos": ["N", "V"]})
    assert [[array.tolist() for array in column] for column in again.encode_sequences([row])] == [[[3, 1]], [[2, 3]]]
    assert again.rows.columns == made.rows.columns


def test_keys_of_examples(tmp_path: Path) -> None:
    made, _ = dataset(tmp_path)
    for example in ({"tokens": ["a"]}, {"words": ["a"]}, ["a"]):
        assert made.parse_example(example) == TokenSequence(["a"], None, None, [])
    assert made.parse_example({"text": "a b"}) == TokenSequence(["a", "b"], [(0, 1), (2, 3)], "a b", [])
    with pytest.raises(CallError, match="an input object requires the key 'tokens' or 'words'; this one has 'x'"):
        made.parse_example({"x": 1})


# rows -----------------------------------------------------------------------------------------------------------------
def test_invalid_examples() -> None:
    words = Words("words", None, tokenization="words", size=10, min_count=1, character_ngrams=False, lookahead=True)
    pos = TokenFeature("token_feature1", "pos")
    assert parse_example("Ada saw", (), words, (), 1) == TokenSequence(["Ada", "saw"], [(0, 3), (4, 7)], "Ada saw", [])
    assert parse_example(["a", 1], (["N", "V"],), words, (pos,), 1) == TokenSequence(
        ["a", "1"], None, None, [["N", "V"]]
    )
    for value, features, problem in (
        ("text", (["N"],), "example 7: words are raw text, but this run requires the token features pos; pass lists"),
        (3, (["N"],), "example 7: words is 3; expected text or a list of tokens"),
        (["a", ""], (["N", "N"],), "example 7: words has '' as token 2; expected text"),
        (["a"], (None,), "example 7: this run requires the token features pos; pass an object that contains them"),
        (["a"], (["N", "N"],), "example 7: pos has 2 entries for 1 words"),
    ):
        with pytest.raises(CallError) as raised:
            parse_example(value, features, words, (pos,), 7)
        assert str(raised.value) == problem


# scores ---------------------------------------------------------------------------------------------------------------
def random_transitions(K: int, seed: int = 0) -> TransitionScores:
    generator = torch.Generator().manual_seed(seed)
    return TransitionScores(*(torch.randn(shape, generator=generator) for shape in ((K, K), (K,), (K,))))


def test_the_loss_is_the_negative_log_likelihood_of_the_path() -> None:
    K, T = 3, 4
    emissions, transitions = torch.randn(1, T, K, generator=torch.Generator().manual_seed(1)), random_transitions(K)

    def score(path: tuple[int, ...]) -> float:
        total = transitions.start[path[0]] + transitions.end[path[-1]]
        total += sum(emissions[0, t, k] for t, k in enumerate(path))
        return float(total + sum(transitions.between[a, b] for a, b in pairwise(path)))

    scored = {path: score(path) for path in product(range(K), repeat=T)}
    scores, path = Scores(emissions, transitions, None), (2, 0, 1, 1)
    losses = sequence_losses(scores, torch.tensor([path]), torch.tensor([T]), None)
    total = torch.tensor(list(scored.values()), dtype=torch.float64).logsumexp(0)
    assert float(losses) == pytest.approx(float(total) - scored[path], abs=1e-5)
    assert tuple(best_tags(scores)[0].tolist()) == max(scored, key=lambda path: scored[path])


def test_padding_and_unknown_sentence_labels_do_not_change_the_loss() -> None:
    emissions = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(2))
    intent = torch.tensor([[0.0, 1.0], [2.0, 0.0]])
    tags, lengths = torch.tensor([[1, 2, 3], [0, 3, 3]]), torch.tensor([3, 1])
    found = sequence_losses(Scores(emissions, None, intent), tags, lengths, torch.tensor([1, -1]))
    log = emissions.log_softmax(-1)
    first = -(log[0, 0, 1] + log[0, 1, 2] + log[0, 2, 3]) - intent[0].log_softmax(0)[1]
    torch.testing.assert_close(found, torch.stack([first, -log[1, 0, 0]]))
    assert best_tags(Scores(emissions, None, None)).equal(emissions.argmax(-1))


def test_the_mean_of_scores() -> None:
    one, other = (
        Scores(torch.full((1, 1, 2), value), random_transitions(2, seed), torch.tensor([[value, 0.0]]))
        for seed, value in ((0, 1.0), (1, 3.0))
    )
    mean = mean_scores([one, other])
    assert (
        mean.emissions.tolist() == [[[2.0, 2.0]]] and mean.transitions is not None and mean.sentence_label is not None
    )
    assert (
        one.transitions is not None
        and other.transitions is not None
        and one.sentence_label is not None
        and other.sentence_label is not None
    )
    torch.testing.assert_close(mean.transitions.between, (one.transitions.between + other.transitions.between) / 2)
    torch.testing.assert_close(
        mean.sentence_label, (one.sentence_label.log_softmax(1) + other.sentence_label.log_softmax(1)) / 2
    )
    plain = mean_scores([Scores(one.emissions, None, None)])
    assert plain.transitions is None and plain.sentence_label is None


def test_batches_are_smaller_with_many_tags() -> None:
    assert [max_batch_size(tags) for tags in (2, 362, 1000, 10_000)] == [256, 256, 33, 1]


# network --------------------------------------------------------------------------------------------------------------
def test_embeddings_of_features_follow_those_of_words() -> None:
    words = torch.nn.Embedding(5, 2)
    front = FeatureEmbedding(words, [4, 3], 3)
    x, one, other = torch.tensor([[1, 2]]), torch.tensor([[3, 0]]), torch.tensor([[1, 1]])
    found = front(x, [one, other])
    assert found.shape == (1, 2, 8)
    torch.testing.assert_close(found[..., :2], words(x))
    torch.testing.assert_close(found[0, 0, 2:5], front.features[0].weight[3])  # type: ignore[union-attr,index]
    assert found[0, 1, 2:5].tolist() == [0.0, 0.0, 0.0]  # padding
    assert FeatureEmbedding(words, [], 3)(x, []).equal(words(x))


def test_forbidden_transitions_are_impossible() -> None:
    tags = ["O", "B-X", "I-X"]
    between, first, last = Transitions(allowed_transitions(tags, "bio"))()
    assert first.tolist() == [0.0, 0.0, -torch.inf] and last.tolist() == [0.0, 0.0, 0.0]
    assert between.tolist() == [[0.0, 0.0, -torch.inf], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]


def tagger(sentence_labels: int = 2) -> Tagger:
    front = FeatureEmbedding(torch.nn.Embedding(9, 4), [3], 2)
    sizes: dict[str, Any] = {"hidden_size": 5, "num_layers": 2, "bidirectional": False, "pooling": "mean_max"}
    regularization: dict[str, Any] = {"dropout": 0.1, "input_dropout": 0.1, "backend": "auto"}
    cell = cells.get("gru")
    return Tagger(front, 6, cell, tags=3, transitions=None, sentence_labels=sentence_labels, **sizes, **regularization)


@pytest.mark.parametrize("ensemble_size", [1, 2])
def test_chunks_have_the_scores_of_the_complete_sequence(ensemble_size: int) -> None:
    torch.manual_seed(0)
    networks = [tagger() for _ in range(ensemble_size)]
    network = (networks[0] if ensemble_size == 1 else TaggerEnsemble(networks)).eval()
    x, feature = torch.randint(0, 9, (2, 6)), torch.randint(0, 3, (2, 6))
    whole, states, emissions = network(x, None, [feature]), None, []
    for begin, end in ((0, 1), (1, 4), (4, 6)):
        scores, states = network.push(x[:, begin:end], None, [feature[:, begin:end]], states)
        emissions.append(scores.emissions)
    torch.testing.assert_close(torch.cat(emissions, 1), whole.emissions)
    torch.testing.assert_close(scores.sentence_label, whole.sentence_label)
    assert states is not None and len(states) == ensemble_size


def test_members_have_separate_scores_in_training() -> None:
    torch.manual_seed(0)
    ensemble = TaggerEnsemble([tagger(0), tagger(0)])
    x, lengths, features = torch.tensor([[1, 2]]), torch.tensor([2]), [torch.tensor([[1, 2]])]
    assert len(member_scores(ensemble.train(), x, lengths, features)) == 2
    (mean,) = member_scores(ensemble.eval(), x, lengths, features)
    alone = [member(x, lengths, features).emissions for member in ensemble.members]
    torch.testing.assert_close(mean.emissions, (alone[0] + alone[1]) / 2)
    assert len(member_scores(tagger(0).train(), x, lengths, features)) == 1


# metrics and JSON -----------------------------------------------------------------------------------------------------
def test_metrics_of_paths() -> None:
    tags = Tags("tags", None, "bio")
    tags.fit([["B-X", "I-X", "O"]])
    metrics = path_metrics(tags, [[1, 2, 0], [3]], [[1, 2, 1], [0]], Counter({"B-GOD": 1}))
    assert metrics["accuracy"] == 2 / 4
    assert (metrics["precision"], metrics["recall"]) == (1 / 2, 1 / 2)
    assert metrics["by_type"]["GOD"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "count": 1}
    plain = Tags("tags", None, "plain")
    plain.fit([["a", "b"]])
    assert path_metrics(plain, [[0, 1]], [[0, 0]], Counter())["by_tag"]["a"]["precision"] == 1 / 2


def test_spans_as_json() -> None:
    text = "Ada  Lovelace left"
    row = TokenSequence(["Ada", "Lovelace", "left"], [(0, 3), (5, 13), (14, 18)], text, [])
    assert tags_to_json(row, ["B-PER", "I-PER", "O"], "bio", "words") == {
        "tokens": row.tokens,
        "tags": ["B-PER", "I-PER", "O"],
        "offsets": [[0, 3], [5, 13], [14, 18]],
        "spans": [{"type": "PER", "begin": 0, "end": 2, "text": "Ada  Lovelace", "characters": [0, 13]}],
    }
    characters = TokenSequence(["北", "京", "好"], None, None, [])
    assert tags_to_json(characters, ["B", "E", "S"], "bmes", "characters")["spans"] == [
        {"type": "", "begin": 0, "end": 2, "text": "北京"},
        {"type": "", "begin": 2, "end": 3, "text": "好"},
    ]
    assert tags_to_json(characters, ["a", "b", "c"], "plain", "characters").keys() == {"tokens", "tags"}


def test_sentence_labels_as_json() -> None:
    classes = ["look", "travel"]
    assert sentence_label_to_json(torch.tensor([0.25, 0.75]), classes) == {
        "sentence_label": "travel",
        "sentence_label_probability": 0.75,
    }
    assert sentence_label_to_json(None, classes) == {"sentence_label": None, "sentence_label_probability": None}


# defaults -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("rows", "steps", "batch", "epochs", "ensemble_size"),
    [(100, 1_000, 16, 60.0, 4), (2_000, 100_000, 32, 60.0, 2), (10_000, 2_000_000, 32, 20.0, 1)],
)
def test_defaults_depend_on_the_size_of_the_data(
    rows: int, steps: int, batch: int, epochs: float, ensemble_size: int
) -> None:
    defaults = tag_defaults(DatasetInfo(rows=rows, time_steps=steps), "bio")
    assert (defaults["training"]["batch_size"], defaults["training"]["epochs"]) == (batch, epochs)
    assert defaults["model"]["ensemble_size"] == ensemble_size and defaults["model"]["crf"]
    assert not tag_defaults(DatasetInfo(rows=rows, time_steps=steps), "plain")["model"]["crf"]
