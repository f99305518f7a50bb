"""`diagnose`: the problems of a run, with the numbers that show them and the settings that remedy them."""

from __future__ import annotations

from pathlib import Path

from ..errors import CallError, UserError
from ..run import Run
from .checks import CHECKS
from .evidence import evidence_of
from .findings import Diagnosis, Finding, NotDone


def diagnose(run: Run, data: str | Path | None = None) -> Diagnosis:
    """Look for the usual problems of a run.

    Args:
        run: a trained run.
        data: its training data, where config.yaml does not name them any more. Without data, what depends on them is listed
            in `not_done`.

    Returns:
        The findings, the most severe one first, and the checks that could not be done.

    Raises:
        CallError: `run` is not a Run.
        DataError: `data` was given and is not the training data of the run.

    Example:
        >>> from recurra import inspection
        >>> for finding in inspection.diagnose(run).findings:  # doctest: +SKIP
        ...     print(finding.cause, finding.remedy)
    """
    if not isinstance(run, Run):
        raise CallError(f"run is a {type(run).__name__}; a diagnosis needs a Run; memory and gates accept a layer")
    findings, done, not_done = dict[str, Finding](), list[str](), list[NotDone]()
    with evidence_of(run, data) as evidence:
        if data is not None:
            evidence.data  # noqa: B018  wrong data are an error, while missing ones only leave checks out
        for check in CHECKS:
            try:
                finding = check.find(evidence)
            except UserError as error:
                not_done.append(NotDone(check.name, str(error)))
                continue
            if finding is None:
                done.append(check.name)
            else:
                findings.setdefault(finding.cause, finding)
    ranked = sorted(findings.values(), key=lambda one: -one.severity)  # stable: of equal ones the earlier check
    return Diagnosis(tuple(ranked), tuple(done), tuple(not_done))
