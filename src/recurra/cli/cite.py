"""`recurra cite`: the publications whose methods a run uses, as BibTeX."""

from __future__ import annotations

from .common import Import, RunFolder, open_run


def cite(run: RunFolder, import_: Import = None) -> None:
    """Print BibTeX of the methods that a run uses."""
    from .citations import methods_of

    task = open_run(run, import_).task
    found = methods_of(task.name, task.cell.source, task.settings.model_dump())
    print("\n\n".join(reference.bibtex() for reference in found))
