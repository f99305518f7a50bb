"""The task tag: input files, training, invariants, predictions, and error messages."""

from __future__ import annotations

import gzip
import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from seqeval.metrics import f1_score

import recurra
from recurra.data.sources.tagged import open_tagged
from recurra.data.words.tag_schemes import spans
from recurra.errors import CallError, DataError, SettingError
from recurra.fields.tags import Tags
from recurra.fields.words import Words
from recurra.run import Run
from recurra.settings import as_given, settings_from
from recurra.tasks.base import Selection, ignore_progress
from recurra.tasks.tag.scores import mean_scores, sequence_losses
from recurra.tasks.tag.task import Tag

SMALL: dict[str, Any] = {"hidden_size": 8, "embedding_size": 8, "steps": 6, "ensemble_size": 1}
WORDS: dict[str, Any] = {
    "tokenization": None,
    "size": 1000,
    "min_count": None,
    "character_ngrams": True,
    "lookahead": True,
}
FIRST, LAST, PLACES = ("Ada", "Grace", "Alan"), ("Lovelace", "Hopper", "Turing"), ("Paris", "New York", "Oslo")
CHINESE = ("王", "李", "张"), ("伟", "芳", "小明"), ("在北京", "去上海", "看书")
CLOSE = (
    64 * torch.finfo(torch.float32).eps * 10 + 1e-6
)  # values below 10 after a few dozen roundings; 6 positions in JSON


def sentence(n: int) -> tuple[list[str], list[str], str]:
    """Words, BIO tags and the topic of a sentence, determined by n."""
    draw = random.Random(n)
    words, tags = [], []
    for text, kind in (
        (f"{draw.choice(FIRST)} {draw.choice(LAST)}" if draw.random() < 0.7 else draw.choice(FIRST), "PER"),
        (draw.choice(("went to", "saw", "left")), ""),
        (draw.choice(PLACES), "LOC"),
        (f"in {1900 + n}", ""),
    ):
        parts = text.split()
        words += parts
        tags += [f"{'I' if at else 'B'}-{kind}" if kind else "O" for at in range(len(parts))]
    return words, tags, "travel" if "went" in words or "left" in words else "look"


def conll(path: Path, rows: int = 40, separator: str = "\t", middle: bool = False) -> Path:
    text = ""
    for n in range(rows):
        for word, tag in zip(*sentence(n)[:2], strict=True):
            text += separator.join([word, *(["NUM" if word.isdigit() else "X"] if middle else []), tag]) + "\n"
        text += "\n"
    data = text.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def jsonl(path: Path, rows: int = 40, **names: str) -> Path:
    lines = []
    for n in range(rows):
        words, tags, about = sentence(n)
        lines.append(json.dumps({"tokens": words, "tags": tags, "intent": about, "number": n}))
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def parallel_files(folder: Path, rows: int = 40) -> Path:
    folder.mkdir()
    every = [sentence(n) for n in range(rows)]
    (folder / "seq.in").write_text("".join(" ".join(words) + "  \n" for words, _, _ in every))
    (folder / "seq.out").write_text("".join(" ".join(tags) + "\n" for _, tags, _ in every))
    (folder / "label").write_text("".join(f"{about}\n" for _, _, about in every))
    return folder


def characters(path: Path, rows: int = 40, positions: bool = False) -> Path:
    """Write Chinese names in BMES, one character per line."""
    text = ""
    for n in range(rows):
        draw = random.Random(n)
        name = draw.choice(CHINESE[0]) + draw.choice(CHINESE[1])
        rest = draw.choice(CHINESE[2]) + str(n % 10)
        tags = ["B-名", *["M-名"] * (len(name) - 2), "E-名", *["O"] * len(rest)]
        for at, (character, tag) in enumerate(zip(name + rest, tags, strict=True)):
            text += f"{character}{at if positions else ''} {tag}\n"
        text += "\n"
    path.write_text(text, encoding="utf-8")
    return path


def tagger(data: Path, name: str = "run", **settings: Any) -> Run:
    return recurra.train("tag", data, out=data.parent / name, **(SMALL | settings))


def messages(data: Path, **settings: Any) -> list[str]:
    """The messages of training about the data."""
    dataset = Tag.dataset_for(settings_from(as_given(Tag.settings_class), SMALL | settings))
    return dataset.prepare(data, None, data.parent / "again", ignore_progress).messages


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Run]:
    """Runs of this file, each trained once."""
    kept: dict[Any, Run] = {}

    def make(kind: str, **settings: Any) -> Run:
        key = (kind, *sorted(settings.items()))
        if key not in kept:
            folder = tmp_path_factory.mktemp("tag")
            data = {"conll": conll, "jsonl": jsonl, "characters": characters}[kind](folder / f"data.{kind}")
            kept[key] = tagger(data, **settings)
        return kept[key]

    return make


