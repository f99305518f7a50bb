"""Files in the shapes of public data sets: how many examples are read and from which columns, or why a file is refused."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from input_shapes import LABELS, TEXTS, examples, prepared, write

from recurra.errors import DataError


def air_quality(path: Path) -> Path:
    """The shape of the UCI table: `;`, decimal commas, times 18.00.00, two empty columns, empty rows at the end, -200."""
    lines = ["Date;Time;CO(GT);T;AH;;"]
    for at in range(300):
        time = datetime(2004, 3, 10, 18) + timedelta(hours=at)
        carbon = "-200" if at % 30 == 5 else f"{2 + np.sin(at / 4):.1f}".replace(".", ",")
        lines.append(f"{time:%d/%m/%Y;%H.%M.%S};{carbon};{13 + at % 24 / 10:.1f}".replace(".0;", ".0;") + ";0,7578;;")
        lines[-1] = lines[-1][:20] + lines[-1][20:].replace(".", ",")
    return write(path, "\n".join([*lines[:-1], lines[-1].replace("0,7578", "0,7")]) + "\n" + ";;;;;;\n" * 50)


def test_air_quality(tmp_path: Path) -> None:
    dataset, info = prepared("forecast", air_quality(tmp_path / "AirQualityUCI.csv"))
    assert info.rows + info.valid_rows == 3 * 300
    (first, *_) = dataset.read(tmp_path / "AirQualityUCI.csv").series  # type: ignore[attr-defined]
    assert (first.name, len(first.values), first.values[0], first.values[5]) == ("CO(GT)", 300, 2.0, -200.0)
    assert any("time column: Date, Time, every hour" in line for line in info.messages)
    assert any("-200 in CO(GT)" in line and "--missing=-200" in line for line in info.messages)


def test_world_bank(tmp_path: Path) -> None:
    """Two lines above the header, years as columns, and a comma at the end of each line."""
    names = [f'"{year}"' for year in range(1960, 2020)]
    head = '"Data Source","World Development Indicators",\n\n"Last Updated Date","2023-09-19",\n\n'
    head += ",".join(['"Country Name"', '"Country Code"', '"Indicator Name"', *names]) + ",\n"
    rows = "".join(
        f'"Land {k}","L{k}","Population, total",' + ",".join(f'"{k * 100 + at % 7}"' for at in range(60)) + ",\n"
        for k in range(1, 20)
    )
    dataset, info = prepared("forecast", write(tmp_path / "API.csv", head + rows))
    assert info.rows + info.valid_rows == 19 * 60
    assert any("above the header are not read" in line for line in dataset.reading.facts(tmp_path / "API.csv").notes)  # type: ignore[union-attr]


def test_a_table_of_texts_and_single_numbers_in_json(tmp_path: Path) -> None:
    """The shape of Yelp: numbers beside the text are no windows."""
    rows = [{"id": f"r{at}", "stars": 1.0 + at % 2, "useful": at % 3, "text": text} for at, text in enumerate(TEXTS)]
    path = write(tmp_path / "reviews.json", "".join(json.dumps(row) + "\n" for row in rows))
    dataset, info = prepared("classify", path, label="stars")
    assert dataset.rows.columns == {"text": "text", "label": "stars"}  # type: ignore[attr-defined]
    assert info.rows + info.valid_rows == 60


def test_answers_from_a_passage(tmp_path: Path) -> None:
    """The default are words; a passage that is not read causes a warning."""
    people, places = ["Ada", "Otto", "Nora", "Juri"], ["Graz", "Turku", "Basel", "Ghent"]
    rows = []
    for at in range(200):
        who, where = people[at % 4], places[at // 4 % 4]
        passage = f"{who} went to {where}. {people[(at + 1) % 4]} stayed at home on day {at}."
        rows.append({"passage": passage, "question": f"Where did {who} go?", "answer": where})
    path = write(tmp_path / "qa.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    dataset, info = prepared("translate", path, source="passage,question", target="answer")
    assert (dataset.source.tokenization, dataset.target.tokenization) == ("words", "words")  # type: ignore[attr-defined]
    assert not any("is not used" in line for line in info.messages)
    (tmp_path / "one").mkdir()
    _, info = prepared("translate", write(tmp_path / "one" / "qa.jsonl", path.read_text()))
    assert any("columns: source 'question', target 'answer'; not used: 'passage'" in line for line in info.messages)
    assert any("warning: column 'passage' is not used; --source passage,question" in line for line in info.messages)


def test_a_folder_of_numbered_files(tmp_path: Path) -> None:
    """The shape of 20 newsgroups: a folder for each class, files named by numbers."""
    for at, text in enumerate(TEXTS):
        folder = tmp_path / "news" / ("sci.space", "rec.autos")[at % 2]
        folder.mkdir(parents=True, exist_ok=True)
        write(folder / str(10000 + at), f"Subject: {text}\n\n{text}\n")
    assert examples("classify", tmp_path / "news") == 60


def test_sentences_in_the_cells_of_a_file_of_any_name(tmp_path: Path) -> None:
    """The shape of ATIS: a sentence and its tags in a line."""
    lines = [f"BOS fly to {'graz' if at % 2 else 'basel'} {at} EOS\tO O O B-city O flight" for at in range(40)]
    dataset, info = prepared("tag", write(tmp_path / "atis.iob", "\n".join(lines) + "\n"))
    assert info.rows + info.valid_rows == 40
    assert len(list(dataset.inputs(str(tmp_path / "atis.iob")) or ())) == 40


def test_images_with_the_number_of_a_caption(tmp_path: Path) -> None:
    """The shape of Flickr8k: image.jpg#0, tab, caption."""
    image = pytest.importorskip("PIL.Image")
    for at in range(12):
        image.fromarray(np.full((8, 8), 20 * at, np.uint8)).save(tmp_path / f"{at}_ab.png")
    lines = "".join(f"{at}_ab.png#{n}\tA {TEXTS[at]} .\n" for at in range(12) for n in range(2))
    dataset, info = prepared("caption", write(tmp_path / "Flickr8k.token.txt", lines))
    assert info.rows + info.valid_rows == 24 and info.messages[0].startswith("24 captions of 12 images")
    assert len(list(dataset.inputs(str(tmp_path / "Flickr8k.token.txt")) or ())) == 24


