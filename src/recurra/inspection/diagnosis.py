"""`diagnose`: the problems of a run, with the numbers that show them and the settings that remedy them."""

from __future__ import annotations

from pathlib import Path

from ..errors import CallError, UserError
from ..run import Run
from .checks import CHECKS
from .evidence import Evidence, evidence_of
from .findings import Diagnosis, Finding, NotDone


def diagnose(run: Run, data: str | Path | None = None) -> Diagnosis:
    """Look for the usual problems of a run.

    Args:
        run: a trained run.
        data: its training data, where config.yaml does not name them any more. Without data, what depends on them is listed
            in `not_done`.

    Returns:
        The findings, a cause before what follows from it, and the checks that could not be done.

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
    with evidence_of(run, data) as evidence:
        if data is not None:
            evidence.data  # noqa: B018  wrong data are an error, while missing ones only leave checks out
        return diagnosis_of(evidence)


def diagnosis_of(evidence: Evidence) -> Diagnosis:
    """Return the diagnosis from evidence. Of several findings with one name the first is kept."""
    findings, done, not_done = dict[str, Finding](), list[str](), list[NotDone]()
    for check in CHECKS:
        try:
            finding = check.find(evidence)
        except UserError as error:
            not_done.append(NotDone(check.key, str(error)))
            continue
        if finding is None:
            done.append(check.key)
        else:
            findings.setdefault(finding.cause, finding)

    return Diagnosis(tuple(findings.values()), tuple(done), tuple(not_done))
