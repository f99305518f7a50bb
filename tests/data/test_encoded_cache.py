"""The cache of encoded data: entries, damage, the limit of the size, folders that cannot be written, and keys."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recurra.data.store.cache_key import NotCacheableError, key_of, state_of
from recurra.data.store.encoded_cache import EncodedCache
from recurra.errors import SettingError
from recurra.fields import Label, Text
from recurra.fields.words import Words

KEY = "0123abcd"


def encoded(folder: Path, size: int = 1000) -> Path:
    """A folder of encoded data."""
    (folder / "train").mkdir(parents=True)
    (folder / "train" / "text.bin").write_bytes(bytes(range(250)) * (size // 250))
    (folder / "train" / "store.json").write_text("{}")
    return folder


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_what_was_kept_is_taken(tmp_path: Path) -> None:
    made, facts = encoded(tmp_path / "run" / "cache"), {"rows": 3, "lines": ["é", "b"], "mean": 0.1}
    cache = EncodedCache(tmp_path / "user")
    assert cache.take(KEY, tmp_path / "none") is None and not cache.messages
    cache.keep(KEY, made, facts)
    assert cache.messages == [f"encoded data: kept for later runs in {tmp_path}/user/{KEY}"]
    before = content(made)
    for path in made.rglob("*.bin"):  # a run removes its own files at the end
        path.unlink()
    later = EncodedCache(tmp_path / "user")
    assert later.take(KEY, tmp_path / "other" / "cache") == facts
    assert content(tmp_path / "other" / "cache") == before
    assert later.messages[0].startswith(f"encoded data: read from the cache, {tmp_path}/user/{KEY}")
    assert [path.name for path in (tmp_path / "user").iterdir()] == [KEY]  # nothing temporary is left


def damage_bytes(entry: Path) -> None:
    path = entry / "train" / "text.bin"
    data = bytearray(path.read_bytes())
    data[500] ^= 1
    path.unlink()
    path.write_bytes(data)


DAMAGES: dict[str, Any] = {
    "one bit": damage_bytes,
    "shorter": lambda entry: os.truncate(entry / "train" / "text.bin", 10),
    "a missing file": lambda entry: (entry / "train" / "text.bin").unlink(),
    "no record": lambda entry: (entry / "entry.json").unlink(),
    "half of the record": lambda entry: (entry / "entry.json").write_text('{"format": 1, "facts"'),
    "not text": lambda entry: (entry / "entry.json").write_bytes(b"\xff\xfe"),
    "another format": lambda entry: (entry / "entry.json").write_text('{"format": 99, "facts": 1, "files": {}}'),
    "a record of another kind": lambda entry: (entry / "entry.json").write_text("[1]"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_entry_is_made_again(tmp_path: Path, damage: str) -> None:
    made, cache = encoded(tmp_path / "made"), EncodedCache(tmp_path / "user")
    cache.keep(KEY, made, {})
    DAMAGES[damage](tmp_path / "user" / KEY)
    made = encoded(tmp_path / "again")
    later = EncodedCache(tmp_path / "user")
    assert later.take(KEY, tmp_path / "taken") is None
    assert len(later.messages) == 1 and "is not used" in later.messages[0] and "made again" in later.messages[0]
    assert not (tmp_path / "taken").exists() and not list((tmp_path / "user").iterdir())
    later.keep(KEY, made, {"new": 1})
    assert EncodedCache(tmp_path / "user").take(KEY, tmp_path / "taken") == {"new": 1}


def test_the_entries_that_were_not_used_for_the_longest_time_are_removed(tmp_path: Path) -> None:
    cache = EncodedCache(tmp_path / "user", limit=2800)
    for at in range(2):
        cache.keep(f"key{at}", encoded(tmp_path / f"{at}"), at)
        os.utime(tmp_path / "user" / f"key{at}", (at, at))
    assert cache.take("key0", tmp_path / "taken") == 0  # the oldest one is used again
    stale = tmp_path / "user" / ".old.1.part"
    stale.mkdir()
    os.utime(stale, (0, 0))
    cache.keep("key3", encoded(tmp_path / "3"), 3)
    assert sorted(path.name for path in (tmp_path / "user").iterdir()) == ["key0", "key3"]
    cache.keep("large", encoded(tmp_path / "large", 4000), 4)
    assert "not kept" in cache.messages[-1] and not (tmp_path / "user" / "large").exists()


def test_an_entry_that_another_process_has_made_is_left(tmp_path: Path) -> None:
    cache = EncodedCache(tmp_path / "user")
    cache.keep(KEY, encoded(tmp_path / "a"), "first")
    cache.keep(KEY, encoded(tmp_path / "b"), "second")
    assert EncodedCache(tmp_path / "user").take(KEY, tmp_path / "taken") == "first"
    assert [path.name for path in (tmp_path / "user").iterdir()] == [KEY]


def test_a_folder_that_cannot_be_written_is_reported_once(tmp_path: Path) -> None:
    (tmp_path / "user").write_text("a file")
    cache = EncodedCache(tmp_path / "user" / "encoded")
    assert cache.take(KEY, tmp_path / "taken") is None
    cache.keep(KEY, encoded(tmp_path / "made"), {})
    assert len(cache.messages) == 1
    assert (
        cache.messages[0].startswith("warning: encoded data cannot be kept in the cache")
        and "--no-cache" in cache.messages[0]
    )


def test_the_environment_names_folder_and_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("RECURRA_CACHE", raising=False)
    found = EncodedCache.of_user()
    assert found is not None and (found.folder, found.limit) == (tmp_path / "recurra" / "encoded", 10e9)
    monkeypatch.setenv("RECURRA_CACHE", str(tmp_path / "mine"))
    monkeypatch.setenv("RECURRA_CACHE_GB", "0.5")
    found = EncodedCache.of_user()
    assert found is not None and (found.folder, found.limit) == (tmp_path / "mine", 0.5e9)
    for wrong in ("ten", "-1", "nan"):
        monkeypatch.setenv("RECURRA_CACHE_GB", wrong)
        with pytest.raises(SettingError, match="expected a number of gigabytes"):
            EncodedCache.of_user()
    monkeypatch.setenv("RECURRA_CACHE_GB", "1")
    monkeypatch.setenv("RECURRA_CACHE", "off")
    assert EncodedCache.of_user() is None


# keys ------------------------------------------------------------------------------------------------------------------
def test_every_attribute_of_a_field_changes_its_state() -> None:
    def words(**changes: Any) -> Words:
        usual: dict[str, Any] = {"tokenization": None, "size": 10, "min_count": None, "character_ngrams": None}
        return Words("words", None, **{**usual, "lookahead": True, **changes})

    fields = [
        *(
            Text("text", column, None, size, None, ngrams)
            for column in (None, "a")
            for size in (5, 6)
            for ngrams in (None, True)
        ),
        *(
            words(**changes)
            for changes in ({}, {"lookahead": False}, {"min_count": 3}, {"keep_digits": True}, {"size": 11})
        ),
        Label("label"),
        Label("label", order=float),
    ]
    keys = [key_of(state_of(field)) for field in fields]
    assert len(set(keys)) == len(fields)
    assert keys == [key_of(state_of(field)) for field in fields]
    assert key_of(state_of(words())) == key_of(state_of(words()))


def test_states_of_values() -> None:
    values: list[Any] = [
        *([1, 2], (1, 2), [2, 1], {1, 2}, "1", 1, True, None, b"1", Path("1"), {"a": 1}, {"a": 2}, 1.0, float),
        *(np.arange(3), np.arange(3.0), np.arange(4)[:3] + 1, np.float32(1), np.float64(1)),
    ]
    states = [json.dumps(state_of(value)) for value in values]
    assert len(set(states)) == len(values)
    ring: list[Any] = [1]
    ring.append(ring)
    assert json.dumps(state_of(ring)) == json.dumps(state_of(ring))


class Own(Label):  # type: ignore[misc]
    """A field of other code."""


@pytest.mark.parametrize(
    "value", [Own("label"), Own, Label("label", order=lambda name: name), object(), np.array([object()])]
)
def test_what_other_code_defines_has_no_state(value: Any) -> None:
    if type(value) is object:
        value = json.JSONDecoder()
    with pytest.raises(NotCacheableError):
        state_of(value)