# input files ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("separator", [" ", "\t"])
@pytest.mark.parametrize("name", ["a.conll", "a.txt", "a.tsv", "a.bio.gz"])
def test_files_of_columns_are_recognized_by_content(tmp_path: Path, separator: str, name: str) -> None:
    source = open_tagged(conll(tmp_path / name, 5, separator))
    rows = list(source.rows())
    assert source.format == "columns" and source.columns == ["1", "2"]
    assert [row.values["1"] for row in rows] == [sentence(n)[0] for n in range(5)]
    assert [row.values["2"] for row in rows] == [sentence(n)[1] for n in range(5)]
    assert [row.line for row in rows][:2] == [1, len(sentence(0)[0]) + 2]


def test_conllu_without_comments_multiword_tokens_and_empty_nodes(tmp_path: Path) -> None:
    token = "{}\t{}\t_\t{}\t_\t_\t0\t_\t_\t_"
    lines = [
        "# text = Vámonos # al mar",
        "1-2\tVámonos" + "\t_" * 8,
        token.format(1, "Vamos", "VERB"),
        token.format(2, "nos", "PRON"),
        token.format("2.1", "hidden", "X"),
        token.format(3, "#", "SYM"),
        "",
        token.format(1, "Sí", "INTJ"),
        "",
    ]
    (tmp_path / "a.conllu").write_text("\r\n".join(lines), encoding="utf-8")
    source = open_tagged(tmp_path / "a.conllu")
    assert source.format == "conllu"
    assert [row.values["form"] for row in source.rows()] == [["Vamos", "nos", "#"], ["Sí"]]
    assert [row.values["upos"] for row in source.rows()] == [["VERB", "PRON", "SYM"], ["INTJ"]]


def test_parallel_files(tmp_path: Path) -> None:
    folder = parallel_files(tmp_path / "set", 4)
    (folder / "seq.out").rename(folder / "plain")
    (folder / "seq.out.gz").write_bytes(gzip.compress((folder / "plain").read_bytes()))
    rows = list(open_tagged(folder).rows())
    assert [(row.values["words"], row.values["tags"], row.values["label"]) for row in rows] == [
        sentence(n) for n in range(4)
    ]


