"""`recurra demo`: the main workflow on built-in data, in about two minutes on two cores."""

from __future__ import annotations

import csv
import time
from pathlib import Path

from .common import program, progress

MINUTES = 1.6
NAMES = ("Bellucciano", "Jankauskytė", "Hämäläistö", "Lindqvistberg", "Fitzwilliamson", "Vandenbossche", "Yıldızoğlu",
         "Žagarinskis", "Șerbănescu", "Kovačević-Horvat", "Παπαδογιάννης", "Тимошенчук")  # fmt: skip


def demo() -> None:
    """Train on built-in data for about two minutes, and show some predictions.

    The model predicts the language of a name from its letters.
    """
    started = time.time()
    from .. import training
    from ..data import sets

    path = sets.make("names")
    known = _rows(path)
    languages = len(set(known.values()))
    print(f"{len(known):,} names in {languages} languages; a network learns to predict the language from the letters.")
    print(f"This is: recurra train classify names --max-minutes {MINUTES}\n", flush=True)
    busy = _busy()
    if busy:
        print("Other programs are using this machine. Training uses one thread, and the accuracy will be lower.\n")
    threads = 1 if busy else None
    run = training.train(
        "classify", "names", max_minutes=MINUTES, threads=threads, progress=progress(), started=started
    )

    unseen = [name for name in NAMES if name not in known]
    print("\nNames that were not in the data:")
    for name, result in zip(unseen, run.predict(unseen), strict=True):
        best = list(result["probabilities"].items())[:3]
        print(f"  {name:<18} {', '.join(f'{label} {probability:.0%}' for label, probability in best)}")
    accuracy = run.metrics.get("valid/accuracy")
    if accuracy is not None:
        print(f"\nAccuracy on the names held out for validation: {accuracy:.0%}, with {languages} languages.")
        print(f"Guessing would reach {1 / languages:.0%}. The run folder is {run.path}.")
    type_ = program()
    print("\nNext:")
    print(f'  echo "Dostojewski" | {type_} predict {run.path}')
    print(f"  {type_} train classify YOUR_FILE.csv        with a column of text and a column of classes")
    print(f"  {type_} train --help                        and README.md for more")


def _busy(seconds: float = 0.4) -> bool:
    """Whether other programs use more than a tenth of the cores, measured on Linux while this one sleeps for a moment.

    Several threads of torch would then be many times slower than one.
    """
    stat = Path("/proc/stat")
    if not stat.exists():
        return False

    def times() -> tuple[int, int]:
        numbers = [int(word) for word in stat.read_text().split("\n", 1)[0].split()[1:9]]
        return sum(numbers), numbers[3] + numbers[4]  # all, idle

    before = times()
    time.sleep(seconds)
    total, idle = (after - earlier for after, earlier in zip(times(), before, strict=True))
    return total > 0 and idle < 0.9 * total


def _rows(path: Path) -> dict[str, str]:
    with path.open(encoding="utf-8", newline="") as file:
        return {row["text"]: row["label"] for row in csv.DictReader(file)}
