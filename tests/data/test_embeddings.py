"""Files of pretrained word embeddings: formats, matching of words, errors, and training with them."""

from __future__ import annotations

import gzip
import json
import pickle
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_runs import reviews

import recurra
from recurra.data.words.embeddings import EXACT, LOWERCASE, NORMALIZED, EmbeddingFile, find_embeddings
from recurra.errors import DataError, SettingError, UserError
from recurra.models.encoder import TokenEmbedding
from recurra.progress import Silent

WORDS = {"film": [0.5, -1.0, 0.25], "dull": [1.5, 2.0, -0.125], "电影": [0.0, 1.0, 3.0]}


def glove(path: Path) -> None:
    path.write_text("".join(f"{word} {' '.join(map(str, v))}\n" for word, v in WORDS.items()), encoding="utf-8")


def word2vec(path: Path) -> None:
    glove(path)
    path.write_text(f"3 3\n{path.read_text(encoding='utf-8')}", encoding="utf-8")


def fasttext(path: Path) -> None:  # a space at the end of each line
    word2vec(path)
    path.write_text(path.read_text(encoding="utf-8").replace("\n", " \n").replace("3 3 ", "3 3"), encoding="utf-8")


def binary(path: Path) -> None:
    body = b"".join(word.encode() + b" " + struct.pack("<3f", *v) + b"\n" for word, v in WORDS.items())
    path.write_bytes(b"3 3\n" + body)


def binary_without_line_ends(path: Path) -> None:  # as gensim writes it
    path.write_bytes(b"3 3\n" + b"".join(word.encode() + b" " + struct.pack("<3f", *v) for word, v in WORDS.items()))


FORMS: dict[str, Callable[[Path], None]] = {
    "glove.txt": glove,
    "word2vec.txt": word2vec,
    "fasttext.vec": fasttext,
    "word2vec.bin": binary,
    "gensim.bin": binary_without_line_ends,
}


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("name", FORMS)
def test_all_formats_have_the_same_embeddings(tmp_path: Path, name: str, packed: bool) -> None:
    path = tmp_path / name
    FORMS[name](path)
    if packed:
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path = tmp_path / f"{name}.gz"
    file = EmbeddingFile(path)
    assert (file.size, file.form) == (3, "binary" if name.endswith(".bin") else "text")
    assert [word.decode() for word, _ in file.entries()] == list(WORDS)
    found = find_embeddings(file, ["电影", "no", "film"], None, lambda _: None)
    np.testing.assert_array_equal(found.embeddings, [WORDS["电影"], [0, 0, 0], WORDS["film"]])
    assert found.match.tolist() == [EXACT, 0, EXACT]