def test_positions_of_characters_and_document_headers_are_removed(tmp_path: Path) -> None:
    path = characters(tmp_path / "a.txt", 9, positions=True)
    path.write_text("-DOCSTART- -X-\n\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
    plain = characters(tmp_path / "b.txt", 9)
    actual, expected = (list(open_tagged(file).rows()) for file in (path, plain))
    assert [row.values for row in actual] == [row.values for row in expected]
    assert [row.number for row in actual] == list(range(1, 10))


@pytest.mark.parametrize(
    ("tags", "says"),
    [
        ("B-X I-X O", "scheme bio, 1 span type"),
        ("B-X E-X S-Y", "scheme bioes, 2 span types"),
        ("B M E", "scheme bmes, 1 span type"),
        ("1 0 0", "the tags encode no spans"),
    ],
)
def test_the_scheme_is_reported(tmp_path: Path, tags: str, says: str) -> None:
    lines = [json.dumps({"tokens": ["a", "b", str(n)], "tags": tags.split()}) for n in range(20)]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    run = tagger(tmp_path / "a.jsonl")
    plain = "no" in says.split()
    assert any(says in line for line in run.task.dataset.tags.describe())
    assert run.task.selection == Selection("accuracy" if plain else "f1", higher_is_better=True)
    assert run.settings.model.crf is not plain


def test_tags_0_and_1_as_numbers_and_as_text(tmp_path: Path) -> None:
    """The tags are 1 for words in names and 0 for others."""
    rows = [sentence(n) for n in range(30)]
    names = [[int(tag.endswith("PER")) for tag in tags] for _, tags, _ in rows]
    (tmp_path / "a.jsonl").write_text(
        "\n".join(json.dumps({"words": words, "labels": one}) for (words, _, _), one in zip(rows, names, strict=True))
    )
    (tmp_path / "b.csv").write_text(
        "sentence,labels\n"
        + "".join(f"{' '.join(r[0])},{' '.join(map(str, one))}\n" for r, one in zip(rows, names, strict=True))
    )
    one, other = (tagger(tmp_path / name, name[0], steps=40, learning_rate=0.02) for name in ("a.jsonl", "b.csv"))
    assert one.task.dataset.tags.tags == ["0", "1"]
    text = ["Ada Hopper saw Oslo"]
    assert one.predict(text) == other.predict(text)
    assert one.predict(text)[0]["tags"] == ["1", "1", "0", "0"]


def test_a_column_can_be_set_by_name_and_by_number(tmp_path: Path) -> None:
    data = conll(tmp_path / "a.conll", middle=True)
    assert tagger(data, "last").task.dataset.tags.scheme == "bio"
    assert tagger(data, "middle", tags="2").task.dataset.tags.tags == ["NUM", "X"]
    with pytest.raises(DataError, match=r"unknown column '4'; expected one of 1, 2, 3"):
        tagger(data, tags="4")
    with pytest.raises(DataError, match=r"unknown column 'pos'; expected one of 1, 2, 3"):
        tagger(data, token_features="pos")


def test_a_column_has_only_one_use(tmp_path: Path) -> None:
    """Of the remaining columns, the first has the words and the last the tags; neither is used as the sentence label."""
    data = conll(tmp_path / "a.conll", middle=True)
    assert messages(data, words="3")[0] == "columns: words 3, tags 2"
    assert messages(data, tags="1")[0] == "columns: words 2, tags 1"
    assert messages(data, token_features="3")[0] == "columns: words 1, tags 2, token features 3"
    check_error(data, "a.conll: no column is left for the tags; name it with --tags", token_features="2,3")
    lists = tmp_path / "lists.jsonl"
    lists.write_text("\n".join(json.dumps({"a": [f"x{n}", "y"], "b": ["O", str(n % 3)]}) for n in range(9)))
    assert messages(lists, tags="2")[0] == "jsonl: words a, tags b"
    single = tmp_path / "single.csv"
    single.write_text("tokens,label\n" + "".join(f"w{n},{'NOUN' if n % 2 else 'VERB'}\n" for n in range(20)))
    assert messages(single)[0] == "csv: words tokens, tags label"


def test_token_features_are_inputs(tmp_path: Path) -> None:
    """A feature that equals the tag is learnt, and prediction requires it."""
    draw = random.Random(0)
    lines = []
    for n in range(60):
        tags = [draw.choice("01") for _ in range(5)]
        lines.append(json.dumps({"tokens": [f"w{n}", "a", "b", "c", "d"], "tags": tags, "hint": tags}))
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    run = tagger(
        tmp_path / "a.jsonl", token_features="hint", steps=80, learning_rate=0.03, dropout=0.0, input_dropout=0.0
    )
    assert run.metrics["valid/accuracy"] == 1.0
    tags = ["1", "0", "0", "1", "1"]
    assert run.predict([{"tokens": list("vwxyz"), "hint": tags}])[0]["tags"] == tags
    for wrong, why in (
        ("a b c", "this run requires the token features hint"),
        ({"tokens": ["a"]}, "pass an object that contains them"),
        ({"tokens": ["a"], "hint": ["1", "0"]}, "hint has 2 entries for 1 words"),
    ):
        with pytest.raises(CallError, match=why):
            run.predict([wrong])


def test_sentence_labels_are_learnt(made: Callable[..., Run], tmp_path: Path) -> None:
    run = made("jsonl", steps=80, learning_rate=0.03, dropout=0.0, input_dropout=0.0)
    assert run.metrics["valid/sentence_label_accuracy"] == 1.0
    found = run.predict(["Ada went to Oslo", "Ada saw Oslo", ""])
    assert [one["sentence_label"] for one in found] == ["travel", "look", None]
    without = tagger(parallel_files(tmp_path / "set"), sentence_label="none")
    assert (
        "intent" not in without.predict(["Ada saw Oslo"])[0] and "valid/sentence_label_accuracy" not in without.metrics
    )


def test_messages_report_the_columns(tmp_path: Path) -> None:
    lines = messages(parallel_files(tmp_path / "set"))
    assert lines[0] == "parallel: words words, tags tags, sentence label label"
    assert any(line.startswith("sentence label: 2 classes") for line in lines)
    lines = messages(characters(tmp_path / "c.txt", positions=True))
    assert "each character is followed by its position in a word; the positions are removed" in lines


REAL = {  # file: sentences, tokens and spans according to the notes of the datasets
    "ner_weibo/weiboNER_2nd_conll.dev": (270, 14_509, 389),
    "ner_resume/dev.char.bmes": (463, 13_890, 1_497),
    "ner_wnut17/emerging.dev.conll": (1_009, 15_733, 836),
    "ud_chinese_gsd/zh-ud-dev.conllu": (500, 12_663, 0),
    "ud_english_ewt/en_ewt-ud-dev.conllu.gz": (2_001, 25_147, 0),
    "nlu_atis/valid": (500, None, None),
    "nlu_snips/valid": (700, None, None),
}


@pytest.mark.skipif("RECURRA_DATA" not in os.environ, reason="RECURRA_DATA names no folder of public data sets")
@pytest.mark.parametrize("name", REAL)
def test_real_data_is_read_completely(name: str) -> None:
    source = open_tagged(Path(os.environ["RECURRA_DATA"]) / name)
    words, tags = Words("words", None, **WORDS), Tags("tags", None, None)
    columns = words.find(source, ()), tags.find(source, (words.find(source, ()),))
    rows = [[row.values[column] for column in columns] for row in source.rows()]
    tags.fit(row[1] for row in rows)
    words.fit(row[0] for row in rows)
    assert all(len(row[0]) == len(row[1]) for row in rows)
    sentences, tokens, found = REAL[name]
    assert len(rows) == sentences
    if tokens is not None:
        assert sum(len(row[0]) for row in rows) == tokens
        assert sum(len(spans(row[1], tags.scheme)) for row in rows) == found
    assert words.tokenization == ("characters" if name.startswith(("ner_weibo", "ner_resume")) else "words")
    if "weibo" in name:  # 声0 音1 -> 声 音
        assert all(len(token) <= 2 and not (len(token) == 2 and token[1].isdigit()) for row in rows for token in row[0])


# training -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "settings", [{}, {"crf": False}, {"bidirectional": False}, {"ensemble_size": 2}, {"character_ngrams": False}]
)
def test_names_are_learnt(made: Callable[..., Run], settings: dict[str, Any]) -> None:
    run = made("conll", steps=80, learning_rate=0.03, **settings)
    assert run.metrics["valid/f1"] > 0.9


