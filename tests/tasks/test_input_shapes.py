"""Shapes of files that people have, for each task: how many examples are read, from which columns, or why it is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from input_shapes import LABELS, TEXTS, WORDS, examples, prepared, write

from recurra.errors import DataError

HAN = "天地山水花鸟风月红绿春秋远近高低"


def objects() -> list[dict[str, str]]:
    return [{"text": text, "label": label} for text, label in zip(TEXTS, LABELS, strict=True)]


def lines(*columns: list[str], separator: str = "\t") -> str:
    return "".join(separator.join(cells) + "\n" for cells in zip(*columns, strict=True))


CLASSIFY = {
    "no header, tabs": ("a.tsv", lines(LABELS, TEXTS), "utf-8"),
    "no header, no suffix": ("reviews", lines(LABELS, TEXTS), "utf-8"),
    "no header, quotes": ("a.csv", "".join(f'"{b}","{a}"\n' for a, b in zip(TEXTS, LABELS, strict=True)), "utf-8"),
    "no header, stars": ("a.csv", "".join(f'"{len(b)}","{a}"\n' for a, b in zip(TEXTS, LABELS, strict=True)), "utf-8"),
    "pipe": ("a.csv", "text|label\n" + lines(TEXTS, LABELS, separator="|"), "utf-8"),
    "semicolon": ("a.csv", "text;label, final\n" + lines(TEXTS, LABELS, separator=";"), "utf-8"),
    "utf-16": ("a.csv", "text,label\n" + lines(TEXTS, LABELS, separator=","), "utf-16"),
    "utf-16 with tabs": ("a.txt", "text\tlabel\n" + lines(TEXTS, LABELS), "utf-16"),
    "cp1252": ("a.csv", "text;label\n" + lines([f"{one} für Gäste" for one in TEXTS], LABELS, separator=";"), "cp1252"),
    "fasttext": ("a.txt", "".join(f"__label__{b} {a}\n" for a, b in zip(TEXTS, LABELS, strict=True)), "utf-8"),
    "json list": ("a.json", json.dumps(objects(), indent=1), "utf-8"),
    "nested": (
        "a.jsonl",
        "".join(json.dumps({"data": {"text": a}, "label": {"label": b}}) + "\n" for a, b in zip(TEXTS, LABELS, strict=True)),
        "utf-8",
    ),
    "odd names": ("a.csv", ",text,text,label\n" + lines(LABELS, TEXTS, WORDS * 12, LABELS, separator=","), "utf-8"),
}  # fmt: skip


@pytest.mark.parametrize("case", CLASSIFY)
def test_texts_with_a_class(tmp_path: Path, case: str) -> None:
    name, text, encoding = CLASSIFY[case]
    dataset, info = prepared("classify", write(tmp_path / name, text, encoding))
    assert info.rows + info.valid_rows == 60
    assert len(dataset.targets[0].classes) == 2  # type: ignore[attr-defined]
    assert any(line.startswith(("columns: text", "2 classes")) for line in info.messages)


@pytest.mark.parametrize(("name", "separator"), [("a.tsv", "\t"), ("a.csv", ","), ("a.data", ","), ("TRAIN", "  ")])
def test_numbers_with_a_class_in_column_1_and_no_header(tmp_path: Path, name: str, separator: str) -> None:
    rows = [[str(1 + at % 2), *(f"{(at * k) % 17 / 16:.4f}" for k in range(1, 13))] for at in range(40)]
    dataset, info = prepared("classify", write(tmp_path / name, "".join(separator.join(row) + "\n" for row in rows)))
    assert info.rows + info.valid_rows == 40
    assert dataset.rows.columns["label"] == "column 1"  # type: ignore[attr-defined]


def test_sonar_has_its_class_in_the_last_column(tmp_path: Path) -> None:
    rows = [[*(f"{(at * k) % 17 / 16:.4f}" for k in range(1, 13)), "MR"[at % 2]] for at in range(40)]
    dataset, info = prepared("classify", write(tmp_path / "sonar.data", "".join(",".join(row) + "\n" for row in rows)))
    assert (info.rows + info.valid_rows, dataset.rows.columns["label"]) == (40, "column 13")  # type: ignore[attr-defined]


def quoted(text: str) -> str:
    return f'"{text}"' if len(text) % 2 else text


PAIRS = {
    "two columns": (lines(TEXTS, [one.upper() for one in TEXTS]), {}),
    "attribution": (lines(TEXTS, [one.upper() for one in TEXTS], [f"CC-BY #{at}" for at in range(60)]), {}),
    "quotes on some rows": (
        "source\ttarget\n" + "".join(f"{one}\t{one.upper()}\n" for one in map(quoted, TEXTS)),
        {},
    ),
}  # fmt: skip


@pytest.mark.parametrize("suffix", [".tsv", ".txt"])
@pytest.mark.parametrize("case", PAIRS)
def test_pairs_of_texts(tmp_path: Path, case: str, suffix: str) -> None:
    text, settings = PAIRS[case]
    dataset, info = prepared("translate", write(tmp_path / f"a{suffix}", text), **settings)
    assert info.rows + info.valid_rows == 60
    used = next(line for line in info.messages if line.startswith("columns: source"))
    assert ("not used: 'column 3'" in used) == (case == "attribution")
    first = next(iter(dataset.inputs(str(tmp_path / f"a{suffix}"))))  # type: ignore[arg-type]
    assert first == (quoted(TEXTS[0]) if case.startswith("quotes") else TEXTS[0])
    assert len(list(dataset.inputs(str(tmp_path / f"a{suffix}")))) == 60  # type: ignore[arg-type]


def test_pairs_in_nested_objects(tmp_path: Path) -> None:
    objects = [{"id": at, "translation": {"en": one, "xx": one.upper()}} for at, one in enumerate(TEXTS)]
    path = write(tmp_path / "a.jsonl", "".join(json.dumps(one) + "\n" for one in objects))
    assert examples("translate", path, source="translation.en", target="translation.xx") == 60


def test_one_json_object_is_refused_with_its_key(tmp_path: Path) -> None:
    path = write(tmp_path / "squad.json", json.dumps({"version": "1.1", "data": [{"a": 1}, {"a": 2}]}, indent=1))
    with pytest.raises(
        DataError, match=r"one JSON object with the keys 'version', 'data'.* list of 2: .*jq -c '\.data\[\]'"
    ):
        examples("translate", path)


def couplets() -> list[tuple[str, ...]]:
    steps = ((1, 2, 3, 5), (7, 9, 11, 13))
    return [tuple("".join(HAN[(at * k + at // 16 + k) % 16] for k in side) for side in steps) for at in range(60)]


def test_couplets_in_two_files(tmp_path: Path) -> None:
    pairs = couplets()
    source = write(tmp_path / "in.txt", "".join(" ".join(a) + " \n" for a, _ in pairs))
    target = write(tmp_path / "out.txt", "".join(" ".join(b) + " \n" for _, b in pairs))
    dataset, info = prepared("couplet", source, target=str(target))
    assert info.rows + info.valid_rows == 60
    assert int(info.stats["lengths"].max()) == 4, "blanks are no characters"
    assert dataset.questions([" ".join(pairs[0][0])]) == [pairs[0][0]]  # type: ignore[attr-defined]
    with pytest.raises(DataError, match="--target FILE"):
        prepared("couplet", write(tmp_path / "alone.txt", source.read_text()))


def test_couplets_on_one_line(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "".join(f"{a}，{b}。\n" for a, b in couplets()))
    assert examples("couplet", path) == 60
    path = write(tmp_path / "b.txt", path.read_text() + "天花，天。\n")
    with pytest.raises(DataError, match="row 61: '天花，天。' has no two halves of equal length"):
        examples("couplet", path, validation_fraction=0.2)


def test_language_joins_lists_of_lines(tmp_path: Path) -> None:
    poems = [{"title": f"poem {at}", "paragraphs": [one, one.upper()]} for at, one in enumerate(TEXTS)]
    path = write(tmp_path / "a.jsonl", "".join(json.dumps(one) + "\n" for one in poems))
    dataset, info = prepared("language", path)
    assert any("column 'paragraphs', lists of lines joined by line ends" in line for line in info.messages)
    assert "".join(dataset._open(path).chunks()) == "".join(f"{one}\n{one.upper()}\n" for one in TEXTS)  # type: ignore[attr-defined]


def test_language_reads_inner_text_and_refuses_objects(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", "".join(json.dumps({"id": 1, "text": {"body": one}}) + "\n" for one in TEXTS))
    _, info = prepared("language", path)
    assert any("column 'text.body'" in line for line in info.messages)
    (tmp_path / "b").mkdir()
    other = write(tmp_path / "b" / "a.jsonl", path.read_text())
    with pytest.raises(DataError, match=r"row 1, field 'text': is an object, \{'body': .*--text text\.body"):
        prepared("language", other, text="text")


def test_language_loses_no_row_of_a_table_without_a_header(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "".join(f'"{one}"\n' for one in TEXTS))
    dataset, _ = prepared("language", path)
    assert "".join(dataset._open(path).chunks()) == "".join(f"{one}\n" for one in TEXTS)  # type: ignore[attr-defined]


def test_skipped_rows_are_listed(tmp_path: Path) -> None:
    text = "text,label\n" + lines(TEXTS, LABELS, separator=",") + "too,many,cells\n,good\n"
    _, info = prepared("classify", write(tmp_path / "a.csv", text), on_error="skip")
    assert info.rows + info.valid_rows == 60
    skipped = [json.loads(line) for line in (tmp_path / "run" / "skipped.jsonl").read_text().splitlines()]
    assert [one["row"] for one in skipped] == [61, 62]
    assert "3 cells, but the header has 2" in skipped[0]["error"]
    assert (skipped[1]["field"], skipped[1]["error"]) == ("text", "is empty (line 63)")
    assert any("2 invalid rows skipped" in line and "skipped.jsonl" in line for line in info.messages)
