"""Files of columns: marks of documents, comments, headers, columns without words, and tokens with digits."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from tagged_texts import Sentence, check, columns, fields, sentences, write

from recurra.data.sources.column_layout import ColumnLayout
from recurra.data.sources.reading import FileReading
from recurra.data.sources.tagged import open_tagged, tagged_facts
from recurra.errors import SettingError
from recurra.settings import DataSettings


# marks, comments and headers ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "mark",
    [
        "-DOCSTART-\n\n",
        "-DOCSTART- -X- -X- O\n\n",
        "-DOCSTART-\tO\n",
        "-DOCSTART- (article 7)\n",
        "-docstart- O\n",
        "#begin document (a/b); part 000\n",
        "#begin document\n",
        "###MEDLINE:123\n\n",
        "### ABSTRACT-1:\n",
    ],
)
@pytest.mark.parametrize("form", ["{word}\t{tag}", "{word} NN B-NP {tag}"])
def test_marks_separate_documents(tmp_path: Path, mark: str, form: str) -> None:
    rows = sentences()
    parts = [columns(rows[:9], form), columns(rows[9:30], form), columns(rows[30:], form)]
    end = "#end document\n" if "begin" in mark else ""
    check(write(tmp_path / "a.conll", mark + (end + mark).join(parts)), rows)


def test_a_mark_ends_a_sentence_without_a_blank_line(tmp_path: Path) -> None:
    rows = sentences(8)
    text = "".join(columns([row]).rstrip("\n") + "\n-DOCSTART- O\n" for row in rows)
    check(write(tmp_path / "a.txt", text), rows)


@pytest.mark.parametrize(
    ("comment", "form"),
    [
        ("# id 4f-{k} domain=en", "{word} _ _ {tag}"),
        ("# id {k}", "{word}\t{tag}"),
        ("# sent_id = x-{k}", "{word} {tag}"),
        ("#\tnews.example [{k}]", "{n}\t{word}\t{tag}\tO"),
        ("# newdoc", "{word} {tag}"),
        ("#comment{k}", "{word}\tX\t{tag}"),
        ("# url=http://a.example/{k}\n# text = a b c", "{word}\t{tag}"),
    ],
)
def test_comments_are_no_tokens(tmp_path: Path, comment: str, form: str) -> None:
    rows = sentences()
    rows[5][2] = ("#holiday", "O")
    rows[6][0] = ("#Vos", "B-PER")
    rows[7][1:1] = [("#", "O")]
    lines = check(write(tmp_path / "a.conll", columns(rows, form, comment)), rows)
    assert any("comment lines are skipped, the first: '#" in line for line in lines)


def test_tokens_that_begin_with_a_hash_are_tokens(tmp_path: Path) -> None:
    rows = [[("#", "#"), ("a", "DT")], [("#tag", "NN"), ("b", "DT")], [("a", "DT"), ("#", "#"), ("#x", "NN")]]
    _, words, found, _ = fields(write(tmp_path / "a.txt", columns(rows * 5, "{word} {tag}")))
    assert len(found) == 15 and words.words[0] == "#" and sum(len(row[0]) for row in found) == 35


@pytest.mark.parametrize(
    ("header", "form"),
    [
        ("token\ttag", "{word}\t{tag}"),
        ("Word\tPOS\tTag", "{word}\tNN\t{tag}"),
        ("id token ner_tags", "{n} {word} {tag}"),
        ("word,label", "{word},{tag}"),
        ("token\tgold", "{word}\t{tag}"),
    ],
)
def test_a_header_names_the_columns(tmp_path: Path, header: str, form: str) -> None:
    rows = sentences()
    lines = check(write(tmp_path / "a.tsv", f"{header}\n{columns(rows, form)}"), rows)
    assert any("the first line names the columns" in line for line in lines)
    facts = tagged_facts(tmp_path / "a.tsv", FileReading(DataSettings()).options)
    assert facts is not None and facts.header and facts.format == "columns"


def test_a_first_line_that_is_a_token_is_no_header(tmp_path: Path) -> None:
    rows: list[Sentence] = [[("word", "B-PER"), ("tag", "O"), ("saw", "O")], *sentences()]
    path = write(tmp_path / "a.tsv", columns(rows))
    check(path, rows)
    assert len(fields(path, header="yes")[2][0][0]) == 2  # the option prevails


def test_the_separator_can_be_set(tmp_path: Path) -> None:
    rows = sentences()
    path = write(tmp_path / "a.txt", columns(rows, "{word};{tag}"))
    check(path, rows)
    check(path, rows, separator=";")
    with pytest.raises(SettingError, match="leave separator out"):
        fields(write(tmp_path / "a.json", '[["Ada left", {"entities": [[0, 3, "X"]]}]]'), separator=";")


# columns --------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "form",
    [
        "{n}\t{word}\t{tag}",
        "{n} {word} NN O {tag}",
        "doc{k} {n} {word} {tag}",
        "doc{k}\t0\t{n}\t{word}\tNN\t{tag}",
        "{word}\t{tag}\t",
        "{word}\t{tag} ",
        "{word} {tag}\t ",
        "{n}\t{word}\t{tag}\tO",
    ],
)
def test_words_and_tags_are_found_among_other_columns(tmp_path: Path, form: str) -> None:
    rows = sentences()
    lines = check(write(tmp_path / "a.conll", columns(rows, form)), rows)
    assert any("counts the tokens" in line for line in lines) == ("{n}" in form)


def test_only_characters_with_positions_of_words_lose_their_digits() -> None:
    def layout(*groups: str) -> ColumnLayout:
        return ColumnLayout([line for group in groups for line in [*(f"{t}\tO" for t in group.split()), ""]])

    assert layout("北0 京1 人0", "我0 们1 去0").has_positions
    for tokens in ("17 71 12", "C7 G7", "a0 b1 c2", "北0 京0 人0", "北3 京1", "10 20 30"):
        assert not layout(tokens, tokens).has_positions


@pytest.mark.parametrize("tokens", [["17", "71", "12", "75"], ["C7", "C6", "G7", "G9"], ["1", "2", "3"], ["x1", "x2"]])
def test_tokens_that_differ_in_digits_are_different_words(tmp_path: Path, tokens: list[str]) -> None:
    draw = random.Random(1)
    rows = [[(draw.choice(tokens), draw.choice("ab")) for _ in range(6)] for _ in range(30)]
    _, words, found, _ = fields(write(tmp_path / "a.conll", columns(rows)))
    assert sorted(words.words) == sorted(token.lower() for token in tokens) and words.keep_digits
    assert [row[0] for row in found] == [[token for token, _ in row] for row in rows]


def test_rare_numbers_of_running_text_share_a_word(tmp_path: Path) -> None:
    rows: list[Sentence] = [[*row, (str(1900 + n), "O")] for n, row in enumerate(sentences(90))]
    _, words, _, _ = fields(write(tmp_path / "a.conll", columns(rows)))
    assert "0000" in words.words and not words.keep_digits
    assert any(line.startswith("digits: replaced by 0") and "--keep-digits" in line for line in words.describe())


def test_conllu_plus(tmp_path: Path) -> None:
    rows = sentences()
    head = "# global.columns = ID FORM UPOS PARSEME:MWE\n"
    body = columns(rows, "{n}\t{word}\tNOUN\t{tag}", "# source_sent_id = . . {k}\n# text = x")
    source = open_tagged(write(tmp_path / "a.conllup", head + body))
    assert source.columns == ["id", "form", "upos", "parseme:mwe"]
    found = [row.values for row in source.rows()]
    assert [one["form"] for one in found] == [[word for word, _ in row] for row in rows]
    assert [one["parseme:mwe"] for one in found] == [[tag for _, tag in row] for row in rows]