def test_chinese_names_are_learnt_from_characters(made: Callable[..., Run]) -> None:
    run = made("characters", steps=80, learning_rate=0.03)
    assert run.settings.data.tokenization == "characters" and run.settings.data.scheme == "bmes"
    assert run.metrics["valid/f1"] > 0.9
    found = run.predict(["李 小明在北京"])[0]
    assert found["tokens"] == list("李小明在北京")
    assert found["spans"] == [{"type": "名", "begin": 0, "end": 3, "text": "李 小明", "characters": [0, 4]}]


def test_f1_equals_that_of_seqeval(made: Callable[..., Run], tmp_path: Path) -> None:
    run = made("conll", steps=20)
    other = conll(tmp_path / "other.conll", 15)
    rows = list(open_tagged(other).rows())
    predicted = [one["tags"] for one in run.predict([row.values["1"] for row in rows])]
    expected = [row.values["2"] for row in rows]
    metrics = run.evaluate(other)
    assert metrics["f1"] == pytest.approx(float(f1_score(expected, predicted, zero_division=0)), abs=1e-12)
    right = [a == b for one, two in zip(expected, predicted, strict=True) for a, b in zip(one, two, strict=True)]
    assert metrics["accuracy"] == pytest.approx(sum(right) / len(right))
    assert metrics["by_type"].keys() == {"PER", "LOC"}


def test_metrics_by_type_are_printed_as_a_table() -> None:
    from recurra.cli.tables import metric_lines

    lines = list(
        metric_lines({"f1": 0.5, "by_type": {"PER": {"f1": 0.5, "count": 2}, "LOC": {"f1": 1.0, "count": 1234}}})
    )
    assert [line.split() for line in lines] == [
        ["f1", "0.5000"], [], ["by", "type", "f1", "count"], ["PER", "0.5000", "2"], ["LOC", "1.0000", "1,234"]
    ]  # fmt: skip


