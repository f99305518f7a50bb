"""Sources of rows: values of every format, gzipped or not, and invalid input with its location in the message."""

from __future__ import annotations

import gzip
import json
import os
import sys
import types
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from recurra.data.sources.columns import find_label, find_number, find_text
from recurra.data.sources.sources import Source, open_source
from recurra.data.sources.text import open_text
from recurra.errors import DataError

ROWS = [
    {"text": "a dull film", "label": "neg"},
    {"text": "他说：“好看”，\n第二行", "label": "pos"},
    {"text": 'she said "no", twice', "label": "neg"},
]


def _csv() -> bytes:
    cells = (",".join('"' + value.replace('"', '""') + '"' for value in row.values()) for row in ROWS)
    return ("text,label\r\n" + "\n".join(cells) + "\r\n").encode()


def _tsv() -> bytes:
    return ("text\tlabel\r\n" + "".join(f"{row['text']}\t{row['label']}\r\n" for row in ROWS[::2])).encode()


def _jsonl() -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\r\n\n" for row in ROWS).encode()


def _parquet(folder: Path) -> bytes:
    path = folder / "x"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), path)
    return path.read_bytes()


def _values(source: Source) -> list[dict[str, object]]:
    return [row.values for row in source.rows()]


def _write(folder: Path, name: str, content: bytes | str) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gz"])
@pytest.mark.parametrize("format", ["csv", "tsv", "jsonl", "parquet"])
def test_every_format_gives_the_same_rows(tmp_path: Path, format: str, packed: bool) -> None:
    make: dict[str, Callable[[], bytes]] = {"csv": _csv, "tsv": _tsv, "jsonl": _jsonl}
    content = _parquet(tmp_path) if format == "parquet" else make[format]()
    name = f"film.{format}" + (".gz" if packed else "")
    source = open_source(_write(tmp_path, name, gzip.compress(content) if packed else content))
    assert source.columns == ["text", "label"]
    assert (source.name, source.format) == ("film", format)
    expected = ROWS[::2] if format == "tsv" else ROWS
    assert _values(source) == expected
    assert _values(source) == expected, "a second pass starts from the beginning"
    assert [row.number for row in source.rows()] == list(range(1, len(expected) + 1))
    assert source.broken.count == 0


def test_a_byte_order_mark_is_not_part_of_a_name(tmp_path: Path) -> None:
    source = open_source(_write(tmp_path, "a.csv", b"\xef\xbb\xbftext,label\nx,y\n"))
    assert source.columns == ["text", "label"]


def test_other_encodings(tmp_path: Path) -> None:
    for encoding in ("gb18030", "utf-16", "latin-1"):
        word = "café" if encoding == "latin-1" else "很好看"
        for name, content in (
            ("a.csv", f"text,label\n{word},1\n"),
            ("a.jsonl", f'{{"text": "{word}", "label": "1"}}\n'),
        ):
            source = open_source(_write(tmp_path, name, content.encode(encoding)), encoding=encoding)
            assert _values(source) == [{"text": word, "label": "1"}], (encoding, name)


def test_mixed_line_ends_and_blank_lines(tmp_path: Path) -> None:
    source = open_source(_write(tmp_path, "a.csv", b"text,label\r\na,1\n\nb,2\rc,3\r\n"))
    assert [row["text"] for row in _values(source)] == ["a", "b", "c"]


def test_other_unicode_separators_do_not_end_a_row(tmp_path: Path) -> None:
    odd = "a\u2028b\x85c\x0bd\x1ce"
    for name, content in (("a.csv", f"text,label\n{odd},1\n"), ("a.tsv", f"text\tlabel\n{odd}\t1\n")):
        assert _values(open_source(_write(tmp_path, name, content)))[0]["text"] == odd


def test_tsv_quotes(tmp_path: Path) -> None:
    path = _write(tmp_path, "a.tsv", 'text\tlabel\n"Well," he said\t1\n"a ""b"" c"\t2\n"open\t3\n')
    assert [row["text"] for row in _values(open_source(path))] == ['"Well," he said', 'a "b" c', '"open']


def test_semicolons(tmp_path: Path) -> None:
    assert _values(open_source(_write(tmp_path, "a.csv", "text;label\na, b;1\n"))) == [{"text": "a, b", "label": "1"}]


def test_a_very_long_text_can_be_read(tmp_path: Path) -> None:
    long = "word " * 120_000
    assert _values(open_source(_write(tmp_path, "a.csv", f"text,label\n{long},1\n")))[0]["text"] == long


