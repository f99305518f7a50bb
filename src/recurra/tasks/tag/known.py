"""Checks that the training data of a fine-tuned tagger have the tags and labels of the run that it begins with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from ...data.store.store import Store
from ...errors import DataError, near
from ...fields.sentence_label import SentenceLabel
from ...fields.tags import Tags


def check_known(
    stores: Mapping[str, Store], is_one_file: bool, tags: Tags, label: SentenceLabel | None, file: Path
) -> None:
    """Raise DataError for a tag or a sentence label of the training file that the fields do not have.

    is_one_file   whether the validation part is of the same file
    """
    for store in (stores["train"], stores["valid"]) if is_one_file else (stores["train"],):
        if store.flat(tags.name).max(initial=0) >= len(tags.tags):
            raise _unknown("tag", tags.unseen, tags.tags, file)
        if label is not None and (store.column(label.name) < 0).any():
            raise _unknown("sentence label", label.unseen, label.classes, file)


def _unknown(what: str, unseen: Counter[str], known: Sequence[str], file: Path) -> DataError:
    name = next(iter(unseen))
    return DataError(f"{what} {name!r} was not in the training data of the run; {near(name, known)}", file=file)