def test_members_are_trained_separately_and_predict_by_their_mean(tmp_path: Path) -> None:
    data = jsonl(tmp_path / "a.jsonl")
    run = tagger(data, ensemble_size=2, dropout=0.0, input_dropout=0.0, token_dropout=0.0)
    task, network = run.task, run.network
    task.dataset.prepare(data, None, tmp_path / "cache", ignore_progress)
    batch = task.batch(task.sampler().epoch(0)[0])
    loss = task.loss(network.train(), batch, None, 0.0)[0]
    x, lengths, tags = batch.inputs["x"], batch.inputs["lengths"], batch.targets["tags"]
    single = [
        sequence_losses(m(x, lengths), tags, lengths, batch.targets["sentence_label"]).sum() / lengths.sum()
        for m in network.members
    ]
    torch.testing.assert_close(loss, torch.stack(single).mean())
    scores = network.eval()(x, lengths)
    alone = [m.eval()(x, lengths) for m in network.members]
    torch.testing.assert_close(scores.emissions, (alone[0].emissions + alone[1].emissions) / 2)
    torch.testing.assert_close(
        mean_scores(alone).transitions.start, (alone[0].transitions.start + alone[1].transitions.start) / 2
    )


def test_the_loss_includes_tags_and_sentence_label(made: Callable[..., Run]) -> None:
    run = made("jsonl", crf=False)
    ids = torch.from_numpy(run.task.dataset.words.encode([["Ada", "saw", "Oslo"]])[0])[None]
    with torch.no_grad():
        scores = run.network(ids)
    tags, intent = torch.tensor([[1, 0, 2]]), torch.tensor([1])
    probability = scores.emissions[0].softmax(-1)[range(3), tags[0]].prod() * scores.sentence_label[0].softmax(-1)[1]
    found = sequence_losses(scores, tags, torch.tensor([3]), intent)
    torch.testing.assert_close(found, -probability.log()[None], rtol=1e-5, atol=1e-6)
    tags_alone = sequence_losses(scores, tags, torch.tensor([3]), torch.tensor([-1]))
    assert tags_alone < found


# invariants -----------------------------------------------------------------------------------------------------------------
def assert_close(one: Any, other: Any) -> None:
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_close(one[key], other[key])
    elif isinstance(one, float):
        assert one == pytest.approx(other, rel=CLOSE, abs=CLOSE)
    else:
        assert one == other


TEXTS = ("Ada Lovelace went to Paris in 1843, 很好!", "x", "", "  Grace\nHopper  saw New York… ", "don't")


@pytest.mark.parametrize("crf", [True, False])
def test_results_do_not_depend_on_the_batch_or_its_order(made: Callable[..., Run], crf: bool) -> None:
    run = made("jsonl", crf=crf)
    alone = [run.predict([text])[0] for text in TEXTS]
    for seed in range(3):
        order = random.Random(seed).sample(range(len(TEXTS)), len(TEXTS))
        for one, at in zip(run.predict([TEXTS[i] for i in order]), order, strict=True):
            assert_close(one, alone[at])


def test_padding_does_not_change_values_and_gradients(made: Callable[..., Run]) -> None:
    network = made("jsonl").network
    rows = [
        torch.from_numpy(array)
        for array in made("jsonl").task.dataset.words.encode([["Ada", "saw", "x", "Oslo"], ["y"]])
    ]
    x = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    tags, intent, lengths = torch.tensor([[1, 0, 0, 2], [3, 4, 4, 4]]), torch.tensor([0, 1]), torch.tensor([4, 1])

    def gradients(losses: torch.Tensor) -> dict[str, torch.Tensor]:
        network.zero_grad()
        losses.backward()
        return {name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None}

    together = sequence_losses(network(x, lengths), tags, lengths, intent)
    ours = gradients(together.sum())
    alone = torch.cat(
        [
            sequence_losses(network(row[None]), tags[b : b + 1, : len(row)], lengths[b : b + 1], intent[b : b + 1])
            for b, row in enumerate(rows)
        ]
    )
    torch.testing.assert_close(together, alone, rtol=0, atol=CLOSE)
    theirs = gradients(alone.sum())
    assert ours.keys() == theirs.keys() >= {"transitions.between", "head.weight", "label_head.weight"}
    for name in ours:
        torch.testing.assert_close(ours[name], theirs[name], rtol=1e-5, atol=CLOSE, msg=name)
    network.zero_grad()


def test_a_loaded_run_equals_the_saved_one_and_the_same_seed_gives_the_same_run(tmp_path: Path) -> None:
    data = jsonl(tmp_path / "a.jsonl")
    one, two = tagger(data, "one", ensemble_size=2), tagger(data, "two", ensemble_size=2)
    assert all(torch.equal(a, b) for a, b in zip(one.network.parameters(), two.network.parameters(), strict=True))
    assert one.predict(TEXTS) == two.predict(TEXTS) == recurra.load(one.path).predict(TEXTS)
    assert one.evaluate(data) == recurra.load(one.path).evaluate(data)


