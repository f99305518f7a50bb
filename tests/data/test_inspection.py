"""What the inspection finds in a file: encoding, separator, quoting, header, names, rows; and that it reads samples only."""

from __future__ import annotations

import gzip
import time
import tracemalloc
from pathlib import Path

import pytest

from recurra.data.sources.inspect.facts import FileFacts, ReadOptions, separator_of
from recurra.data.sources.inspect.inspect import inspect_file
from recurra.data.sources.sources import open_source
from recurra.errors import DataError, SettingError

GERMAN = "text;note\nüber die Brücke;schön\nfür die Bären;größer\nein großes Haus;weiß\n"
CHINESE = "内容,类别\n这是一部很好看的电影，我们都喜欢他的故事。,好\n不知道为什么要看这个，没有一点意思！,坏\n"
RUSSIAN = "text,label\nэто очень хороший фильм о любви,да\nмне совсем не понравилось,нет\n"
JAPANESE = "text,label\nこれはとてもいい映画でした。,はい\nあまり好きではありません。,いいえ\n"
KOREAN = "text,label\n이 영화는 정말 재미있고 다시 보고 싶다,좋다\n나는 이것이 마음에 들지 않는다,나쁘다\n"


def facts_of(tmp_path: Path, content: str | bytes, name: str = "a.csv", **options: str) -> FileFacts:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return inspect_file(path, ReadOptions(**options))  # type: ignore[arg-type]


LABELS = "text,label\n" + "".join(f"a film {at},{'正负'[at % 2]}\n" for at in range(20))
KOREAN_LABELS = "text,label\n" + "".join(f"a film {at},{('봄', '값')[at % 2]}\n" for at in range(20))
ENCODINGS = {
    "ascii": ("a,b\n1,2\n", "ascii", "utf-8"),
    "utf-8": (CHINESE, "utf-8", "utf-8"),
    "utf-8 with a mark": (CHINESE, "utf-8-sig", "utf-8"),
    "utf-16 with a mark": (CHINESE, "utf-16", "utf-16"),
    "utf-16-le": (GERMAN, "utf-16-le", "utf-16-le"),
    "utf-16-be": (CHINESE * 3, "utf-16-be", "utf-16-be"),
    "gb18030": (CHINESE, "gb18030", "gb18030"),
    "gbk": (CHINESE * 50, "gbk", "gb18030"),
    "gb18030 in labels": (LABELS, "gb18030", "gb18030"),
    "gb18030, full width": (LABELS.replace("正", "１").replace("负", "０"), "gb18030", "gb18030"),
    "gb18030, rare characters": ("a,b\n" + "天云山水,花鸟风月\n" * 9, "gb18030", "gb18030"),
    "cp1252": (GERMAN, "cp1252", "cp1252"),
    "latin-1": (GERMAN, "latin-1", "cp1252"),
    "cp1251": (RUSSIAN, "cp1251", "cp1251"),
    "shift_jis": (JAPANESE, "shift_jis", "shift_jis"),
    "euc_jp": (JAPANESE, "euc_jp", "euc_jp"),
    "euc_kr": (KOREAN, "euc_kr", "euc_kr"),
}


@pytest.mark.parametrize("case", ENCODINGS)
def test_encodings(tmp_path: Path, case: str) -> None:
    text, written, found = ENCODINGS[case]
    facts = facts_of(tmp_path, text.encode(written))
    assert facts.encoding == found
    assert facts.bom == case.endswith("mark")
    assert (facts.encoding_confidence == 1) == (found in ("utf-8", "utf-16"))
    assert facts.names == text.partition("\n")[0].replace(";", ",").split(",")


@pytest.mark.parametrize(
    "content",
    [
        b"text,label\na,1\nb\xb0,2\nc,3\n",
        "text,label\nzażółć gęślą jaźń,1\n".encode("cp1250") * 9,
        KOREAN_LABELS.encode("euc_kr"),  # all characters may be Chinese or Korean
    ],
)
def test_without_evidence_an_encoding_is_not_guessed(tmp_path: Path, content: bytes) -> None:
    facts = facts_of(tmp_path, content)
    assert (facts.encoding, facts.encoding_confidence) == ("utf-8", 0)
    assert "some bytes are not utf-8; encoding=" in facts.warnings[0]


