"""Where Stembridge keeps its own files; each folder can be moved by an environment variable."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from bridge.errors import InvalidRequest

_APP = "stembridge"


def data_dir() -> Path:
    """Folder of what must be kept (separation weights): ``STEMBRIDGE_DATA_DIR``, else the platform's data folder."""
    return _overridden("STEMBRIDGE_DATA_DIR") or platformdirs.user_data_path(_APP, appauthor=False)


def cache_dir() -> Path:
    """Folder of what can be made again: ``STEMBRIDGE_CACHE_DIR``, else the platform's cache folder."""
    return _overridden("STEMBRIDGE_CACHE_DIR") or platformdirs.user_cache_path(_APP, appauthor=False)


def config_dir() -> Path:
    """Folder of the settings: ``STEMBRIDGE_CONFIG_DIR``, else the platform's folder for settings."""
    return _overridden("STEMBRIDGE_CONFIG_DIR") or platformdirs.user_config_path(_APP, appauthor=False)


def expanded(path: str | Path) -> Path:
    """A path that may begin with ``~`` or ``~user``; `ValueError` where there is no such user."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise ValueError(f"there is no home folder for {Path(path).parts[0]!r}") from error


def _overridden(variable: str) -> Path | None:
    """The absolute path in an environment variable, or None where it is unset or empty."""
    value = os.environ.get(variable, "")
    try:
        return expanded(value).absolute() if value else None
    except ValueError as error:
        raise InvalidRequest(f"{variable}: {error}; give an absolute path") from error
