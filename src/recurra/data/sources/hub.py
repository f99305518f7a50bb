"""Rows of a dataset of the Hugging Face hub, streamed with the `datasets` library."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

from recurra.data.sources.inspect.json_shapes import flatten
from recurra.data.sources.rows import Row, Source
from recurra.errors import DataError


class Hub(Source):
    """The split `train` of `hf:NAME`. Class indices are converted to class names."""

    format = "hub"

    def __init__(self, name: str, *, skip_broken: bool = False) -> None:
        super().__init__(Path(f"hf:{name}"), name.rsplit("/", 1)[-1], skip_broken=skip_broken)
        self._hub_name = name

    @cached_property
    def _set(self) -> Any:
        try:
            datasets: Any = import_module("datasets")
        except ImportError:
            raise DataError("the hub requires another library: pip install 'recurra[hub]'", file=self.path) from None
        try:
            return datasets.load_dataset(self._hub_name, split="train", streaming=True)
        except Exception as error:  # the library raises many types: network, permissions, names
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise DataError(f"the hub did not return this dataset: {reason}", file=self.path) from error

    @cached_property
    def columns(self) -> list[str]:
        """The features of the dataset and the keys of the first row, with those of nested objects."""
        features = getattr(self._set, "features", None) or {}
        return list(dict.fromkeys([*features, *flatten(next(iter(self._set), {}))]))

    def _read(self) -> Iterator[Row | DataError]:
        features = getattr(self._set, "features", None) or {}
        names = {key: feature.int2str for key, feature in features.items() if hasattr(feature, "int2str")}
        for number, values in enumerate(self._set, 1):
            values = {k: names[k](v) if k in names and v is not None and v >= 0 else v for k, v in values.items()}
            yield Row(number, flatten(values), self.path)
