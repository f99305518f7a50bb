"""The measuring rules: splits, the check of poems, the lock, the refusal of a busy machine, timing in turns."""

from __future__ import annotations

import csv
import gzip
import itertools
import json
import os
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import canvases  # noqa: E402
import captions  # noqa: E402
import common  # noqa: E402
import couplets  # noqa: E402
import curves  # noqa: E402
import logs  # noqa: E402
import make_csv  # noqa: E402
import memory  # noqa: E402
import poems  # noqa: E402
import sets  # noqa: E402
import splits  # noqa: E402
import spoken  # noqa: E402
import tagged  # noqa: E402
from kneser_ney import START, KneserNey  # noqa: E402

ROWS = [(f"text {index}", f"label {index % 3}") for index in range(3000)]


# splits


def test_parts_are_disjoint_complete_and_of_the_asked_size() -> None:
    parts = splits.split(ROWS)
    assert sorted(row for rows in parts.values() for row in rows) == sorted(ROWS)
    for part, share in (("train", 0.8), ("select", 0.1), ("report", 0.1)):
        error = 5 * (share * (1 - share) / len(ROWS)) ** 0.5  # five standard deviations of a share of a fair hash
        assert abs(len(parts[part]) / len(ROWS) - share) < error


def test_a_row_keeps_its_part_whatever_stands_around_it() -> None:
    whole, fewer = splits.split(ROWS), splits.split(ROWS[::-2])
    for part in splits.PARTS:
        assert set(fewer[part]) == set(whole[part]) & set(ROWS[::-2])


def test_the_hash_is_the_same_on_every_machine() -> None:
    # worked out once; Python's own hash() would differ between processes
    assert splits.fraction(("a dull film", "negative")) == 0.48368946491911446
    assert splits.fraction(("ab", "c")) != splits.fraction(("a", "bc"))


def test_no_input_of_the_report_part_teaches_or_selects() -> None:
    reported = splits.split(ROWS)["report"]
    # the same inputs again with other labels and another look: these rows fall into any part by their hash
    copies = [(text.upper().replace(" ", "\n "), f"other {index}") for index, (text, _) in enumerate(ROWS)]
    parts = splits.split(ROWS + copies)
    inputs = {part: {splits.normal(text) for text, _ in rows} for part, rows in parts.items()}
    assert not inputs["report"] & (inputs["train"] | inputs["select"])
    assert not inputs["select"] & inputs["train"]
    assert set(reported) <= set(parts["report"])  # the report part itself loses nothing
    assert len(parts["train"]) < 0.8 * 2 * len(ROWS) - 200  # and rows were dropped


def test_unique_drops_equal_rows_but_not_another_label() -> None:
    rows = [("Abel", "English"), ("Abel", "English"), ("Abel", "Dutch")]
    assert sum(map(len, splits.split(rows, report=1.0, unique=True).values())) == 2
    assert sum(map(len, splits.split(rows, report=1.0).values())) == 3


def test_parts_are_written_as_csv(tmp_path: Path) -> None:
    paths = splits.write_parts(tmp_path, {"train": [('two\nlines, "quoted"', "x")], "report": []})
    with paths["train"].open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [["text", "label"], ['two\nlines, "quoted"', "x"]]