@pytest.mark.parametrize("kind", ["jsonl", "characters"])
@pytest.mark.parametrize("ensemble_size", [1, 2])
def test_results_do_not_depend_on_the_chunks_of_a_stream(
    made: Callable[..., Run], kind: str, ensemble_size: int
) -> None:
    run = made(kind, crf=False, bidirectional=False, ensemble_size=ensemble_size)
    assert run.streams == (True, "")
    for text in (*TEXTS, "李小明在北京 王芳"):
        whole = run.predict([text])[0]
        for seed in range(4):
            draw, rest = random.Random(seed), text
            with run.stream() as session:
                while rest:
                    n = draw.randint(1, 5)
                    session.push(rest[:n])
                    assert_close(session.result(), run.predict([text[: len(text) - len(rest[n:])]])[0])
                    rest = rest[n:]
                assert_close(session.result(), whole)


@pytest.mark.parametrize("kind", ["jsonl", "characters"])
def test_lists_of_tokens_can_be_streamed(made: Callable[..., Run], kind: str) -> None:
    run = made(kind, crf=False, bidirectional=False, ensemble_size=1)
    tokens = sentence(3)[0] if kind == "jsonl" else list("李小明在北京")
    with run.stream() as session:
        session.push(tokens[:3])
        session.result()
        session.push({"tokens": tokens[3:]})
        assert_close(session.result(), run.predict([tokens])[0])
        with pytest.raises(CallError, match="began with lists of tokens; open another stream for text"):
            session.push("text")
    with run.stream() as session:
        assert_close(session.result(), run.predict([""])[0])
        session.push("text")
        with pytest.raises(CallError, match="began with text; open another stream for lists of tokens"):
            session.push(["text"])


def test_reasons_why_a_run_cannot_be_streamed(made: Callable[..., Run]) -> None:
    assert "bidirectional=false --set crf=false enables streaming" in made("jsonl").streams[1]
    assert "backward direction" in made("jsonl", crf=False).streams[1]
    with pytest.raises(DataError, match="conditional random field"):
        made("conll", bidirectional=False, steps=80, learning_rate=0.03).stream()


# predictions -----------------------------------------------------------------------------------------------------
def test_raw_text_has_offsets(made: Callable[..., Run]) -> None:
    run = made("conll", steps=80, learning_rate=0.03)
    text = "  Ada  Lovelace saw New York."
    found = run.predict([text])[0]
    assert [text[a:b] for a, b in found["offsets"]] == found["tokens"] == ["Ada", "Lovelace", "saw", "New", "York", "."]
    person = found["spans"][0]
    assert person == {"type": "PER", "begin": 0, "end": 2, "text": "Ada  Lovelace", "characters": [2, 15]}


def test_tokens_are_not_changed(made: Callable[..., Run]) -> None:
    run = made("conll", steps=80, learning_rate=0.03)
    found = run.predict([["Ada Lovelace", "saw", "Oslo", "don't-cut-me"], {"tokens": ["Grace"]}, []])
    assert found[0]["tokens"] == ["Ada Lovelace", "saw", "Oslo", "don't-cut-me"] and "offsets" not in found[0]
    assert found[1]["tags"] == ["B-PER"] and found[1]["spans"] == [
        {"type": "PER", "begin": 0, "end": 1, "text": "Grace"}
    ]
    assert found[2] == {"tokens": [], "tags": [], "spans": []}
    with pytest.raises(CallError, match="example 2: words is 3; expected text or a list of tokens"):
        run.predict(["a", 3])


def test_prediction_from_a_file_of_columns(made: Callable[..., Run], tmp_path: Path) -> None:
    run = made("conll")
    rows = list(run.task.dataset.inputs(str(conll(tmp_path / "a.txt", 3))) or ())
    assert [row["words"] for row in rows] == [sentence(n)[0] for n in range(3)]
    (tmp_path / "a.csv").write_text("number,tokens\n1,Ada saw Oslo\n")
    (row,) = run.task.dataset.inputs(str(tmp_path / "a.csv")) or ()
    assert row == {"words": "Ada saw Oslo"}  # tokenized as a line of a pipe is
    assert run.predict([row]) == run.predict([{"words": "Ada saw Oslo"}]) == run.predict(["Ada saw Oslo"])
    (tmp_path / "lines.txt").write_text("two words\n\nthree more words\n")
    assert run.task.dataset.inputs(str(tmp_path / "lines.txt")) is None


