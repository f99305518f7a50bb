"""The entry of the cache of encoded data for some files and settings: its key, and the files of an entry."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, final

from ...data.sources.content import files_of, media_files_in, state_of_files
from ...data.sources.reading import FileReading
from ...data.sources.rows import Row
from ...data.sources.skipped_rows import SKIPPED
from ...data.store.cache_key import NotCacheableError, content_of, key_of
from ...data.store.encoded_cache import EncodedCache, link_file
from ...errors import RunError

FITTED = "fitted"  # the folder of what was fitted, beside the encoded parts


@final
class DataCache:
    """What a dataset encodes from some data: taken from the cache of an earlier run, or kept in it for later ones.

    Args:
        reading: how the files are read, with the cache; if it has none, nothing is taken or kept.
        data: the training data and, if there are any, the validation data.
        state: describes all else that determines the encoded data, as plain values.
        media_of: returns the names of the files in a row, such as recordings. None: rows name no files.
    """

    def __init__(
        self,
        reading: FileReading,
        data: Sequence[str | Path],
        state: Callable[[], Any],
        media_of: Callable[[Row], Iterable[Any]] | None = None,
    ) -> None:
        self._cache: EncodedCache | None = reading.cache
        self._key, self._files, self._states = "", list[Path](), list[Any]()
        if self._cache is None or not data:
            self._cache = None
            return
        settings = reading.settings
        try:
            named = [value for value in settings.model_dump().values() if isinstance(value, str) and _is_file(value)]
            files = [file for one in (*data, *named) for file in files_of(one)]
            if media_of is not None:
                files += [file for one in data for file in media_files_in(reading.open(one), media_of)]
            self._files = list(dict.fromkeys(files))
            self._states = state_of_files(self._files)
            described = [type(settings).__qualname__, settings.model_dump(mode="json"), list(map(str, data)), state()]
            self._key = key_of([described, content_of(self._files)])
        except NotCacheableError as reason:
            self._cache.messages.append(f"encoded data: not kept in the cache, because they depend on {reason}")
            self._cache = None
        except OSError as error:
            self._cache.messages.append(_not_kept(f"{error.filename}: {error.strerror}"))
            self._cache = None

    def take(self, folder: Path, load: Callable[[Path, Any], None]) -> bool:
        """Link the encoded parts of an earlier run into `folder`. Return False if there are none.

        load   is called with the folder of what was fitted, and the facts that were kept with it
        """
        facts = None if self._cache is None else self._cache.take(self._key, folder)
        if facts is None:
            return False
        load(folder / FITTED, facts)
        if (skipped := folder / FITTED / SKIPPED).exists():
            link_file(skipped, folder.parent / SKIPPED)
        shutil.rmtree(folder / FITTED, ignore_errors=True)
        return True

    def keep(self, folder: Path, save: Callable[[Path], None], facts: Any) -> None:
        """Keep the encoded parts in `folder` for later runs, unless a file has changed while it was read.

        save    is called with a folder, and writes what was fitted to it
        facts   plain values that are kept with it
        """
        if self._cache is None:
            return
        fitted = folder / FITTED
        try:
            if state_of_files(self._files) != self._states:
                self._cache.messages.append(_not_kept("a file has changed while it was read"))
                return
            fitted.mkdir()
            save(fitted)
            if (skipped := folder.parent / SKIPPED).exists():
                link_file(skipped, fitted / SKIPPED)
            self._cache.keep(self._key, folder, facts)
        except (OSError, RunError) as error:
            self._cache.messages.append(_not_kept(str(error)))
        finally:
            shutil.rmtree(fitted, ignore_errors=True)


def _not_kept(reason: str) -> str:
    return f"encoded data: not kept in the cache ({reason})"


def _is_file(value: str) -> bool:
    try:
        return Path(value).expanduser().is_file()
    except (OSError, RuntimeError):  # a text that is too long for a name, or an unknown user
        return False