def test_the_closest_match_is_used(tmp_path: Path) -> None:
    """The same word has priority over its lower case, and that over the first word in another case, in any order."""
    path = tmp_path / "v.txt"
    path.write_text("Paris 1 1\nPARIS 2 2\nfilm 3 3\nFilm 4 4\nbonn 5 5\n. . 6 6\n", encoding="utf-8")
    found = find_embeddings(EmbeddingFile(path), ["paris", "film", "Bonn", ". ."], str.lower, lambda _: None)
    assert found.match.tolist() == [NORMALIZED, EXACT, LOWERCASE, EXACT]
    assert found.embeddings[:, 0].tolist() == [1, 3, 5, 6]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"film 1 2 3\ndull 1 2\n", "line 2: the line has 2 numbers; expected 3"),
        (b"film 1 2 3\ndull 1 2 3 4\n", "line 2: the line has 4 numbers; expected 3"),
        (b"film 1 2 3\ndull 1 two 3\n", "line 2: expected 3 finite numbers after the word"),
        (b"film 1 2 3\ndull 1 nan 3\n", "line 2: expected 3 finite"),
        (b"film 1 2 3\n\ndull 1 2 3\n", "line 2: the line is empty"),
        (b"3 3\nfilm 1 2 3\ndull 1 2 3\n", "line 3: the file ends after 2 of 3 words"),
        (b"a film of words\n", "line 1: expected a word and its numbers, or"),
        (b"0 3\n", "line 1: the header announces 0 words"),
        (b"2 3\nfilm " + struct.pack("<3f", 1, 2, 3) + b"dull " + b"\0\0", "byte 28: the file ends within word 2 of 2"),
        (b"1 3\nfilm " + struct.pack("<3f", 1, 2, float("nan")), "byte 4: the numbers of the word are not finite"),
        (b"1 2\nfilm " + struct.pack("<3f", 1, 2, 3), "byte 17: there is more data after the 1 words of 2 numbers"),
        (b"1 3\n" + b"\0" * 3000, "byte 4: word 1 was not found"),
        (bytes.fromhex("ba164f2f0c000000"), "a fastText model"),
        (b"", "the file is empty"),
        (
            b"kino 1 2 3\n",
            "none of its 1 words (such as 'kino') is among the 2 words of the training data (such as 'film', 'dull')",
        ),
    ],
)
def test_errors_report_the_line_or_byte(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "v.bin"
    path = path if b"\0" in content or b"\x7f" in content else tmp_path / "v.txt"
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        find_embeddings(EmbeddingFile(path), ["film", "dull"], None, lambda _: None)
    assert problem in str(error.value) and str(path) in str(error.value) and "\n" not in str(error.value)


def test_a_truncated_gzip_file(tmp_path: Path) -> None:
    glove(tmp_path / "v")
    (tmp_path / "v.txt.gz").write_bytes(gzip.compress((tmp_path / "v").read_bytes() * 400)[:-20])
    with pytest.raises(DataError, match="cannot be read"):
        find_embeddings(EmbeddingFile(tmp_path / "v.txt.gz"), ["film"], None, lambda _: None)


def write_embeddings(path: Path, size: int = 8) -> dict[str, list[float]]:
    """Write embeddings of some words of `tiny_runs.write_reviews`, one of them in another case."""
    made = {word: [at + k / 8 for k in range(size)] for at, word in enumerate(["Film", "dull", "电", "warm"], 1)}
    path.write_text("".join(f"{word} {' '.join(map(str, v))}\n" for word, v in made.items()), encoding="utf-8")
    return made


@pytest.mark.parametrize("task", ["classify", "regress"])
def test_frozen_embeddings_are_not_trained(tmp_path: Path, task: str) -> None:
    made = write_embeddings(tmp_path / "v.txt")
    settings = {"embeddings": str(tmp_path / "v.txt"), "freeze_embeddings": True, "embedding_size": None, "steps": 3}
    run = reviews(tmp_path, task=task, **settings)
    (tmp_path / "v.txt").unlink()
    again = recurra.load(run.path)  # the run does not need the file
    assert again.settings.model.embedding_size == 8
    tables = [module for module in again.network.modules() if isinstance(module, TokenEmbedding)]
    tokens = again.task.dataset.input.field.vocabulary.tokens
    for table in tables:
        for word, vector in made.items():
            row = table.embedding.weight[tokens.index(word.lower())]
            torch.testing.assert_close(row, torch.tensor(vector))
        assert table.frozen_rows.sum() == len(made)
    assert again.predict(["a dull film"]) == run.predict(["a dull film"])


def test_embeddings_are_trained_unless_frozen(tmp_path: Path) -> None:
    made = write_embeddings(tmp_path / "v.txt")
    run = reviews(tmp_path, embeddings=str(tmp_path / "v.txt"), embedding_size=None, steps=3, ensemble_size=1)
    (table,) = (module for module in run.network.modules() if isinstance(module, TokenEmbedding))
    row = table.embedding.weight[run.task.dataset.input.field.vocabulary.tokens.index("dull")].detach()
    assert 0 < (row - torch.tensor(made["dull"])).abs().max() < 0.5


def test_coverage_is_reported(tmp_path: Path) -> None:
    """The coverage refers to the vocabulary and to the training data."""
    write_embeddings(tmp_path / "v.txt")
    lines: list[str] = []

    class Messages(Silent):
        def message(self, line: str) -> None:
            lines.append(line)

    run = reviews(tmp_path, embeddings=str(tmp_path / "v.txt"), embedding_size=None, steps=1, progress=Messages())
    (line,) = (line for line in lines if line.startswith("embeddings:"))
    words = len(run.task.dataset.input.field.vocabulary) - 3
    assert (
        f"size 8; they cover {100 * 4 / words:.0f} % of the vocabulary" in line and "1 matched in another case" in line
    )


def test_settings_that_disagree(tmp_path: Path) -> None:
    write_embeddings(tmp_path / "v.txt")
    vectors = str(tmp_path / "v.txt")
    with pytest.raises(SettingError, match=r"embedding_size = 16, but the embeddings in .*v\.txt have 8; remove"):
        reviews(tmp_path, embeddings=vectors, embedding_size=16)
    with pytest.raises(SettingError, match="tokenization is subwords"):
        reviews(tmp_path, embeddings=vectors, embedding_size=None, tokenization="subwords", vocabulary_size=300)
    with pytest.raises(SettingError, match="freeze_embeddings requires --embeddings FILE"):
        reviews(tmp_path, freeze_embeddings=True)
    with pytest.raises(SettingError, match="set only one of them"):
        reviews(tmp_path, embeddings=vectors, pretrained="runs/none")
    with pytest.raises(UserError, match="no such file"):
        reviews(tmp_path, embeddings=str(tmp_path / "none.txt"))
    assert not (tmp_path / "run").exists()


def test_a_tagger_uses_embeddings(tmp_path: Path) -> None:
    rows = [(["Ann", "saw", "1998", "films"], ["B", "O", "O", "O"]), (["dull", "days", "for", "Bob"], list("OOOB"))]
    data = tmp_path / "tags.jsonl"
    lines = [{"tokens": [*words, str(n)], "tags": [*tags, "O"]} for n in range(10, 20) for words, tags in rows]
    data.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    (tmp_path / "v.txt").write_text("ann 1 2 3\n1998 4 5 6\nFilms 7 8 9\n", encoding="utf-8")
    run = recurra.train("tag", data, out=tmp_path / "run", embeddings=str(tmp_path / "v.txt"), freeze_embeddings=True,
                        hidden_size=4, steps=2, ensemble_size=1)  # fmt: skip
    (table,) = (module for module in run.network.modules() if isinstance(module, TokenEmbedding))
    ids = run.task.dataset.words.ids
    for word, first in (("ann", 1.0), ("0000", 4.0), ("films", 7.0)):
        assert table.embedding.weight[ids[word], 0].item() == first


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_a_pickle_of_gensim_or_glove_python_has_its_remedy(tmp_path: Path, protocol: int) -> None:
    for name in ("vectors.kv", "vectors.bin", "glove.model"):
        path = tmp_path / name
        path.write_bytes(pickle.dumps({"vectors": np.zeros((3, 4)), "index_to_key": ["a", "b", "c"]}, protocol))
        with pytest.raises(
            DataError, match=r"gensim or glove-python .*save_word2vec_format\('vectors.bin', binary=True\)"
        ):
            EmbeddingFile(path)