def test_unseen_tags_and_labels_are_counted(made: Callable[..., Run], tmp_path: Path) -> None:
    run = made("jsonl", steps=60, learning_rate=0.02)
    words, tags, _ = sentence(1)
    lines = [
        json.dumps({"tokens": words, "tags": tags, "intent": "dance"}),
        json.dumps({"tokens": ["Ada", "x"], "tags": ["B-GOD", "Z"], "intent": "look"}),
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    metrics = run.evaluate(tmp_path / "a.jsonl")
    assert metrics["unseen_tags"] == {"B-GOD": 1, "Z": 1} and metrics["unseen_sentence_labels"] == {"dance": 1}
    assert metrics["accuracy"] <= len(words) / (len(words) + 2) and metrics["sentence_label_accuracy"] <= 0.5
    assert "unseen_tags" not in run.evaluate(jsonl(tmp_path / "b.jsonl"))
    strange = tmp_path / "strange.jsonl"
    strange.write_text('{"tokens": ["Ada"], "tags": ["B-GOD"], "intent": "weather"}\n' * 3)
    assert "loss" not in run.evaluate(strange), "no sequence has a probability"
    with strange.open("a") as file:
        file.write('{"tokens": ["Ada"], "tags": [], "intent": "weather"}\n')
    run.change(on_error="skip")
    assert run.evaluate(strange)["unseen_tags"] == {"B-GOD": 3}
    valid = tagger(jsonl(tmp_path / "c.jsonl"), valid=tmp_path / "a.jsonl")
    assert any(
        "2 tags of the validation data do not occur in the training data: B-GOD 1" in s
        for s in valid.task.dataset.tags.describe()
    )
    assert valid.metrics["valid/unseen_tags"] == {"B-GOD": 1, "Z": 1}


def test_a_line_may_be_a_list_of_words(made: Callable[..., Run]) -> None:
    dataset = made("jsonl").task.dataset
    assert dataset.parse_line('["Ada", "went"]') == ["Ada", "went"]
    assert dataset.parse_line("[1]") == "[1]" and dataset.parse_line("[Ada went") == "[Ada went"
    assert dataset.parse_line('{"tokens": ["Ada"]}') == {"tokens": ["Ada"]}
    assert dataset.parse_line("{Ada} went") == "{Ada} went"
    with pytest.raises(DataError, match=r"begins like a JSON object but is not valid JSON .*, character 18"):
        dataset.parse_line('{"tokens": ["Ada"')


# error messages ------------------------------------------------------------------------------------------------------
def check_error(data: Path, *parts: str, **settings: Any) -> None:
    before = sorted(data.parent.rglob("*"))
    with pytest.raises((DataError, SettingError)) as raised:
        tagger(data, **settings)
    for part in parts:
        assert part in str(raised.value)
    assert len(str(raised.value).splitlines()) <= 2
    assert sorted(data.parent.rglob("*")) == before


def test_lines_with_different_numbers_of_columns(tmp_path: Path) -> None:
    path = conll(tmp_path / "a.conll")
    lines, at = path.read_text().split("\n"), len(sentence(0)[0]) + 2
    lines[at] += "\tmore"
    path.write_text("\n".join(lines))
    check_error(path, "a.conll, row 2", "3 columns, but most lines have 2", f"(line {at + 1})")
    run = tagger(path, on_error="skip")
    assert run.config["resolved"]["dataset"]["rows"] + run.config["resolved"]["dataset"]["valid_rows"] == 39


def test_a_conllu_file_with_a_missing_cell_in_the_first_token(tmp_path: Path) -> None:
    path = tmp_path / "a.conllu"
    rows = [f"{n}\tw{n}\tw\t{'NOUN' if n % 2 else 'VERB'}\t_\t_\t0\troot\t_\t_" for n in (1, 2, 3, 4)]
    path.write_text("\n\n".join(f"# text = {n}\n" + "\n".join(rows[: n % 4 + 1]) for n in range(40)) + "\n")
    path.write_text(path.read_text().replace("\tNOUN", "", 1))
    check_error(path, "a.conllu, row 1: 9 columns", "(line 2)", tags="upos")


def test_a_sentence_label_is_not_a_list(tmp_path: Path) -> None:
    path = conll(tmp_path / "a.conll")
    path.write_text("\n".join(f"{line}\tX" if line else "" for line in path.read_text().split("\n")))
    check_error(path, "row 1, field '3': is ['X'", "; expected one label", sentence_label="3")


def test_the_column_of_words_can_be_changed_for_prediction(made: Callable[..., Run], tmp_path: Path) -> None:
    run, path = made("jsonl"), tmp_path / "a.csv"
    path.write_text("messages,heard\nAda went,Rome\n")
    run.change(header="yes")
    with pytest.raises(
        DataError, match="the words could be in column 'messages' or 'heard'; name the column with --set words=NAME"
    ):
        run.task.dataset.inputs(str(path))
    run.change(words="heard")
    try:
        assert [answer["tokens"] for answer in run.predict(list(run.task.dataset.inputs(str(path)) or ()))] == [
            ["Rome"]
        ]
    finally:
        run.change(words=None, header="auto")


def test_lists_of_different_lengths(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl")
    bad = json.dumps({"tokens": ["a", "b"], "tags": ["O"], "intent": "look"})
    path.write_text("\n".join([*path.read_text().split("\n")[:20], bad, bad]))
    check_error(
        path, "a.jsonl, row 21, field 'tags': has 1 entry for 2 words (line 21); 1 more row ", "row 22", "on_error=skip"
    )


def test_parallel_files_of_different_lengths(tmp_path: Path) -> None:
    folder = parallel_files(tmp_path / "set")
    with (folder / "seq.in").open("a") as file:
        file.write("one more\n")
    check_error(folder, "seq.out: ends after line 40, but seq.in continues with line 41")
    (folder / "seq.out").unlink()
    check_error(folder, "the folder contains seq.in but not seq.out")
    (folder / "seq.in").unlink()
    check_error(folder, "there is no seq.in in this folder")


def test_a_column_cannot_be_set_twice(tmp_path: Path) -> None:
    path = tmp_path / "a.conll"
    path.write_text("a DT B-X\nb NN O\n\n" * 9)
    check_error(path, "column '3' is used twice, as words and tags", words="3", tags="3")


def test_an_unsupported_scheme(tmp_path: Path) -> None:
    path = tmp_path / "a.conll"
    path.write_text("a B-PER\nb X-PER\nc I-LOC\nd O\n\n" * 9 + "e O\n")
    check_error(path, "a.conll: the tag 'X-PER' belongs to no supported scheme (bio, bioes, bmes)", "--scheme plain")
    check_error(path, "scheme", "bilou", scheme="bilou")
    check_error(path, "'X-PER' does not belong to the scheme bio", scheme="bio")
    assert tagger(path, scheme="plain").task.selection.metric == "accuracy"


def test_an_inside_tag_without_a_begin_tag_is_reported_and_repaired(tmp_path: Path) -> None:
    path = tmp_path / "a.conll"
    path.write_text("".join(f"a{n} O\nb I-X\nc I-X\n\n" for n in range(20)))
    assert (
        "the tags are in IOB1, where B only separates adjacent spans of one type; they are converted to bio"
        in messages(path)
    )
    run = tagger(path)
    assert run.predict(["b c"])[0]["tags"][0] != "I-X"


@pytest.mark.parametrize("text", ["", "\n\n  \n"])
def test_an_empty_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.conll"
    path.write_text(text)
    check_error(path, "a.conll: the file is empty" if not text else "a.conll: there are no rows of data")


def test_other_invalid_input(tmp_path: Path) -> None:
    words = tmp_path / "words.txt"
    words.write_text("a\nb\n\nc\n")
    check_error(words, "there is only one column: the tags are missing")
    bytes_ = tmp_path / "b.conll"
    bytes_.write_bytes(b"a O\nb\xff B-X\n\n" + b"a O\n\n" * 9)
    check_error(bytes_, "b.conll, row 1: byte 0xff is not utf-8", "(line 2)")
    empty = tmp_path / "c.conll"
    empty.write_text("a\tO\n\tO\n\nb\tB-X\n\n")
    check_error(empty, "c.conll, row 1: column 1 is empty (line 2)")
    lists = tmp_path / "d.jsonl"
    lists.write_text("\n".join(json.dumps({"a": ["x", "y"], "b": ["O", str(n)]}) for n in range(9)))
    check_error(lists, "the words could be in column 'a' or 'b'; name the column with --words")
    check_error(
        jsonl(tmp_path / "e.jsonl"),
        "unknown column 'intention'; expected one of tokens, tags, intent, number",
        sentence_label="intention",
    )


def test_adversarial_training_is_an_option(tmp_path: Path) -> None:
    data = conll(tmp_path / "a.conll")
    plain, moved = (tagger(data, f"run{size}", adversarial_epsilon=size).network.state_dict() for size in (0.0, 2.0))
    assert any(not torch.equal(plain[name], moved[name]) for name in plain)
