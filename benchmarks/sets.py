"""The datasets of `quality.py`: how each one is split into its three parts, trained and evaluated, and its targets.

To add a dataset, write a function that creates the parts, and add an entry to `SETS`.
"""

from __future__ import annotations

import csv
import gzip
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import canvases
import captions
import couplets
import forecasts
import logs
import make_csv
import poems
import spoken
import tagged
from common import recurra
from splits import Row, fraction, normal, part_of, split, write_parts

Parts = Mapping[str, Path]  # the file of each part: train, select, report
SAMPLES = 200  # number of generated poems
LONGEST = 400  # maximum number of characters of a sample; 99 of 100 poems have less than 302


@dataclass(frozen=True)
class Target:
    """A metric and its target value: the minimum or, with `most`, the maximum."""

    figure: str
    value: float
    most: bool = False

    def met(self, value: float) -> bool:
        """Return whether a value meets the target."""
        return value <= self.value if self.most else value >= self.value

    def __str__(self) -> str:
        return f"{self.figure} {'<=' if self.most else '>='} {self.value:g}"


def by_command(run: Path, parts: Parts, part: str) -> dict[str, float]:
    """Return the metrics of `recurra evaluate` on a part."""
    figures = json.loads(recurra("evaluate", run, parts[part], "--json").stdout)
    return {name: float(value) for name, value in figures.items() if isinstance(value, int | float)}


@dataclass(frozen=True)
class Set:
    """A dataset and its evaluation.

    name      name of the dataset
    task      task of `recurra train`
    minutes   time budget
    targets   targets of the metrics
    write     function that writes the parts from the data folder to another folder and returns their paths
    judge     function that returns the metrics of a run
    options   options of `recurra train` that define the problem, such as `--tags upos`, but not the model
    """

    name: str
    task: str
    minutes: float
    targets: tuple[Target, ...]
    write: Callable[[Path, Path], Parts]
    judge: Callable[[Path, Parts, str], dict[str, float]] = by_command
    options: tuple[str, ...] = ()


# --- labeled rows ----------------------------------------------------------------------------------------------------


def labeled(read: Callable[[Path], Iterable[Row]], *, unique: bool = False) -> Callable[[Path, Path], Parts]:
    """Return a function that writes the parts of rows (text, label): 80 % train, 10 % select, 10 % report."""

    def write(data: Path, folder: Path) -> Parts:
        return write_parts(folder, split(read(data), unique=unique))

    return write