def squad(count: int = 3) -> dict[str, Any]:
    return {"version": "1.1", "data": [{"title": "x", "paragraphs": []} for _ in range(count)]}


REFUSED = {
    "SQuAD, one line": ("translate", "train.json", json.dumps(squad()), r"jq -c '\.data\[\]'"),
    "COCO, one line": (
        "caption",
        "captions.json",
        json.dumps({"info": {}, "images": [{"id": 1}] * 2, "annotations": [{"caption": "a"}] * 4}),
        r"keys 'info', 'images', 'annotations'.* 'annotations' has a list of 4",
    ),
    "ARFF": ("classify", "a.arff", "@relation a\n@data\n1,2\n", r"\.arff cannot be read: write the lines after @data"),
    "sktime": ("classify", "a.ts", "@data\n1,2:1\n", r"\.ts cannot be read: write one series per row"),
    "TMX": ("translate", "a.tmx", "<tmx></tmx>\n", r"\.tmx cannot be read: write the sources and the targets"),
    "TREC": (
        "classify",
        "train.label",
        "".join(f"{'ENTY' if at % 2 else 'DESC'}:x How {text} ?\n" for at, text in enumerate(TEXTS)),
        r"If the first word \('DESC:x'\) is the label of each line, write a tab after it",
    ),
    "CoNLL-2012": (
        "tag",
        "a.gold_conll",
        "".join(f"Ada (PER*\nLovelace *)\nleft{at} *\n\n" for at in range(30)),
        r"tags such as '\(PER\*' are brackets around spans",
    ),
    "adult.test": (
        "classify",
        "adult.test",
        "|1x3 Cross validator\n" + "".join(f"{at}, Private, {at * 7}, <=50K.\n" for at in range(30)),
        r"row 1: 1 cell, but the first line has 4|row 1: 1 cell",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_a_remedy(tmp_path: Path, case: str) -> None:
    task, name, text, message = REFUSED[case]
    with pytest.raises(DataError, match=message):
        prepared(task, write(tmp_path / name, text), **({"label": "4", "text": "2"} if case == "adult.test" else {}))


def test_one_row_in_json_lines_is_a_row(tmp_path: Path) -> None:
    """A file with one object of a usual name is no document, also if it has a list of objects."""
    row = {"text": "Ada left", "entities": [{"start": 0, "end": 3, "label": "PER"}] * 2}
    path = write(tmp_path / "one.jsonl", json.dumps(row) + "\n")
    dataset, _ = prepared("language", write(tmp_path / "many.jsonl", (json.dumps(row) + "\n") * 60))
    facts = dataset.reading.facts(path)  # type: ignore[union-attr]
    assert (facts.format, facts.rows) == ("jsonl", 1)


def test_an_object_among_texts_is_an_error_of_its_row(tmp_path: Path) -> None:
    rows: list[Any] = [{"text": text} for text in TEXTS]
    rows[40] = {"text": {"body": "inside"}}
    path = write(tmp_path / "a.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(DataError, match=r"a\.jsonl, row 41, field 'text': is an object, .*line 41"):
        prepared("language", path)
    labeled = [{**row, "label": label} for row, label in zip(rows, LABELS, strict=True)]
    path = write(tmp_path / "b.jsonl", "".join(json.dumps(row) + "\n" for row in labeled))
    with pytest.raises(DataError, match=r"b\.jsonl, row 41, field 'text': "):
        prepared("classify", path)
