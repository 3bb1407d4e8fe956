"""Where Stembridge keeps its own files; each folder can be moved by an environment variable."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

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


def _overridden(variable: str) -> Path | None:
    """The absolute path in an environment variable, or None where it is unset or empty."""
    value = os.environ.get(variable, "")
    return Path(value).expanduser().absolute() if value else None