def imdb(data: Path) -> Iterator[Row]:
    """Yield 25,000 film reviews with the label positive or negative."""
    csv.field_size_limit(sys.maxsize)
    with gzip.open(data / "imdb" / "train.csv.gz", "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield row["review"], row["sentiment"]


def names(data: Path) -> Iterator[Row]:
    """Yield family names of 18 languages. A name can occur in several languages."""
    for path in sorted((data / "names").glob("*.txt")):
        for line in make_csv.lines(path):
            yield line, path.stem


# --- text for a language model ----------------------------------------------------------------------------------------


def shakespeare(data: Path, folder: Path) -> Parts:
    """Split one text by position: the last 10 % are the report part, and the 5 % before it are the select part."""
    text = (data / "tinyshakespeare" / "input.txt").read_text(encoding="utf-8")
    marks = (0, len(text) * 85 // 100, len(text) * 90 // 100, len(text))
    folder.mkdir(parents=True, exist_ok=True)
    paths = {}
    for part, begin, end in zip(("train", "select", "report"), marks, marks[1:], strict=False):
        paths[part] = folder / f"{part}.txt"
        paths[part].write_text(text[begin:end], encoding="utf-8")
    return paths


def tang(data: Path, folder: Path) -> Parts:
    """Write Tang poems, one per paragraph: 95 % train, 5 % select. The report uses samples and requires no third part."""
    rows = dict.fromkeys(poems.read(data / "chinese_poetry"))
    parts: dict[str, list[str]] = {"train": [], "select": []}
    for poem in rows:
        parts[part_of((poem,), select=0.05, report=0.0)].append(poem)
    folder.mkdir(parents=True, exist_ok=True)
    paths = {part: folder / f"{part}.txt" for part in parts}
    for part, texts in parts.items():
        poems.write(paths[part], texts)
    return paths


def judge_poems(run: Path, parts: Parts, part: str) -> dict[str, float]:
    """Return the metrics of 200 samples at temperature 0.8 from the Python interface. Each part uses its own random seeds."""
    import recurra as package

    model = package.load(run)
    first = 0 if part == "report" else 10_000
    samples = [
        poems.first_poem("".join(islice(model.generate_iter(temperature=0.8, seed=first + index), LONGEST)))
        for index in range(SAMPLES)
    ]
    (run / f"samples-{part}.txt").write_text("\n\n".join(samples) + "\n", encoding="utf-8")
    training = (parts[name].read_text(encoding="utf-8") for name in ("train", "select"))
    return poems.judge(samples, training)


# --- tagged sentences -------------------------------------------------------------------------------------------------

UPOS = ("--tags", "upos")
english = tagged.columns("ud_english_ewt/en_ewt-ud-train.conllu.gz", "ud_english_ewt/en_ewt-ud-dev.conllu.gz", word=1)
chinese = tagged.columns("ud_chinese_gsd/zh-ud-train.conllu.gz", "ud_chinese_gsd/zh-ud-dev.conllu", word=1)
resume = tagged.columns("ner_resume/train.char.bmes", "ner_resume/dev.char.bmes")
chunks = tagged.columns("conll2000_chunking/train.txt.gz", None)


# --- time series -----------------------------------------------------------------------------------------------------------


def backtest(horizon: int, seasonality: int, num_windows: int, step_size: int = 1, *more: str) -> tuple[str, ...]:
    """Return the options of a forecast: the horizon, the seasonality, and the backtesting windows."""
    options = {
        "--horizon": horizon,
        "--seasonality": seasonality,
        "--num-windows": num_windows,
        "--step-size": step_size,
    }
    return (*(str(word) for pair in options.items() for word in pair), *more)


BELOW = Target("rmse_below_seasonal", 0.15)
COVERED = (Target("coverage_80", 0.77), Target("coverage_80", 0.83, most=True))
ALL = 100_000  # more windows than any series has


# --- pairs of translate -----------------------------------------------------------------------------------------------

PAIR = ("source", "target")


def lines(path: Path) -> list[str]:
    """Return the lines of a gzip file."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [line.rstrip("\n") for line in file]


def dates(_: Path, folder: Path) -> Parts:
    """Write the built-in dataset: 80 % train, 10 % select, 10 % report."""
    from recurra.data import sets

    with sets.make("dates").open(encoding="utf-8", newline="") as file:
        rows = [tuple(line.rstrip("\n").split("\t")) for line in islice(file, 1, None)]
    return write_parts(folder, split(rows), PAIR)


def pronunciations(data: Path) -> dict[str, list[str]]:
    """Return the pronunciations of each word, as phonemes without stress. Words with other characters than letters and
    ' - . are left out."""
    found: dict[str, dict[str, None]] = {}
    for line in lines(data / "cmudict" / "cmudict.gz"):
        word, _, *phonemes = line.split()
        if word[0].isalpha() and set(word) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ'-."):
            found.setdefault(word, {})[" ".join(phoneme.rstrip("012") for phoneme in phonemes)] = None
    return {word: list(spoken) for word, spoken in found.items()}


def cmudict(data: Path, folder: Path) -> Parts:
    """Write words and their phonemes: 5 % of the words are for report and 2 % for select, with all their pronunciations."""
    parts: dict[str, list[Row]] = {"train": [], "select": [], "report": []}
    for word, spoken_forms in pronunciations(data).items():
        part = part_of((word,), select=0.02, report=0.05)
        parts[part] += [(word, phonemes) for phonemes in spoken_forms]
    return write_parts(folder, parts, PAIR)


def judge_words(run: Path, parts: Parts, part: str) -> dict[str, float]:
    """Return the phoneme error rate and the word error rate. A prediction is compared with the nearest pronunciation."""
    from torchmetrics.functional.text import edit_distance

    import recurra as package

    letter: dict[str, str] = {}  # one character per phoneme, because the library counts edits of characters

    def distance(one: str, other: str) -> int:
        spelt = ("".join(letter.setdefault(p, chr(65 + len(letter))) for p in text.split()) for text in (one, other))
        return int(edit_distance(*spelt, reduction="sum"))

    spoken: dict[str, list[str]] = {}
    with parts[part].open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            spoken.setdefault(row["source"], []).append(row["target"])
    errors = phonemes = wrong = 0
    answers = package.load(run).predict_iter(spoken, batch_size=256)
    for wanted, answer in zip(spoken.values(), answers, strict=True):
        wrongly, length = min((distance(answer["text"], one), len(one.split())) for one in wanted)
        errors, phonemes, wrong = errors + wrongly, phonemes + length, wrong + (wrongly > 0)
    return {"phoneme_error": errors / phonemes, "word_error": wrong / len(spoken)}


def multi30k(data: Path, folder: Path) -> Parts:
    """Write English to German: val is the report part, and 3 % of train are the select part."""
    train, val = (
        list(zip(*(lines(data / "multi30k" / f"{name}.{side}.gz") for side in ("en", "de")), strict=True))
        for name in ("train", "val")
    )
    parts = split(train, select=0.03, report=0.0)
    return write_parts(folder, {"train": parts["train"], "select": parts["select"], "report": val}, PAIR)


def tatoeba(data: Path, folder: Path) -> Parts:
    """Write English to French: the 2,000 pairs with the smallest hashes of the English side are the report part, and 1 % are
    the select part. All pairs with the same English side are in one part."""
    rows = [tuple(line.split("\t")[:2]) for line in lines(data / "tatoeba_eng_fra" / "fra.txt.gz")]
    by_side: dict[str, list[Row]] = {}
    for row in dict.fromkeys(rows):
        by_side.setdefault(normal(row[0]), []).append(row)
    parts: dict[str, list[Row]] = {"train": [], "select": [], "report": []}
    for side in sorted(by_side, key=lambda side: fraction((side,))):
        full = len(parts["report"]) >= 2000
        selects = full and len(parts["select"]) < len(rows) // 100
        parts["select" if selects else "train" if full else "report"] += by_side[side]
    parts["report"] = parts["report"][:2000]
    return write_parts(folder, parts, PAIR)


# --- images -----------------------------------------------------------------------------------------------------------


def scenes(_: Path, folder: Path) -> Parts:
    """Write the built-in dataset, split by a hash of the image: 80 % train, 10 % select, 10 % report."""
    import hashlib

    import numpy as np

    from recurra.data import sets

    with np.load(sets.make("scenes")) as file:
        images, texts = file["image"], file["text"]
    place = {hashlib.blake2b(image.tobytes(), digest_size=16).hexdigest(): at for at, image in enumerate(images)}
    folder.mkdir(parents=True, exist_ok=True)
    paths = {}
    for part, rows in split((name, str(texts[at])) for name, at in place.items()).items():
        index = np.array([place[row[0]] for row in rows])
        paths[part] = folder / f"{part}.npz"
        np.savez_compressed(paths[part], image=images[index], text=texts[index])
    return paths


def judge_canvases(run: Path, parts: Parts, part: str) -> dict[str, float]:
    """Return the metrics of `recurra evaluate`, and the fraction of the attention on the digit that is named."""
    return by_command(run, parts, part) | {"attention": canvases.attention_on_digits(run, parts[part])}


SETS = {
    item.name: item
    for item in (
        Set("imdb", "classify", 20, (Target("accuracy", 0.89),), labeled(imdb)),
        Set("names", "classify", 5, (Target("accuracy", 0.81), Target("macro_f1", 0.44)), labeled(names, unique=True)),
        Set("rt_polarity", "classify", 5, (Target("accuracy", 0.75),), labeled(make_csv.rt_polarity)),
        Set("trec", "classify", 5, (Target("accuracy", 0.88),), labeled(make_csv.trec)),
        Set("shakespeare", "language", 20, (Target("nats_per_character", 1.55, most=True),), shakespeare),
        Set(
            "etth1",
            "forecast",
            10,
            (Target("scaled_mse", 0.39, most=True), Target("scaled_mae", 0.41, most=True)),
            forecasts.by_time("ETTh1.csv.gz", 8640, 11520, 14400, context=96),
            forecasts.judge,
            backtest(96, 24, ALL, 1, "--context-length", "96"),
        ),
        Set(
            "m4_hourly",
            "forecast",
            15,
            (Target("smape", 13, most=True), Target("smape_below_seasonal", 0), *COVERED),
            forecasts.m4(48),
            forecasts.judge,
            backtest(48, 24, 1),
        ),
        Set(
            "airline",
            "forecast",
            3,
            (BELOW,),
            forecasts.by_time("airline-passengers.csv", 84, 108, 144),
            forecasts.judge,
            backtest(12, 12, 3, 12),
        ),
        Set(
            "sunspots",
            "forecast",
            3,
            (BELOW,),
            forecasts.by_time("monthly-sunspots.csv", 2340, 2580, 2820),
            forecasts.judge,
            backtest(12, 132, 20, 12),
        ),
        Set(
            "temperatures",
            "forecast",
            3,
            (BELOW,),
            forecasts.by_time("daily-min-temperatures.csv", 2920, 3285, 3650),
            forecasts.judge,
            backtest(7, 365, 52, 7),
        ),
        Set(
            "pm25",
            "forecast",
            3,
            (BELOW, *COVERED),
            forecasts.by_time("pollution.csv.gz", 26304, 35064, 43824),
            forecasts.judge,
            backtest(24, 24, 8737, 1, "--target", "pm2.5"),
        ),
        Set("tang", "language", 10, (Target("regular", 0.85), Target("copied", 0.02, most=True)), tang, judge_poems),
        Set("hdfs", "language", 5, (Target("f1", 0.93),), logs.write, logs.judge, ("--tokenization", "words")),
        Set("ewt", "tag", 15, (Target("accuracy", 0.94),), english, options=UPOS),
        Set("gsd", "tag", 10, (Target("accuracy", 0.91),), chinese, options=UPOS),
        Set("resume", "tag", 15, (Target("f1", 0.93),), resume),
        Set("chunks", "tag", 15, (Target("f1", 0.92),), chunks),
        Set("chunks_pos", "tag", 15, (Target("f1", 0.93),), chunks, options=("--token-features", "2")),
        Set(
            "atis",
            "tag",
            10,
            (Target("f1", 0.96), Target("sentence_label_accuracy", 0.97)),
            tagged.parallel_files("nlu_atis"),
        ),
        Set(
            "snips",
            "tag",
            10,
            (Target("f1", 0.92), Target("sentence_label_accuracy", 0.98)),
            tagged.parallel_files("nlu_snips"),
        ),
        Set("dates", "translate", 5, (Target("exact_match", 0.99),), dates),
        Set(
            "cmudict",
            "translate",
            30,
            (Target("phoneme_error", 0.075, most=True), Target("word_error", 0.30, most=True)),
            cmudict,
            judge_words,
        ),
        Set("multi30k", "translate", 60, (Target("bleu", 31),), multi30k),
        Set("tatoeba", "translate", 30, (Target("bleu", 0),), tatoeba),
        Set("mnist", "classify", 10, (Target("accuracy", 0.985),), canvases.mnist),
        Set("scenes", "caption", 10, (Target("exact_match", 0.97),), scenes),
        Set(
            "canvases",
            "caption",
            20,
            (Target("exact_match", 0.93), Target("attention", 0.70)),
            canvases.canvases,
            judge_canvases,
        ),
        Set("fsdd", "classify", 10, (Target("accuracy", 0.97),), spoken.digits),
        Set("fsdd_strings", "transcribe", 20, (Target("wer", 0.04, most=True),), spoken.strings),
        Set(
            "couplets",
            "couplet",
            30,
            (Target("ratio", 0.6, most=True), Target("equal_length", 1.0)),
            couplets.write,
            couplets.judge,
        ),
        Set(
            "flickr8k",
            "translate",
            30,
            (Target("rouge_l_above_copying", 0),),
            captions.write,
            captions.judge,
            ("--source", ",".join(captions.OTHERS), "--target", captions.COLUMNS[0]),
        ),
    )
}
