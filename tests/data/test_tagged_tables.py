"""Tagged text in tables and documents: lists in cells, a token per row, and texts with spans of characters."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tagged_texts import Sentence, check, fields, sentences, write

from recurra.data.sources.list_cells import parse_list
from recurra.data.sources.tagged import open_tagged
from recurra.data.sources.text_spans import spans_in
from recurra.errors import DataError


# lists and tokens in tables -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "text",
    ["['a', 'b', \"c'd\"]", '["a", "b", "c\'d"]', "['a' 'b'\n \"c'd\"]", "[ 'a' ,'b', \"c'd\", ]", '[a, b, "c\'d"]'],
)
def test_lists_in_cells(text: str) -> None:
    assert parse_list(text) == ["a", "b", "c'd"]


def test_texts_that_are_no_lists() -> None:
    assert parse_list("[0 1 2]") == [0, 1, 2] and parse_list("[]") == []
    assert [parse_list(text) for text in ("a b", "[a", "['a' 'b", '["a", ["b"')] == [None] * 4
    with pytest.raises(ValueError, match="shortened"):
        parse_list("['a' 'b' ... 'z']")
    with pytest.raises(DataError, match=r"row 2, field 'tokens'.*shortened"):
        raise_rows("tokens,tags\n\"['a' 'b']\",\"['O' 'O']\"\n\"['a' ... 'b']\",\"['O' 'O']\"\n")


def raise_rows(text: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        list(open_tagged(write(Path(folder) / "a.csv", text)).rows())


@pytest.mark.parametrize("syntax", ["python", "json", "numpy"])
def test_a_table_of_lists(tmp_path: Path, syntax: str) -> None:
    rows = sentences()
    write_list = {
        "python": str,
        "json": json.dumps,
        "numpy": lambda items: "[" + " ".join(map(repr, items)) + "]",
    }[syntax]
    cells = [[write_list([word for word, _ in row]), write_list([tag for _, tag in row])] for row in rows]
    quoted = ["\t".join(pair) for pair in cells]
    lines = check(write(tmp_path / "a.tsv", "tokens\tner_tags\n" + "\n".join(quoted) + "\n"), rows)
    assert "the cells of tokens, ner_tags are lists" in lines


@pytest.mark.parametrize(
    ("header", "form", "first"),
    [
        ("Sentence #,Word,POS,Tag", "{name},{word},NN,{tag}", True),
        ("sentence_id,words,labels", "{k},{word},{tag}", False),
        ("sent,w,t", "{name},{word},{tag}", True),
        (",sentence_idx,word,tag", "{row},{k},{word},{tag}", False),
        ("doc,sid,n,word,tag", "d{doc},{k},{n},{word},{tag}", False),
    ],
)
def test_a_token_per_row(tmp_path: Path, header: str, form: str, first: bool) -> None:
    rows, lines, at = sentences(), [header], 0
    for k, row in enumerate(rows):
        for n, (word, tag) in enumerate(row, 1):
            name = f"Sentence: {k + 1}" if n == 1 or not first else ""
            lines.append(form.format(name=name, k=k, word=word, tag=tag, n=n, row=at, doc=k // 8))
            at += 1
    found = check(write(tmp_path / "a.csv", "\n".join(lines) + "\n"), rows)
    assert any(line.startswith("each row is one token; column ") for line in found)


def test_a_broken_token_breaks_its_sentence_only(tmp_path: Path) -> None:
    lines = [f"{k},w{n},{'AB'[n % 2]}" for k in range(10) for n in range(4)]
    lines[6] += ",more"
    path = write(tmp_path / "a.csv", "sentence_id,word,tag\n" + "\n".join(lines) + "\n")
    with pytest.raises(DataError, match="row 7: 4 cells"):
        fields(path)
    assert len(fields(path, on_error="skip")[2]) == 9


def test_a_table_of_texts_has_no_tokens_per_row(tmp_path: Path) -> None:
    text = "sentence,tags\n" + "".join(f"w{n} left .,N V P\n" for n in range(20))
    assert fields(write(tmp_path / "a.csv", text))[2][:2] == [("w0 left .", "N V P"), ("w1 left .", "N V P")]


# spans ----------------------------------------------------------------------------------------------------------------
def with_spans(row: Sentence) -> tuple[str, list[tuple[int, int, str]]]:
    """The text of a sentence, with the full stop attached, and its spans."""
    text, found = "", list[tuple[int, int, str]]()
    for word, tag in row:
        text += "" if word == "." or not text else " "
        begin, text = len(text), text + word
        if tag.startswith("B"):
            found.append((begin, len(text), tag[2:]))
        elif tag.startswith("I"):
            found[-1] = (found[-1][0], len(text), tag[2:])
    return text, found


def objects(text: str, spans: Sequence[tuple[int, int, str]], begin: str, end: str, kind: str) -> Any:
    return [{begin: b, end: e, kind: k, "value": text[b:e]} for b, e, k in spans]


def label_studio(spans: Sequence[tuple[int, int, str]]) -> list[dict[str, Any]]:
    return [{"value": {"start": b, "end": e, "labels": [k]}, "type": "labels"} for b, e, k in spans]


FORMS = {
    "doccano": lambda t, s: {"id": 1, "text": t, "label": [list(one) for one in s]},
    "doccano entities": lambda t, s: {
        "text": t, "entities": objects(t, s, "start_offset", "end_offset", "label"), "relations": []
    },
    "rasa": lambda t, s: {"text": t, "intent": "go", "entities": objects(t, s, "start", "end", "entity")},
    "spacy": lambda t, s: {"text": t, "spans": [{"start": b, "end": e, "label": k, "token_start": 0} for b, e, k in s]},
    "label studio": lambda t, s: {"id": 3, "data": {"text": t}, "annotations": [{"id": 1, "result": label_studio(s)}]},
    "label studio min": lambda t, s: {
        "text": t, "id": 3, "label": [{"start": b, "end": e, "text": t[b:e], "labels": [k]} for b, e, k in s]
    },
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_texts_with_spans(tmp_path: Path, form: str, name: str) -> None:
    rows = sentences()
    made = [FORMS[form](*with_spans(row)) for row in rows]
    text = json.dumps(made, indent=1) if name == "a.json" else "\n".join(map(json.dumps, made))
    lines = check(write(tmp_path / name, text), rows)
    assert any("contains spans of characters" in line for line in lines)


def test_documents_with_spans(tmp_path: Path) -> None:
    rows = sentences()
    made = [with_spans(row) for row in rows]
    pairs = [[text, {"entities": [list(one) for one in spans]}] for text, spans in made]
    check(write(tmp_path / "spacy.json", json.dumps(pairs)), rows)
    check(write(tmp_path / "wrapped.json", json.dumps({"classes": ["PER"], "annotations": pairs}, indent=2)), rows)
    examples = [FORMS["rasa"](*one) for one in made]
    check(write(tmp_path / "rasa.json", json.dumps({"rasa_nlu_data": {"common_examples": examples}}, indent=2)), rows)
    pieces = [
        {"data": [{"text": w + " ", **({"entity": t[2:]} if t[0] == "B" else {})} for w, t in row]} for row in rows
    ]
    snips = [[(w, "O" if t[0] == "I" else t) for w, t in row] for row in rows]
    check(write(tmp_path / "snips.json", json.dumps({"Go": pieces[:20], "See": pieces[20:]})), snips)


def test_rasa_yaml(tmp_path: Path) -> None:
    rows = [row for row in sentences() if row[1][1] != "I-PER"]
    lines = "\n".join("    - " + " ".join(f"[{w}]({t[2:]})" if t[0] == "B" else w for w, t in row) for row in rows)
    text = f'version: "3.1"\nnlu:\n- intent: go\n  examples: |\n{lines}\n- synonym: x\n  examples: |\n    - y\n'
    check(write(tmp_path / "nlu.yml", text), rows)


def test_words_are_split_where_a_span_begins_or_ends(tmp_path: Path) -> None:
    row = {"text": "preWar Oslo's", "label": [[3, 6, "X"], [7, 11, "LOC"]]}
    path = write(tmp_path / "a.jsonl", "\n".join([json.dumps(row)] * 3))
    _, _, found, lines = fields(path)
    assert found[0] == (["pre", "War", "Oslo", "'s"], ["O", "B-X", "B-LOC", "O"])
    assert any(line.startswith("6 words were split") for line in lines)


@pytest.mark.parametrize(
    ("label", "problem"),
    [
        ([[0, 3, "X"], [2, 5, "Y"]], "overlap, and a token has one tag"),
        ([[0, 99, "X"]], "outside the text, which has 8 characters"),
        ([[3, 3, "X"]], "outside the text"),
        ([[3, 4, "X"]], "contains only blanks"),
        ([{"start": 0, "end": 3, "label": "X", "text": "Bob"}], "'Ada', but its text is given as 'Bob'"),
        ("PER", "expected spans such as"),
    ],
)
def test_wrong_spans(tmp_path: Path, label: Any, problem: str) -> None:
    good = {"text": "Ada left", "label": [[0, 3, "X"]]}
    rows = [*[good] * 20, {"text": "Ada left", "label": label}]
    path = write(tmp_path / "a.jsonl", "\n".join(map(json.dumps, rows)))
    with pytest.raises(DataError, match="row 21, field 'label'") as raised:
        fields(path)
    assert problem in str(raised.value)
    assert len(fields(path, on_error="skip")[2]) == 20


def test_relations_are_no_spans_of_tagged_tokens(tmp_path: Path) -> None:
    row = {"tokens": ["a", "b"], "tags": ["B-X", "O"], "relations": [[0, 1, "of"]], "text": "a b"}
    assert fields(write(tmp_path / "a.jsonl", "\n".join([json.dumps(row)] * 3)))[2][0] == (["a", "b"], ["B-X", "O"])
    assert spans_in([[0, 1]]) is None and spans_in("x") is None and spans_in([]) == []
