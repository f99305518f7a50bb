"""The commands that repeat the run and use it."""

from __future__ import annotations

import shlex

from ...evidence import Evidence
from ..blocks import Block, Note, PageTexts


def repeat(evidence: Evidence, say: PageTexts) -> list[Block]:
    """Return the command that reproduces the run, and those that use it."""
    run, source = evidence.run, evidence.run.config.get("source") or {}
    valid = f" --valid {shlex.quote(str(source['valid']))}" if source.get("valid") else ""
    config = f"--config {shlex.quote(str(run.path / 'config.yaml'))} --out NEW_RUN"
    command = f"recurra train {run.config['task']} {shlex.quote(str(source.get('data')))}{valid} {config}"
    resolved = run.config["resolved"]
    versions = ", ".join(f"{name} {version}" for name, version in resolved.get("versions", {}).items())
    facts = say(
        "repeat.where", device=resolved.get("device", "cpu"), threads=resolved.get("threads", 1), versions=versions
    )
    return [
        Note(say("repeat.again"), command),
        Note(say("repeat.use"), f"recurra predict {shlex.quote(str(run.path))} FILE"),
        Note(facts),
    ]