# the sets


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for name, text in {
        "names/Dutch.txt": "Abel\nAbel\nDe Vries\n",
        "names/English.txt": "Abel\n\nSmith\n",
        "rt_polarity/rt-polarity.pos": "good one\u2028still one line\nfine\n",
        "rt_polarity/rt-polarity.neg": "bad\n",
        "trec_qc/train.txt": "DESC:manner How did it: begin ?\nABBR:exp What is a CPU ?\n",
        "tinyshakespeare/input.txt": "".join(chr(ord("a") + index // 100) for index in range(2000)),
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8", newline="")
    return tmp_path


def test_rows_of_the_sets(data: Path) -> None:
    assert list(sets.names(data)) == [
        ("Abel", "Dutch"), ("Abel", "Dutch"), ("De Vries", "Dutch"), ("Abel", "English"), ("Smith", "English")
    ]  # fmt: skip
    assert [label for _, label in make_csv.rt_polarity(data)] == ["positive", "positive", "negative"]
    assert list(make_csv.trec(data)) == [("How did it: begin ?", "DESC"), ("What is a CPU ?", "ABBR")]


def test_shakespeare_reports_the_last_tenth(data: Path, tmp_path: Path) -> None:
    text = (data / "tinyshakespeare" / "input.txt").read_text()
    parts = {part: path.read_text() for part, path in sets.shakespeare(data, tmp_path / "out").items()}
    assert parts["train"] + parts["select"] + parts["report"] == text
    assert parts["report"] == text[1800:] and parts["select"] == text[1700:1800]


def test_tagged_sentences_that_are_reported_teach_nothing(tmp_path: Path) -> None:
    train = "".join(f"# id {n}\n1\tword{n}\tX\n2\tEnd\tY\n\n" for n in range(300))
    (tmp_path / "train").write_text(train)
    (tmp_path / "dev").write_text("1\tWord7\tX\n2\tend\tY\n\n1\tnew\tX\n")
    paths = tagged.columns("train", "dev", word=1)(tmp_path, tmp_path / "out")
    parts = {part: tagged.blocks(path.read_text(), 1) for part, path in paths.items()}
    assert [row[0] for row in parts["report"]] == ["Word7 end", "new"]
    kept = {row[0] for part in ("train", "select") for row in parts[part]}
    assert kept == {f"word{n} End" for n in range(300) if n != 7}
    assert 10 < len(parts["select"]) < 60
    last = tagged.columns("train", None, word=1)(tmp_path, tmp_path / "last")
    assert [row[0] for row in tagged.blocks(last["report"].read_text(), 1)] == [f"word{n} End" for n in range(270, 300)]


def test_triples_keep_their_lines_together(tmp_path: Path) -> None:
    for part, count in (("train", 200), ("valid", 3)):
        folder = tmp_path / "set" / part
        folder.mkdir(parents=True)
        for file in ("seq.in", "seq.out", "label"):
            (folder / file).write_text("".join(f"{file} {n}\n" for n in range(count)))
    paths = tagged.parallel_files("set")(tmp_path, tmp_path / "out")
    seen = []
    for part in ("train", "select", "report"):
        lines = [(paths[part] / file).read_text().splitlines() for file in ("seq.in", "seq.out", "label")]
        assert all(len({text.split()[1] for text in row}) == 1 for row in zip(*lines, strict=True))
        seen.append([int(text.split()[1]) for text in lines[0]])
    assert seen[2] == [0, 1, 2] and sorted(seen[0] + seen[1]) == list(range(3, 200))


def test_spoken_digits_keep_speakers_and_parts_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each digit of each recording has a level of its own, so that a string says what it was joined from."""
    (tmp_path / "recordings").mkdir()
    (tmp_path / "fsdd").mkdir()
    level = {}
    with tarfile.open(tmp_path / "fsdd" / "recordings_train.tar.gz", "w:gz") as archive:
        for number, (digit, speaker, index) in enumerate(itertools.product("37", ("ann", "bob"), (5, 12, 30))):
            path = tmp_path / "recordings" / f"{digit}_{speaker}_{index}.wav"
            soundfile.write(path, np.full(400, 100 + number, np.int16), 8000)
            archive.add(path, f"recordings/{path.name}")
            level[100 + number] = (digit, speaker, {5: "report", 12: "select", 30: "train"}[index])
    monkeypatch.setattr(spoken, "STRINGS", {"train": 6, "select": 2, "report": 4})
    paths = spoken.strings(tmp_path, tmp_path / "out")
    speakers = set()
    for part, count in spoken.STRINGS.items():
        with paths[part].open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == count
        for row in rows:
            samples, _ = soundfile.read(paths[part].parent / row["audio"], dtype="int16")
            loud = samples[samples != 0]
            said = [level[int(value)] for value in loud[::400]]
            assert len(loud) == 400 * len(said) and 3 <= len(said) <= 7 and samples[0] == samples[-1] == 0
            assert " ".join(digit for digit, _, _ in said) == row["text"]
            assert len({speaker for _, speaker, _ in said}) == 1 and {of for _, _, of in said} == {part}
            speakers.add(said[0][1])
    assert speakers == {"ann", "bob"}
    first = (tmp_path / "out" / "train" / "0000.wav").read_bytes()
    assert (spoken.strings(tmp_path, tmp_path / "again")["train"].parent / "train" / "0000.wav").read_bytes() == first
    alone = spoken.digits(tmp_path, tmp_path / "alone")["report"].read_text().split()
    assert alone == [
        "audio,label",
        *(f"recordings/{digit}_{who}_5.wav,{digit}" for digit in "37" for who in ("ann", "bob")),
    ]


def test_captions_keep_their_images_together(tmp_path: Path) -> None:
    source = tmp_path / "flickr8k_captions"
    source.mkdir()
    text = "".join(f"{image}.jpg#{n}\tcaption {n} of  {image}\n" for image in range(300) for n in range(5))
    with gzip.open(source / "train.token.txt.gz", "wt", encoding="utf-8") as file:
        file.write(text)
    (source / "dev.token.txt").write_text("x.jpg#0\tA dog .\nx.jpg#1\tA big dog\n", encoding="utf-8")
    rows = {}
    for part, path in captions.write(tmp_path, tmp_path / "out").items():
        with path.open(encoding="utf-8", newline="") as file:
            rows[part] = list(csv.reader(file))[1:]
    assert rows["report"] == [["A dog .", "A big dog"]]
    assert 15 <= len(rows["select"]) <= 50 and len(rows["train"]) + len(rows["select"]) == 300
    for row in rows["train"] + rows["select"]:
        assert row == [f"caption {n} of {row[0].split()[-1]}" for n in range(5)]


def test_rouge_l_by_hand() -> None:
    # common: a ... dog runs, 3 words of 4 and of 5: 2 * 0.75 * 0.6 / 1.35; and nothing in common
    written, expected = ["A dog runs fast .", "cat"], ["a big dog runs home", "dog"]
    assert captions.rouge_l(written, expected) == pytest.approx((2 * 0.75 * 0.6 / 1.35 + 0) / 2)


def test_every_set_has_targets_and_a_budget() -> None:
    text = {"imdb", "names", "rt_polarity", "trec", "shakespeare", "tang", "hdfs"}
    tags = {"ewt", "gsd", "resume", "chunks", "chunks_pos", "atis", "snips"}
    series = {"etth1", "m4_hourly", "airline", "sunspots", "temperatures", "pm25"}
    pairs = {"dates", "cmudict", "multi30k", "tatoeba", "couplets", "flickr8k"}
    sound = {"fsdd", "fsdd_strings"}
    images = {"mnist", "scenes", "canvases"}
    assert set(sets.SETS) == text | tags | series | pairs | sound | images
    assert all(item.targets and item.minutes > 0 for item in sets.SETS.values())
    at_least, at_most = sets.Target("accuracy", 0.89), sets.Target("loss", 1.55, most=True)
    assert at_least.met(0.89) and not at_least.met(0.8899) and at_most.met(1.55) and not at_most.met(1.551)


# couplets


def test_kneser_ney_by_hand() -> None:
    """0 1, 0 2, 0 1, 2 1 over four tokens. Bigrams: .0 3, .2 1, 01 2, 02 1, 21 1 (a point is the start), so D2 = 3 / (3 + 2).

    Different ones before each token: 1, 2, 2, 0, so D1 = 1 / (1 + 4), and p(w) = (N - 1/5) / 5 + 1/5 * 3/5 / 4.
    """
    model = KneserNey([[0, 1], [0, 2], [0, 1], [2, 1]], 4)
    assert model.discounts == pytest.approx((0.2, 0.6))
    assert [model.alone(w) for w in range(4)] == pytest.approx([0.19, 0.39, 0.39, 0.03])
    # after 0: c(01) = 2, c(02) = 1 of 3, two different ones
    after_0 = [0.4 * 0.19, 1.4 / 3 + 0.4 * 0.39, 0.4 / 3 + 0.4 * 0.39, 0.4 * 0.03]
    assert [model.probability(w, 0) for w in range(4)] == pytest.approx(after_0)
    assert model.probability(0, START) == pytest.approx(2.4 / 4 + 0.3 * 0.19)
    assert model.probability(1, 3) == model.alone(1)  # nothing ever followed 3
    assert sum(model.probability(w, v) for v in (START, 0, 1, 2, 3) for w in range(4)) == pytest.approx(5)
    first, second = 0.657, 1.4 / 3 + 0.156
    assert model.perplexity([[0, 1]]) == pytest.approx((first * second) ** -0.5)
    assert model.perplexity([[0, 1], [], [0]]) == pytest.approx((first**2 * second) ** (-1 / 3))


def test_couplets_share_no_line_across_parts(tmp_path: Path) -> None:
    (tmp_path / "couplets").mkdir()
    train = [f"q{n}\ta{n % 350}" for n in range(400)] + ["q\x85x\ta"]
    dev = ["d1\te1", "q7\te2", "d3\ta8"]
    for name, rows in (("train", train), ("dev", dev)):
        (tmp_path / "couplets" / f"{name}.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    paths = couplets.write(tmp_path, tmp_path / "out")
    lines = {}
    for part, path in paths.items():
        with path.open(encoding="utf-8", newline="") as file:
            lines[part] = [line for row in csv.DictReader(file) for line in row.values()]
    assert lines["report"] == ["d1", "e1", "q7", "e2", "d3", "a8"]
    assert len(lines["select"]) > 10 and len(lines["train"]) > 600
    for one, other in (("train", "select"), ("train", "report"), ("select", "report")):
        assert not set(lines[one]) & set(lines[other])
    assert couplets.answers(paths["report"]) == ["e1", "e2", "a8"]


def test_a_couplet_run_is_held_against_bigrams_over_its_own_vocabulary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unknown characters are one token for both; the two marks that no answer holds are no tokens of the bigram model."""
    from types import SimpleNamespace

    import recurra
    from recurra.data.words.vocabulary import build

    vocabulary = build(["abab", "ab"], "characters")
    task = SimpleNamespace(dataset=SimpleNamespace(vocabulary=vocabulary))
    rows = {"train": [("xy", "ab"), ("xy", "aa")], "report": [("xyz", "abz")]}
    paths = splits.write_parts(tmp_path, rows, ("source", "target"))
    monkeypatch.setattr(
        couplets, "recurra", lambda *_: SimpleNamespace(stdout='{"perplexity": 3.0, "equal_length": 1}')
    )
    monkeypatch.setattr(recurra, "load", lambda _: SimpleNamespace(task=task))
    figures = couplets.judge(tmp_path, paths, "report")
    a, b = (int(vocabulary.encode(letter)[0]) for letter in "ab")
    bigrams = KneserNey([[a, b], [a, a]], 3).perplexity([[a, b, vocabulary.unknown]])
    assert figures == {
        "perplexity": 3.0,
        "equal_length": 1.0,
        "kneser_ney": pytest.approx(bigrams),
        "ratio": pytest.approx(3.0 / bigrams),
    }


# poems

FIVE = "川上風雨來，須臾滿城闕。\n岧嶢青蓮界，蕭條孤興發。"
SEVEN = "朝辭白帝彩雲間，千里江陵一日還。\n兩岸猿聲啼不住，輕舟已過萬重山。"


@pytest.mark.parametrize(
    ("poem", "expected"),
    [
        (FIVE, True),
        (SEVEN, True),
        (FIVE.replace("，", "！").replace("。", "？"), True),
        (FIVE + "\n" + SEVEN, False),  # five here and seven there
        (FIVE[:-2] + "。", False),  # one character short
        (FIVE.replace("，", ""), False),  # ten to a line
        ("川上風雨，須臾滿城。", False),  # all of four
        ("", False),
        ("，。", False),
    ],
)
def test_regular(poem: str, expected: bool) -> None:
    assert poems.regular(poem) is expected


def test_a_sample_ends_at_the_blank_line() -> None:
    assert poems.first_poem(f"\n{FIVE}\n\n{SEVEN}") == FIVE
    assert poems.first_poem(FIVE + "\n") == FIVE
    cut = FIVE + "\n半句"  # the sample was as long as it could be: its last line is not finished
    assert poems.first_poem(cut) == FIVE
    assert poems.first_poem(cut + "\n") == cut  # it ended by itself: judged as it is


def test_judging_counts_poems_and_lines() -> None:
    figures = poems.judge([FIVE, "川上風雨來，一二三四。"], [FIVE])
    assert figures == {"regular": 0.5, "copied": 5 / 6}


# the lock


def test_the_lock_keeps_a_second_process_waiting(tmp_path: Path) -> None:
    path, free = tmp_path / "lock", tmp_path / "free"
    code = f"import sys; sys.path.insert(0, {str(BENCHMARKS)!r})\nfrom pathlib import Path\nimport common\n"
    code += f"with common.lock(Path({str(path)!r})):\n    print(Path({str(free)!r}).exists())"
    with common.lock(path):
        pipe = subprocess.PIPE
        second = subprocess.Popen([sys.executable, "-c", code], stdout=pipe, stderr=pipe, text=True)
        assert second.stderr is not None
        assert "waiting for its lock" in second.stderr.readline()
        time.sleep(0.2)  # for one that does not wait to show itself; one that waits passes after any time
        free.touch()
    out, _ = second.communicate(timeout=30)
    assert out == "True\n" and second.returncode == 0


def test_the_lock_is_given_back_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), common.lock(tmp_path / "lock"):
        _ = 1 / 0
    done = threading.Event()

    def second() -> None:
        with common.lock(tmp_path / "lock"):
            done.set()

    threading.Thread(target=second, daemon=True).start()
    assert done.wait(10)


# who computes


def counters(*pairs: tuple[int, int]) -> Callable[[], str]:
    """A reader of a made-up /proc/stat: (busy, idle) ticks at each call, the last one for ever."""
    texts = [f"cpu  {busy} 0 0 {idle} 7 0 0 0 0 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n" for busy, idle in pairs]
    return lambda: texts.pop(0) if len(texts) > 1 else texts[0]


def test_busy_share_counts_all_but_idle_and_waiting() -> None:
    stat = "cpu  10 20 30 400 50 6 7 8 9 9\n"
    assert common.jiffies(stat) == (10 + 20 + 30 + 6 + 7 + 8, 10 + 20 + 30 + 400 + 50 + 6 + 7 + 8)
    assert common.busy_share(0, counters((100, 1000), (120, 1180))) == pytest.approx(0.1)


def test_a_busy_machine_is_refused_with_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    busy = counters((0, 0), (50, 50))
    with pytest.raises(SystemExit) as stopped, common.alone(seconds=0, read=busy, path=tmp_path / "lock"):
        pytest.fail("went on")
    assert stopped.value.code == 2
    assert "50% of the cores" in capsys.readouterr().err


def test_even_if_busy_goes_on_and_is_recorded(tmp_path: Path) -> None:
    busy = counters((0, 0), (50, 50))
    with common.alone(True, seconds=0, read=busy, path=tmp_path / "lock") as watch:
        line = common.record("x", {"y": 1}, watch=watch, folder=tmp_path)
    assert line["alone"] is False and line["busy_before"] == 0.5
    assert json.loads((tmp_path / "x.jsonl").read_text()) == line


@pytest.mark.parametrize(("later", "alone"), [((0, 10_000), True), ((9_000, 10_000), False)])
def test_others_who_start_later_are_seen(tmp_path: Path, later: tuple[int, int], alone: bool) -> None:
    quiet = counters((0, 0), (0, 100), (0, 100), later)
    with common.alone(seconds=0, read=quiet, path=tmp_path / "lock") as watch:
        assert watch.alone is alone


def test_own_work_is_not_somebody_elses() -> None:
    begin, watch = common.own_seconds(), common.Watch(0.0, counters((0, 0), (100, 900)))
    while common.own_seconds() < begin + 0.2:
        pass
    others = watch.others()
    ticks = 100 / 1000
    assert others is not None and others < ticks  # less than all that was busy: ours is taken off


def test_the_data_folder_must_be_named_and_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("RECURRA_DATA", raising=False)
    with pytest.raises(SystemExit):
        common.data_folder()
    monkeypatch.setenv("RECURRA_DATA", str(tmp_path / "none"))
    with pytest.raises(SystemExit):
        common.data_folder()
    monkeypatch.setenv("RECURRA_DATA", str(tmp_path))
    assert common.data_folder() == tmp_path.resolve()


# timing


def test_interleave_takes_turns_and_pairs() -> None:
    now, order = [0.0], []

    def work(name: str, seconds: float) -> Callable[[], None]:
        def run() -> None:
            order.append(name)
            now[0] += seconds * (1 + len(order) // 4)  # the machine gets slower

        return run

    times = common.interleave({"a": work("a", 3.0), "b": work("b", 2.0)}, rounds=4, warm=0, clock=lambda: now[0])
    assert "".join(order) == "abbaabba"
    assert times.ratio("a", "b") == pytest.approx(1.5, rel=0.4) and times.median("a") > times.median("b")


# memory


def test_the_vocabulary_grows_with_the_copies_and_no_row_repeats(tmp_path: Path) -> None:
    rows = [("the film was the film", "a")] * 9 + [("a zyzzyva, the Film", "b")]
    splits.write_csv(tmp_path / "small.csv", rows)
    memory.enlarge(tmp_path / "small.csv", tmp_path / "large.csv", 30)
    with (tmp_path / "large.csv").open(encoding="utf-8", newline="") as file:
        columns, *large = csv.reader(file)
    assert columns == ["text", "label"] and len(large) == 300
    words = {word for text, _ in large for word in memory.WORD.findall(text)}
    assert len({word for word in words if word.startswith("zyzzyva")}) == 30
    assert {"the", "film", "Film"} <= words
    assert len(set(map(tuple, large))) == 60  # two different rows a copy, as in the small file


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells anonymous memory, in /proc")
def test_anonymous_memory_counts_children() -> None:
    code = "import sys; block = bytearray(b'x' * 50_000_000); print('ready', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None and child.stdin is not None
        child.stdout.readline()
        assert 50e6 < memory.rss_anon(child.pid) < 150e6
        assert memory.rss_anon(os.getpid()) >= memory.rss_anon(child.pid) + 10e6  # our own comes on top
        child.stdin.close()
    assert memory.rss_anon(child.pid) == 0


# canvases


def test_digits_of_a_canvas_do_not_overlap_and_have_an_order() -> None:
    draw = np.random.default_rng(0)
    for count in (3, 4, 5) * 20:
        places = canvases.layout(count, draw)
        assert len(places) == count
        covered = np.zeros((64, 128), int)
        for top, left in places:
            covered[top : top + 28, left : left + 28] += 1
        assert covered.max() == 1 and covered.sum() == count * 784  # each whole, on the canvas
        assert (np.diff([left for _, left in places]) >= 8).all()


def test_the_share_of_attention_is_counted_by_area() -> None:
    """A map of 2 x 4 cells of 32 x 32 pixels; the image covers 28 of 32 columns of one cell, 4 of 32 rows of the other row."""
    boxes = np.array([[4, 0], [8, 60], [-1, -1]])
    weights = [[1, 0, 0, 0, 0, 0, 0, 0], [0, 0.25, 0.5, 0, 0, 0, 0.25, 0], [1] * 8]
    found = canvases.fraction_on_digits({"rows": 2, "columns": 4, "weights": weights}, boxes)
    first = (28 / 32) * (28 / 32)  # rows 4 to 32 of 32, columns 0 to 28 of 32
    second = 0.25 * (24 / 32) * (4 / 32) + 0.5 * (24 / 32) * (24 / 32) + 0.25 * (4 / 32) * (24 / 32)
    assert found == pytest.approx([first, second])


@pytest.mark.skipif("RECURRA_DATA" not in os.environ, reason="needs RECURRA_DATA")
def test_canvases_of_different_parts_share_no_digit(tmp_path: Path) -> None:
    paths = canvases.canvases(Path(os.environ["RECURRA_DATA"]), tmp_path, {"train": 20, "select": 20, "report": 20})
    digits = {}
    for part, path in paths.items():
        with np.load(path) as file:
            images, boxes, texts = file["image"], file["boxes"], file["text"]
        cut = [
            image[top : top + 28, left : left + 28].tobytes()
            for image, places in zip(images, boxes, strict=True)
            for top, left in places[places[:, 0] >= 0]
        ]
        assert len(cut) == sum(len(text.split()) for text in texts)
        digits[part] = set(cut)
    assert not (digits["train"] & digits["report"] or digits["train"] & digits["select"])
    assert not digits["select"] & digits["report"]


# curves


def record(name: str, **other: object) -> str:
    seed = {"curve": {"figure": "accuracy", "points": [[0.5, 0.2], [1.0, 0.8], [1.5, 0.9]]}}
    figures = {"set": name, "part": "report", "cell": None, "set_options": [], "seeds": [seed]}
    return json.dumps({"alone": True, "figures": {**figures, **other}})


def test_curves_are_of_the_newest_records_that_count() -> None:
    lines = [
        record("names", seeds=[]),
        record("names"),
        record("imdb", part="select"),
        record("trec", set_options=["model.dropout=0.5"]),
        record("tang", seeds=[{"figures": {}}]),
    ]
    found = curves.newest(lines)
    assert list(found) == ["names"] and found["names"]["seeds"]


def test_a_curve_is_drawn_where_its_points_lie() -> None:
    """Two points over the whole width; the higher figure stands higher, and 0 minutes at the left edge."""
    picture = curves.panel("a<b", "f1", [[(0.0, 0.0), (2.0, 1.0)]])
    assert "a&lt;b" in picture
    path = picture.split('points="')[1].split('"')[0]
    (x0, y0), (x1, y1) = ([float(n) for n in pair.split(",")] for pair in path.split())
    assert (x0, x1) == (curves.LEFT, curves.WIDTH - curves.RIGHT)
    inside = curves.HEIGHT - curves.TOP - curves.BOTTOM
    assert y0 - y1 == pytest.approx(inside / 1.16, abs=0.2)


@pytest.mark.parametrize(("low", "high"), [(0.0, 10.3), (0.91, 0.93), (-3.0, 250.0), (1e-5, 2e-5)])
def test_ticks_are_few_and_inside(low: float, high: float) -> None:
    found = curves.ticks(low, high)
    assert 2 <= len(found) <= 6
    assert all(low - 1e-9 <= tick <= high + 1e-9 for tick in found)


# logs


def test_traces_are_split_whole_and_flags_are_counted(tmp_path: Path) -> None:
    (tmp_path / "log_hdfs_deeplog").mkdir()
    normal = [f"{a} {b} {a}" for a in range(30) for b in range(30)] * 2
    (tmp_path / "log_hdfs_deeplog" / "normal_train.txt").write_text("\n".join(normal) + "\n")
    (tmp_path / "log_hdfs_deeplog" / "abnormal_dev.txt").write_text("7 7\n8\n")
    paths = logs.write(tmp_path, tmp_path / "parts")
    parts = {part: logs.traces(path) for part, path in paths.items()}
    assert parts["abnormal"] == ["7 7", "8"]
    assert sorted(parts["train"] + parts["select"] + parts["report"]) == sorted(normal)
    assert not set(parts["train"]) & set(parts["report"]) and not set(parts["select"]) & set(parts["report"])
    assert len(parts["report"]) == pytest.approx(0.3 * len(normal), rel=0.1)
    assert logs.detection_metrics([True, True, True, False], [True, False, False, False, False]) == {
        "f1": 0.75, "precision": 0.75, "recall": 0.75, "false_alarms": 0.2,
    }  # fmt: skip


def test_a_trace_is_judged_by_its_keys_and_by_its_end() -> None:
    def trace(*tokens: tuple[int, float]) -> logs.Trace:
        return [{"rank": rank, "nats": nats} for rank, nats in tokens]

    usual, late = (9, 6.0), (10, 6.0)
    assert not logs.is_abnormal_by_rank(trace(usual, (12, 4.6)))  # an end may be any if it is likely enough
    assert logs.is_abnormal_by_rank(trace(usual, (2, 4.7)))  # 1 in 110
    assert logs.is_abnormal_by_rank(trace(late, (1, 0.1)))
    assert not logs.is_abnormal(trace((9, 6.9), (9, 6.9)))  # 6.9 nats: 1 in 992
    assert logs.is_abnormal(trace((9, 7.0), (1, 0.1))) and logs.is_abnormal(trace(late, (1, 0.1)))