def test_missing_json_keys_and_lone_surrogates(tmp_path: Path) -> None:
    path = _write(tmp_path, "a.jsonl", '{"a": 1}\n{"b": ["\\ud83d", "\\ud83d\\ude00"]}\n')
    assert _values(open_source(path)) == [{"a": 1, "b": None}, {"a": None, "b": ["\ufffd", "😀"]}]


def test_folder_of_class_files(tmp_path: Path) -> None:
    _write(tmp_path, "Chinese.txt", "Ang\r\n\nBai\n")
    (tmp_path / "Czech.txt.gz").write_bytes(gzip.compress(b"Abl"))
    _write(tmp_path, "notes.md", "not data")
    source = open_source(tmp_path)
    assert [tuple(row.values()) for row in _values(source)] == [
        ("Ang", "Chinese"),
        ("Bai", "Chinese"),
        ("Abl", "Czech"),
    ]
    assert source.name == tmp_path.name
    assert [(row.file.name, row.line) for row in source.rows()][1] == ("Chinese.txt", 3)


def test_folder_of_class_folders(tmp_path: Path) -> None:
    for name, text in (("pos/1.txt", "good\nindeed\n"), ("neg/1.txt", "bad\n"), ("neg/2.txt", "\n")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        _write(tmp_path, name, text)
    assert _values(open_source(tmp_path)) == [{"text": "bad", "label": "neg"}, {"text": "good\nindeed", "label": "pos"}]
    _write(tmp_path, "README.txt", "stray")
    with pytest.raises(DataError, match=r"README\.txt, neg/\); keep one of the two"):
        open_source(tmp_path)


BROKEN = {
    "cells": ("a.csv", b"text,label\na,1\nb\nc,3\n", r"a\.csv, row 2: 1 cell, but the header has 2; .* \(line 3\)"),
    "cells after a row of two lines": ("a.csv", b'text,label\n"a\nb",1\nb\nc,3\n', r"row 2: 1 cell.*\(line 4\)"),
    "tsv cells": (
        "a.tsv",
        b"text\tlabel\na\t1\nb\t2\t3\nc\t3\n",
        r"row 2: 3 cells, but the header has 2; .* \(line 3\)",
    ),
    "open quote": (
        "a.csv",
        b'text,label\na,1\n"b,2\nc,3\n',
        r"row 2: invalid CSV: a quote is not closed; .*quoting=no.* \(line 3\)",
    ),
    "stray quote": ("a.csv", b'text,label\na,1\n"b"x,2\nc,3\n', r"row 2: invalid CSV: .*expected after.* \(line 3\)"),
    "encoding": ("a.csv", b"text,label\na,1\nb\xb0,2\nc,3\n", r"row 2, field 'text': byte 0xb0 is not utf-8; .*line 3"),
    "json encoding": ("a.jsonl", b'{"text": "a"}\n{"text": "\xb0"}\n{"text": "c"}\n', r"row 2: byte 0xb0 is not utf-8"),
    "nul": ("a.csv", b"text,label\na,1\nb\0,2\nc,3\n", r"row 2, field 'text': a NUL byte.*line 3"),
    "json": ("a.jsonl", b'{"text": "a"}\n{"text": \n{"text": "c"}\n', r"row 2: not JSON: .* \(line 2\)"),
    "deep json": ("a.jsonl", b'{"text": "a"}\n' + b"[" * 200_000 + b'\n{"text": "c"}\n', r"row 2: not JSON"),
    "json list": ("a.jsonl", b'{"text": "a"}\n[1]\n{"text": "c"}\n', r"row 2: not a JSON object"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_an_invalid_row_is_reported_or_skipped(tmp_path: Path, case: str) -> None:
    name, content, message = BROKEN[case]
    path = _write(tmp_path, name, content)
    with pytest.raises(DataError, match=message):
        _values(open_source(path))
    source = open_source(path, skip_broken=True)
    rows = list(source.rows())
    assert [row.values["text"] for row in rows][0 :: len(rows) - 1] in (["a", "c"], ["a\nb", "c"]), (
        "only one row is skipped"
    )
    assert source.broken.count == 1
    assert "row 2" in source.broken.places[0]
    assert rows[-1].number == 3
    list(source.rows())
    assert source.broken.count == 1, "counted in each pass"


def test_only_invalid_rows(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"all 2 rows are broken; the first: .*row 1"):
        _values(open_source(_write(tmp_path, "a.csv", "text,label\na\nb\n"), skip_broken=True))


REFUSED = {
    "empty": ("a.csv", b"", "the file is empty"),
    "empty gz": ("a.csv.gz", gzip.compress(b""), "the file is empty"),
    "header only": ("a.csv", b"text,label\n", "there are no rows of data"),
    "not gzip": ("a.csv.gz", b"text,label\na,b\n", "not gzip"),
    "cut gzip": ("a.csv.gz", gzip.compress(os.urandom(50_000))[:-5000], "cannot be read|byte 0x|NUL"),
    "suffix": (
        "a.xls",
        b"text",
        r"\.xls cannot be read: save it as \.xlsx or as CSV.* Supported: \.csv, \.tsv, \.jsonl",
    ),
    "text": (
        "a",
        b"one line\nanother, longer line\n",
        "no separator .* divides them into equally many cells; name one",
    ),
    "json document": (
        "a.json",
        b'{"version": 1,\n"rows": [{"text": "b"}]}\n',
        "one JSON object .*'version', 'rows'.*jq",
    ),
    "not parquet": ("a.parquet", b"text,label\na,b\n", "not Parquet, or damaged"),
    "header encoding": ("a.csv", b"text,\xb0\na,b\n", "in the header: byte 0xb0"),
    "nul bytes": ("a.csv", b"text,label\na\0\0,b\n", "NUL byte.*utf-16"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_that_cannot_be_used(tmp_path: Path, case: str) -> None:
    name, content, message = REFUSED[case]
    path = _write(tmp_path, name, content)
    with pytest.raises(DataError, match=message) as caught:
        source = open_source(path)
        assert source.columns
        _values(source)
    assert path.name in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 2


def test_missing_data(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"no\.csv: there is no such file, folder or built-in dataset \(datasets: stdlib"
    ):
        open_source(tmp_path / "no.csv")
    with pytest.raises(DataError, match=r"no \.txt files in this folder"):
        open_source(tmp_path)
    with pytest.raises(DataError, match="unknown encoding 'utf-9'"):
        open_source(tmp_path, encoding="utf-9")


def test_hub_without_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError, match=r"hf:imdb: the hub requires another library: pip install 'recurra\[hub\]'"):
        _values(open_source("hf:imdb"))


def test_hub_class_indices_become_names(monkeypatch: pytest.MonkeyPatch) -> None:
    class Streamed(list[dict[str, object]]):
        features = types.MappingProxyType(
            {"label": types.SimpleNamespace(int2str=["neg", "pos"].__getitem__), "text": None}
        )

    def load_dataset(name: str, split: str, streaming: bool) -> Streamed:
        assert (name, split, streaming) == ("me/films", "train", True)
        return Streamed([{"text": "good", "label": 1}, {"text": "bad", "label": 0}])

    monkeypatch.setitem(sys.modules, "datasets", types.SimpleNamespace(load_dataset=load_dataset))  # type: ignore[arg-type]
    source = open_source("hf:me/films")
    assert source.columns == ["label", "text"]
    assert _values(source) == [{"text": "good", "label": "pos"}, {"text": "bad", "label": "neg"}]


IMDB = "review,sentiment,rating,id\n" + "".join(
    f'"a film, number {i}, that I saw to the end",{("positive", "negative")[i % 2]},{i % 10},train/{i}_{i % 10}\n'
    for i in range(50)
)


def test_columns_of_imdb_are_found(tmp_path: Path) -> None:
    source = open_source(_write(tmp_path, "a.csv", IMDB))
    text = find_text(source, None)
    label = find_label(source, None, exclude=(text,))
    assert (text, label, find_number(source, None, exclude=(text,))) == ("review", "sentiment", "rating")
    assert find_text(source, "id") == "id", "the requested column is used"


def test_columns_are_found_by_their_content(tmp_path: Path) -> None:
    lines = (f"{i},word {i} and some more of it,{'ab'[i % 2]},{i * 0.5 - 3}" for i in range(20))
    source = open_source(_write(tmp_path, "a.csv", "n,p,q,r\n" + "\n".join(lines) + "\n"))
    assert (find_text(source), find_label(source, exclude=("p",)), find_number(source)) == ("p", "q", "r")


def test_a_column_that_does_not_exist(tmp_path: Path) -> None:
    source = open_source(_write(tmp_path, "a.csv", IMDB))
    with pytest.raises(
        DataError, match=r"unknown column 'sentimnt'; expected one of review, .*; did you mean 'sentiment'\?"
    ):
        find_label(source, "sentimnt")
    with pytest.raises(DataError, match=r"unknown column 'zzz'; expected one of review, sentiment, rating, id$"):
        find_label(source, "zzz")


def test_ambiguous_columns(tmp_path: Path) -> None:
    rows = "".join(f"first things {i},other things {i},{i % 2},{i % 3}\n" for i in range(20))
    source = open_source(_write(tmp_path, "a.csv", "p,q,r,s\n" + rows))
    with pytest.raises(DataError, match="the text could be 'p' or 'q'; name it with --text"):
        find_text(source)
    with pytest.raises(DataError, match="the label could be 'r' or 's'; name it with --label"):
        find_label(source)
    with pytest.raises(DataError, match="the target could be 'r' or 's'; name it with --target"):
        find_number(source)
    numbers = open_source(_write(tmp_path, "b.csv", "p,q\n1,2\n2,3\n"))
    with pytest.raises(DataError, match=r"no column looks like the text; name it with --text \(there are p, q\)"):
        find_text(numbers)


def test_the_reason_why_no_column_fits(tmp_path: Path) -> None:
    empty = _write(tmp_path, "a.csv", "review,topic\n,a\n,b\n,a\n,b\n")
    with pytest.raises(DataError, match=r"no column looks like the text \('review': empty in every row\); name it"):
        find_text(open_source(empty), exclude=["topic"])
    nearly = _write(tmp_path, "b.csv", "review,points\n" + "well,3\n" * 20 + "ill,lots\n")
    with pytest.raises(
        DataError, match=r"b.csv, row 21, field 'points': no column .* 'lots' is not a number; .*--target points"
    ):
        find_number(open_source(nearly))


def test_text_is_read_in_chunks(tmp_path: Path) -> None:
    text = "第一行 and more\n" * 20_000
    for name, content in (("a.txt", text.encode()), ("b.txt.gz", gzip.compress(text.encode())), ("c", text.encode())):
        source = open_text(_write(tmp_path, name, content))
        pieces = list(source.chunks())
        assert "".join(pieces) == text
        assert len(pieces) > 3
        assert max(map(len, pieces)) <= 1 << 16
        assert "".join(source.chunks()) == text


def test_text_of_folders_and_tables(tmp_path: Path) -> None:
    _write(tmp_path, "b.txt", "two\r\n")
    _write(tmp_path, "a.txt", "one")
    assert "".join(open_text(tmp_path).chunks()) == "one\ntwo\n"
    table = _write(tmp_path, "t.csv", "id,poem,title\n1,first line of it,x\n2,second line of it,y\n")
    assert "".join(open_text(table, column="poem").chunks()) == "first line of it\nsecond line of it\n"
    with pytest.raises(DataError, match="unknown column 'pome'"):
        open_text(table, column="pome")
    with pytest.raises(DataError, match="plain text has no columns"):
        open_text(tmp_path / "a.txt", column="poem")


def test_text_with_an_invalid_byte_is_reported_with_its_line(tmp_path: Path) -> None:
    good = "x" * 99 + "\n"
    path = _write(tmp_path, "a.txt", (good * 1500).encode() + b"ab\xff\n")
    with pytest.raises(DataError, match=r"a\.txt, row 1501: byte 0xff is not utf-8"):
        list(open_text(path).chunks())
    with pytest.raises(DataError, match=r"row 2: a NUL byte"):
        list(open_text(_write(tmp_path, "b.txt", "a\nb\0\n")).chunks())
    with pytest.raises(DataError, match="the file is empty"):
        open_text(_write(tmp_path, "c.txt", ""))


def _real(name: str) -> Path:
    folder = os.environ.get("RECURRA_DATA")
    if not folder:
        pytest.skip("RECURRA_DATA does not name the folder of real data")
    return Path(folder) / name


def test_real_imdb() -> None:
    source = open_source(_real("imdb/train.csv.gz"))
    assert (find_text(source), find_label(source), find_number(source)) == ("review", "sentiment", "rating")
    assert Counter(row.values["sentiment"] for row in source.rows()) == {"positive": 12_500, "negative": 12_500}


def test_real_names() -> None:
    counts = Counter(row.values["label"] for row in open_source(_real("names")).rows())
    assert (len(counts), sum(counts.values()), counts["Russian"], counts["Vietnamese"]) == (18, 20_050, 9_384, 73)
