"""Traces of a distributed file system (HDFS, the DeepLog set): a run of log keys a line, from one block of data each.

The parts are of normal traces: 60 % train, 10 % select, 30 % report, by a hash of the trace, so no trace that is told about
later was met before. A trace is abnormal where a key, or its end, is not among the nine that the model expects most (Du et
al. 2017, DeepLog: https://doi.org/10.1145/3133956.3134015, section 3.2), or is among them with a probability below `LEAST`:
there are 14 keys, so some are among nine for want of others. Chosen on the select part, as is the second figure, which asks
for the nine alone, and of an end that its probability is not below `END`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from common import recurra
from splits import split

LIKELIEST, END, LEAST = 9, 1e-2, 1e-3
Trace = Sequence[Mapping[str, Any]]  # what `recurra predict` tells of each token, the end mark last


def traces(path: Path) -> list[str]:
    return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def write(data: Path, folder: Path) -> dict[str, Path]:
    """Text files, a trace a line, and the abnormal ones beside them."""
    folder.mkdir(parents=True, exist_ok=True)
    source = data / "log_hdfs_deeplog"
    normal = split(((trace,) for trace in traces(source / "normal_train.txt")), select=0.1, report=0.3)
    texts = {part: [trace for (trace,) in rows] for part, rows in normal.items()}
    texts["abnormal"] = traces(source / "abnormal_dev.txt")
    paths = {part: folder / f"{part}.txt" for part in texts}
    for part, path in paths.items():
        path.write_text("\n".join(texts[part]) + "\n", encoding="utf-8")
    return paths


def read(run: Path, path: Path) -> list[Trace]:
    """What `recurra predict` tells of the traces of a file, their ends included."""
    asked = path.with_suffix(".jsonl")
    asked.write_text("".join(json.dumps({"text": trace + "\n"}) + "\n" for trace in traces(path)), encoding="utf-8")
    told = recurra("predict", run, asked, "--set", "each=true", quiet=True).stdout
    return [json.loads(line)["each"] for line in told.splitlines()]


def unexpected(trace: Trace) -> bool:
    return any(key["rank"] > LIKELIEST or key["nats"] > -math.log(LEAST) for key in trace)


def not_among_the_likeliest(trace: Trace) -> bool:
    *keys, end = trace
    return any(key["rank"] > LIKELIEST for key in keys) or end["nats"] > -math.log(END)


def figures(abnormal: Iterable[bool], normal: Iterable[bool]) -> dict[str, float]:
    """Precision, recall and F1 of what is flagged, and the share of normal traces that are."""
    abnormal, normal = list(abnormal), list(normal)
    right, false = sum(abnormal), sum(normal)
    precision, recall = right / max(right + false, 1), right / len(abnormal)
    f1 = 2 * precision * recall / max(precision + recall, 1e-12)
    return {"f1": f1, "precision": precision, "recall": recall, "false_alarms": false / len(normal)}


def judge(run: Path, parts: Mapping[str, Path], part: str) -> dict[str, float]:
    abnormal, normal = read(run, parts["abnormal"]), read(run, parts[part])
    found = figures(map(unexpected, abnormal), map(unexpected, normal))
    other = figures(map(not_among_the_likeliest, abnormal), map(not_among_the_likeliest, normal))
    return found | {f"{name}_of_nine_alone": value for name, value in other.items()}
