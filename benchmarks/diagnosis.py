"""Chooses the thresholds of the diagnosis on one half of broken and healthy runs, and reports its result on the other half.

RECURRA_DATA=FOLDER python benchmarks/diagnosis.py [--runs FOLDER] [--only NAME]

Each of thirteen broken and twelve healthy runs is trained in two variants (benchmarks/diagnosis_runs.py) and kept in FOLDER, so
that only the checks are repeated. Variant 0 chooses: the threshold of a check lies between the largest number of the runs on
which it must be silent and the smallest number of those that have its problem, in the geometric middle. It must be silent on
healthy runs, and on broken ones whose own check comes later in the list. Variant 1 reports: the finding
that is listed first for each broken run, and the alarms of the healthy ones. Exit status 1: a cause is not first, or an alarm.
"""

from __future__ import annotations

import argparse
import math
import shutil
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

from common import CACHE, say
from diagnosis_runs import BROKEN, CELLS, HEALTHY, TASKS

import recurra
from recurra.errors import TrainingError, UserError
from recurra.inspection.checks import CHECKS
from recurra.inspection.diagnosis import diagnosis_of
from recurra.inspection.evidence import evidence_of
from recurra.inspection.findings import Diagnosis
from recurra.inspection.texts import text
from recurra.run import Run

Result = tuple[dict[str, float], Diagnosis]


def run_of(make: Callable[[Path, int], Run], folder: Path, variant: int) -> Run:
    """Return the run in `folder`, which is trained where it is missing."""
    if not (folder / "done").exists():
        shutil.rmtree(folder, ignore_errors=True)
        began = time.process_time()
        try:
            make(folder, variant)
        except TrainingError as error:
            say(f"  {error}")
        (folder / "done").write_text(f"{time.process_time() - began:.1f} s\n", encoding="utf-8")
    return recurra.load(folder / "run", cells=CELLS, tasks=TASKS)


def measured(run: Run) -> Result:
    """Return the number of every check that can be done, and the diagnosis."""
    values = {}
    with evidence_of(run, None) as evidence:
        for check in CHECKS:
            try:
                values[check.key] = check.measure(evidence).value
            except UserError:
                continue
        return values, diagnosis_of(evidence)


def all_results(folder: Path, only: str, train_only: bool) -> dict[tuple[str, int], Result]:
    """Return the results by name of the run and variant."""
    results = {}
    for kind, runs in (("broken", BROKEN), ("healthy", HEALTHY)):
        for name, make in runs.items():
            for variant in (0, 1):
                if only not in name:
                    continue
                began = time.process_time()
                run = run_of(make, folder / kind / f"{name.replace(' ', '_')}-{variant}", variant)
                if train_only:
                    say(f"{time.process_time() - began:5.1f} s  {kind} {name} {variant}")
                    continue
                results[name, variant] = measured(run)
                causes = ", ".join(one.cause for one in results[name, variant][1].findings) or "no problem found"
                say(f"{time.process_time() - began:5.1f} s  {kind} {name} {variant}: {causes}")
    return results


def choose(results: dict[tuple[str, int], Result]) -> None:
    """Print for each check the numbers of variant 0, and the threshold between them."""
    print(f"{'check':<22}{'silent, largest':>18}{'broken, smallest':>18}{'middle':>10}{'in the code':>13}")
    causes = [text("en", f"{check.key}.name") for check in CHECKS]
    for n, check in enumerate(CHECKS):
        later = set(HEALTHY) | set(causes[n + 1 :]) - {causes[n]}
        values = {name: v[check.key] for (name, m), (v, _) in results.items() if m == 0 and check.key in v}
        high = max(
            (value for name, value in values.items() if name in later and name not in causes[:n]), default=math.nan
        )
        low = values.get(causes[n], math.nan)
        middle = math.sqrt(max(high, 1e-6) * low) if low > high else math.nan
        print(f"{check.key:<22}{high:>18.4g}{low:>18.4g}{middle:>10.3g}{check.threshold:>13.4g}")


def report(results: dict[tuple[str, int], Result]) -> int:
    """Print the findings of variant 1, and return the number of errors."""
    errors = 0
    for (name, variant), (_, diagnosis) in results.items():
        causes = [one.cause for one in diagnosis.findings]
        right = causes[:1] == [name] if name in BROKEN else not causes
        errors += not right and variant == 1
        print(f"{variant} {'right' if right else 'WRONG'}  {name:<40}{', '.join(causes) or 'no problem found'}")
    return errors


def main() -> None:
    parser = argparse.ArgumentParser(description="Choose and test the thresholds of the diagnosis.")
    parser.add_argument("--runs", type=Path, default=CACHE / "diagnosis", help="Folder in which the runs are kept.")
    parser.add_argument("--only", default="", help="Only runs whose name contains this text.")
    parser.add_argument("--values", action="store_true", help="Print the number of every check for every run.")
    parser.add_argument("--train-only", action="store_true", help="Train the runs that are missing, and check nothing.")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # about classes in diagnosis_runs.py that have changed since
    results = all_results(options.runs, options.only, options.train_only)
    if options.train_only:
        return
    if options.values:
        for (name, variant), (values, _) in results.items():
            print(f"{name} {variant}: {', '.join(f'{key} {value:.3g}' for key, value in values.items())}")
    choose(results)
    sys.exit(1 if report(results) else 0)


if __name__ == "__main__":
    main()
