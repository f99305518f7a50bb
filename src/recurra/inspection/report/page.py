"""`inspect_run`: the diagnosis of a run, and its report as one page without requests to other files or hosts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ... import __version__
from ...errors import CallError, RunError, UserError
from ...files import write_text
from ...run import Run
from ..diagnosis import diagnosis_of
from ..evidence import Evidence, evidence_of
from ..findings import Diagnosis
from .blocks import Block, Figure, Note, PageTexts, Section
from .sections import SECTIONS
from .summary import summary

ASSETS = Path(__file__).parent / "assets"
NAME = "report.html"


def check_new(folder: Path, overwrite: bool) -> None:
    """Raise RunError if the run folder has a report already and it may not be replaced."""
    if (folder / NAME).exists() and not overwrite:
        raise RunError(f"{folder / NAME} exists already; replace it with --overwrite")


def inspect_run(
    run: Run, data: str | Path | None = None, *, language: str = "en", overwrite: bool = False
) -> tuple[Diagnosis, Path]:
    """Diagnose a run and write its report, `report.html` in the run folder.

    Args:
        run: a trained run.
        data: its training data, where config.yaml does not name them any more. Without data, the report has the sections that
            need none, and the reason in the others.
        language: "en" or "zh".
        overwrite: whether an existing report is replaced.

    Returns:
        The diagnosis, and the path of the report.

    Raises:
        CallError: `run` is not a Run.
        DataError: `data` was given and is not the training data of the run.
        RunError: there is a report already.
        SettingError: there is no catalog of texts for the language.
    """
    if not isinstance(run, Run):
        raise CallError(f"run is a {type(run).__name__}; a report needs a Run; memory and gates accept a layer")
    check_new(run.path, overwrite)
    say = PageTexts(language)
    with evidence_of(run, data) as evidence:
        if data is not None:
            evidence.data  # noqa: B018  wrong data are an error, while missing ones only leave sections out
        diagnosis = diagnosis_of(evidence)
        sections = [Section(key, _blocks(key, evidence, say)) for key in SECTIONS]
        title = f"{run.path.name}: {run.task.name}"
        page = render(title, summary(evidence, diagnosis, say), sections, say, diagnosis)
    write_text(run.path / NAME, page)
    return diagnosis, run.path / NAME


def _blocks(key: str, evidence: Evidence, say: PageTexts) -> list[Block]:
    """Return the blocks of a section, or the reason why there are none."""
    try:
        return SECTIONS[key](evidence, say)
    except UserError as error:
        return [Note(say("report.missing", reason=str(error)))]


def render(
    title: str, sentences: list[str], sections: list[Section], say: PageTexts, diagnosis: Diagnosis | None = None
) -> str:
    """Return a page: title, summary, diagnosis where there is one, sections. The template escapes all values."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    figures = [block for section in sections for block in section.blocks if isinstance(block, Figure)]
    page: str = environment.from_string(_asset("report.html.j2")).render(
        title=title,
        language={"zh": "zh-Hans"}.get(say.language, say.language),
        say=say,
        sentences=sentences,
        diagnosis=None if diagnosis is None else _shown(diagnosis, say),
        sections=sections,
        values=_json({one.key: {"kind": one.kind, "values": one.values} for one in figures}),
        version=__version__,
        style=_asset("uPlot.min.css") + _asset("report.css"),
        script=_asset("uPlot.iife.min.js") + _asset("report.js"),
    )
    return page


def _shown(diagnosis: Diagnosis, say: PageTexts) -> dict[str, Any]:
    """Return the texts of a diagnosis."""
    found = [one.text("name", say.language) for one in diagnosis.findings]
    done = [say(f"{key}.name") for key in diagnosis.done]
    findings = [
        {part: one.text(part, say.language) for part in ("name", "why", "remedy")}
        | {"sentence": _capitalized(one.text("sentence", say.language))}
        | {"severity": one.severity.name, "value": f"{one.value:.3g}", "threshold": f"{one.threshold:.3g}"}
        for one in diagnosis.findings
    ]
    return {
        "findings": findings,
        "healthy": say("diagnosis.healthy", count=len(diagnosis.done)),
        "done": say("diagnosis.comma").join(dict.fromkeys(name for name in done if name not in found)),
        "not_done": [(say(f"{one.check}.name"), one.reason) for one in diagnosis.not_done],
    }


def _capitalized(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _json(value: Any) -> str:
    """Return JSON that can stand in a script element: no "<" can end it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def _asset(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")
