"""`recurra demo`: the main job on built-in data, in about two minutes on two cores."""

from __future__ import annotations

import csv
import time
from pathlib import Path

from .common import program, progress

MINUTES = 1.6
NAMES = ("Bellucciano", "Jankauskytė", "Hämäläistö", "Lindqvistberg", "Fitzwilliamson", "Vandenbossche", "Yıldızoğlu",
         "Žagarinskis", "Șerbănescu", "Kovačević-Horvat", "Παπαδογιάννης", "Тимошенчук")  # fmt: skip


def demo() -> None:
    """Train on built-in data for about two minutes, and show what came out.

    From the letters of a name, the language it comes from.
    """
    started = time.time()
    from .. import training
    from ..data import sets

    path = sets.make("names")
    known = _rows(path)
    languages = len(set(known.values()))
    print(f"{len(known):,} names in {languages} languages; a network learns to tell the language by the letters.")
    print(f"This is: recurra train classify names --max-minutes {MINUTES}\n", flush=True)
    busy = _busy()
    if busy:
        print("Other programs are using this machine: training on one thread, which waits for nobody. Expect less.\n")
    threads = 1 if busy else None
    run = training.train(
        "classify", "names", max_minutes=MINUTES, threads=threads, progress=progress(), started=started
    )

    unseen = [name for name in NAMES if name not in known]
    print("\nNames that were not in the data:")
    for name, result in zip(unseen, run.predict(unseen), strict=True):
        likely = ", ".join(f"{label} {share:.0%}" for label, share in list(result["likely"].items())[:3])
        print(f"  {name:<18} {likely}")
    accuracy = run.metrics.get("valid/accuracy")
    if accuracy is not None:
        print(f"\nOf the names held back from training, {accuracy:.0%} were told right, among {languages} languages.")
        print(f"Guessing would get {1 / languages:.0%}. The model is the folder {run.path}.")
    type_ = program()
    print("\nNext:")
    print(f'  echo "Dostojewski" | {type_} predict {run.path}')
    print(f"  {type_} train classify YOUR_FILE.csv        a column of text and one of classes")
    print(f"  {type_} train --help                        and README.md for the rest")


def _busy(seconds: float = 0.4) -> bool:
    """Whether other programs use a tenth of the cores, seen for a moment in which this one sleeps; Linux tells.

    More than one of torch's threads would then be many times slower than one.
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
