"""Traces of a distributed file system (HDFS, the DeepLog dataset). A line is the sequence of log keys of one block of data.

The normal traces are split by a hash of the trace into 60 % train, 10 % select and 30 % report, so that no reported trace
occurs in the training data. A trace is classified as abnormal if a key, or its end, is not among the nine most probable
predictions (Du et al. 2017, DeepLog: https://doi.org/10.1145/3133956.3134015, section 3.2), or if its probability is below
`MIN_PROBABILITY`: there are only 14 keys, so that improbable keys are among the nine. The threshold was chosen on the
select part, and so was that of the second criterion, which uses only the nine predictions and requires that the probability
of the end is at least `MIN_END_PROBABILITY`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from common import recurra
from splits import split

TOP_PREDICTIONS, MIN_END_PROBABILITY, MIN_PROBABILITY = 9, 1e-2, 1e-3
Trace = Sequence[Mapping[str, Any]]  # the output of `recurra predict` for each token; the last one is the end token


def traces(path: Path) -> list[str]:
    """Return the traces in a file."""
    return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def write(data: Path, folder: Path) -> dict[str, Path]:
    """Write text files with a trace per line: the parts of the normal traces, and the abnormal traces."""
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
    """Return the output of `recurra predict` for the traces of a file, including their ends."""
    inputs = path.with_suffix(".jsonl")
    inputs.write_text("".join(json.dumps({"text": trace + "\n"}) + "\n" for trace in traces(path)), encoding="utf-8")
    output = recurra("predict", run, inputs, "--set", "per_token=true", quiet=True).stdout
    return [json.loads(line)["per_token"] for line in output.splitlines()]


def is_abnormal(trace: Trace) -> bool:
    """Return whether a key is not among the most probable predictions, or its probability is too small."""
    return any(key["rank"] > TOP_PREDICTIONS or key["nats"] > -math.log(MIN_PROBABILITY) for key in trace)


def is_abnormal_by_rank(trace: Trace) -> bool:
    """Return whether a key is not among the most probable predictions, or the probability of the end is too small."""
    *keys, end = trace
    return any(key["rank"] > TOP_PREDICTIONS for key in keys) or end["nats"] > -math.log(MIN_END_PROBABILITY)


def detection_metrics(abnormal: Iterable[bool], normal: Iterable[bool]) -> dict[str, float]:
    """Return the precision, recall, F1 and false alarm rate, from the decisions on abnormal and on normal traces."""
    abnormal, normal = list(abnormal), list(normal)
    correct, false_alarms = sum(abnormal), sum(normal)
    precision, recall = correct / max(correct + false_alarms, 1), correct / len(abnormal)
    f1 = 2 * precision * recall / max(precision + recall, 1e-12)
    return {"f1": f1, "precision": precision, "recall": recall, "false_alarms": false_alarms / len(normal)}


def judge(run: Path, parts: Mapping[str, Path], part: str) -> dict[str, float]:
    """Return the metrics of both criteria on the abnormal traces and one part of the normal traces."""
    abnormal, normal = read(run, parts["abnormal"]), read(run, parts[part])
    metrics = detection_metrics(map(is_abnormal, abnormal), map(is_abnormal, normal))
    by_rank = detection_metrics(map(is_abnormal_by_rank, abnormal), map(is_abnormal_by_rank, normal))
    return metrics | {f"{name}_by_rank": value for name, value in by_rank.items()}
