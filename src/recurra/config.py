"""Settings as people write them: `--set key=value` and configuration files in YAML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from .errors import SettingError
from .yaml_mappings import check_spaces


def parse_pairs(pairs: list[str]) -> dict[str, Any]:
    """`["bidirectional=true"]` of `--set` -> `{"bidirectional": True}`, values read as YAML."""
    result: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key.strip():
            raise SettingError(f"--set {pair!r}: write it as key=value, for example --set hidden_size=256")
        try:
            result[key.strip()] = yaml.safe_load(text) if text.strip() else None
        except yaml.YAMLError:
            result[key.strip()] = text
        check_spaces(result[key.strip()], f"--set {pair}", f"--set '{key.strip()}={{}}'")
    return result


def read_config(path: str | Path) -> dict[str, Any]:
    """A configuration file in YAML: the groups `data`, `model`, `training`, or plain setting names."""
    path = Path(path)
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingError(f"{path}: cannot be read ({error.strerror})") from None
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise SettingError(f"{path}{line}: invalid YAML: {error.problem or error.context}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingError(f"{path}: invalid YAML: {str(error).splitlines()[0]}") from None
    if values is None:
        return {}
    check_spaces(values, str(path), "{}")
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise SettingError(f"{path}: expected settings by name, as in 'model: {{hidden_size: 256}}'")
    return values