SEPARATORS = {
    "comma": ("text,label\na b,x\nc d,y\n", "a.csv", ","),
    "semicolon": ("text;label, final\na, b;x\nc, d, e;y\n", "a.csv", ";"),
    "decimal comma": ("1,5;2,5;3,5\n2,5;3,5;1,5\n", "a.csv", ";"),
    "pipe": ("text|label\na b|x\nc, d|y\n", "a.csv", "|"),
    "tab in csv": ("text\tlabel\na, b\tx\nc\ty\n", "a.csv", "\t"),
    "tab without a suffix": ("a b\tx\nc d\ty\n", "a", "\t"),
    "blanks": ("1  0.5 -0.25\n2 0.75   1.5\n1 2.5 1\n", "a.data", " "),
    "comma in .data": ("0.1,0.2,M\n0.3,0.4,R\n0.5,0.1,M\n", "a.data", ","),
    "one column": ("text\nwell, yes\nno\na, b, c\n", "a.csv", None),
    "only the header has it": ("text,label\na\nb\n", "a.csv", ","),
    "quoted": ('"a;b;c";"d"\n"e;f;g";"h"\n', "a.csv", ";"),
}


@pytest.mark.parametrize("case", SEPARATORS)
def test_separators(tmp_path: Path, case: str) -> None:
    content, name, separator = SEPARATORS[case]
    facts = facts_of(tmp_path, content, name)
    assert (facts.is_delimited, facts.separator) == (True, separator)


@pytest.mark.parametrize(
    "content", ["Well, I never\nsaid so, and he\nwent, away, again\n", "one two three\nfour five six\n", "a b c\n"]
)
def test_lines_of_text_are_no_table(tmp_path: Path, content: str) -> None:
    assert facts_of(tmp_path, content, "a.txt").format == "text"


HEADERS = {  # first lines, whether they are a header, and part of the reason
    "usual names": ("text,label\na b c,x\nd e f,y\n", 1, "usual names"),
    "name above numbers": ("speed,torque\n1,2\n3,4\n", 1, "stands above numbers"),
    "name above times": ("when,item\n2024-01-31,a\n2024-02-01,b\n", 1, "stands above times"),
    "only numbers": ("1,0.5,2\n2,0.25,3\n", 0, "only numbers"),
    "numbers and a class": ("0.1,0.2,M\n0.3,0.4,R\n0.5,0.1,M\n", 0, "occurs again in column 3"),
    "counted columns": ("0,1,2\n0.5,0.1,0.9\n0.6,0.2,0.1\n", 1, "counts the columns"),
    "class occurs again": (
        "pos,a good film\nneg,a bad one\npos,what a joy\n",
        0,
        "'pos' of the first line occurs again",
    ),
    "classes repeat": ("verdict,words\n" + "yes,some words\nno,other words\n" * 9, 1, "whose values repeat"),
    "all sentences": (
        "This is one.\tDies ist eins.\nHere are two.\tHier sind zwei.\n",
        0,
        "looks like the other cells",
    ),
    "couplets": ("天花天远,地鸟地长\n红红风天,绿绿月地\n", 0, "a pair of texts of equal length"),
    "assumed": ("hello,bonjour\ncat,chat\n", 1, "assumed"),
    "one line": ("alpha,beta\n", 1, "assumed"),
    "index of pandas": (",text,label\n0,a b,x\n1,c d,y\n", 1, "usual name"),
    "yfinance": ("Price,Close,High\nTicker,AAPL,AAPL\nDate,,\n2024-01-02,1.5,2.5\n2024-01-03,1.25,2\n", 3, "Price"),
    "units": ("time,force\ns,N\n0.5,1\n1.0,2\n1.5,3\n", 2, "stands above"),
}


@pytest.mark.parametrize("case", HEADERS)
def test_headers(tmp_path: Path, case: str) -> None:
    content, lines, reason = HEADERS[case]
    facts = facts_of(tmp_path, content, "a.tsv" if "\t" in content else "a.csv")
    assert facts.header_lines == lines, facts.header_reason
    assert reason in facts.header_reason or reason in " ".join(facts.names)
    assert facts.rows == content.count("\n") - lines
    for given, expected in (("yes", max(lines, 1)), ("no", 0)):
        asked = facts_of(tmp_path, content, "a.tsv" if "\t" in content else "a.csv", header=given)
        assert (asked.header_lines, asked.header_reason) == (expected, "as requested")


def test_names_of_columns(tmp_path: Path) -> None:
    facts = facts_of(tmp_path, ",text,text,label,\n0,a b,c d,x,1\n1,e f,g h,y,2\n")
    assert facts.names == ["column 1", "text", "text.1", "label", "column 5"]
    assert any("columns 1, 5 without a name" in note for note in facts.notes)
    assert any("several columns are named 'text'" in note for note in facts.notes)
    facts = facts_of(tmp_path, "Price,Close,Close\nTicker,A,B\nDate,,\n2024-01-02,1.5,2.5\n2024-01-03,1.25,2\n")
    assert facts.names == ["Date", "Close A", "Close B"]
    assert facts_of(tmp_path, "1,2\n3,4\n", "b.csv").names == ["column 1", "column 2"]


QUOTES = {
    "a tab file with quotes around some rows": ('a\tb\n"x y"\tp\nz\tq\n"u v"\tr\n', "none", '"x y"'),
    "a tab file with quotes around all rows": ('a\tb\n"x y"\tp\n"z"\tq\n', "cells", "x y"),
    "a tab file with needed quotes": ('a\tb\n"say ""no"""\tp\nz\tq\n', "cells", 'say "no"'),
    "a tab file with tabs in quotes": ('a\tb\n"x\ty"\tp\n"z\tz"\tq\n', "csv", "x\ty"),
}


@pytest.mark.parametrize("case", QUOTES)
def test_quotes(tmp_path: Path, case: str) -> None:
    content, quoting, first = QUOTES[case]
    facts = facts_of(tmp_path, content, "a.tsv")
    assert facts.quoting == quoting
    assert open_source(facts.path).first_rows()[0].values["a"] == first
    assert any("quotes are part of the text: 2 of" in note for note in facts.notes) == case.endswith("some rows")


def test_the_training_file_decides_where_the_file_does_not(tmp_path: Path) -> None:
    trained = facts_of(tmp_path, "review,topic\n" + "a film,good\nthe sea,bad\n" * 9, "train.csv")
    new = tmp_path / "new.csv"
    new.write_text("warm words,good\n")
    facts = inspect_file(new, ReadOptions(), trained)
    assert (facts.header_lines, facts.header_reason) == (1, "as in the training file")
    new.write_text("warm words.,good\ndull words.,bad\nmore words.,good\n")
    facts = inspect_file(new, ReadOptions(), trained)
    assert (facts.header_lines, facts.names, facts.rows) == (0, ["review", "topic"], 3)
    headless = facts_of(tmp_path, "pos,a b\nneg,c d\npos,e f\n", "headless.csv")
    new.write_text("neg,g h\n")
    facts = inspect_file(new, ReadOptions(), headless)
    assert (facts.header_lines, facts.names, facts.rows) == (0, ["column 1", "column 2"], 1)
    assert FileFacts.from_config(trained.path, trained.to_config()).names == trained.names


def test_wrong_options(tmp_path: Path) -> None:
    assert (separator_of("tab"), separator_of("\\t"), separator_of("~")) == ("\t", "\t", "~")
    for wrong in ("::", '"', "x"):
        with pytest.raises(SettingError, match="expected one character, or one of"):
            separator_of(wrong)
    with pytest.raises(DataError, match="unknown encoding"):
        facts_of(tmp_path, "a,b\n", encoding="utf-9")


def test_a_large_file_is_sampled(tmp_path: Path) -> None:
    line = "some words that repeat,0.125,good\n"
    path = tmp_path / "large.csv"
    with path.open("wb") as stream:
        stream.write(b"text,number,label\n")
        stream.write(line.encode() * 200_000)
        stream.seek(3 << 30)  # a file with a hole of 3 GB
        stream.write(b"\n" + line.encode())
    tracemalloc.start()
    began = time.process_time()
    facts = inspect_file(path)
    assert time.process_time() - began < 60, "the time does not depend on the size of the file"
    assert tracemalloc.get_traced_memory()[1] < 64 << 20
    tracemalloc.stop()
    assert facts.rows_estimated
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"text,number,label\n" + line.encode() * 200_000))
    facts = inspect_file(path)
    assert facts.rows_estimated
    assert facts.rows == pytest.approx(200_000, rel=0.01)
