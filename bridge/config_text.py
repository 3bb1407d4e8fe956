"""Settings as text: in which line a key stands, how a value is written, and what a checker's complaint means."""

from __future__ import annotations

import json
import re


class Places:
    """The lines in which keys are set, as far as that can be told by looking: tomllib keeps none."""

    _HEADER = re.compile(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]")
    _KEY = re.compile(r"""\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")

    def __init__(self, name: str, text: str) -> None:
        self._name = name
        self._lines: dict[tuple[str | int, ...], int] = {}
        counts: dict[tuple[str | int, ...], int] = {}
        table: tuple[str | int, ...] = ()
        for number, line in enumerate(text.splitlines(), 1):
            if header := self._HEADER.match(line):
                table = ()
                for word in self._words(header[2]):
                    table = (*table, word, *([counts[(*table, word)]] if (*table, word) in counts else []))
                if header[1] == "[[":
                    table = table[:-1] if isinstance(table[-1], int) else table
                    counts[table] = counts.get(table, -1) + 1
                    self._lines.setdefault(table, number)
                    table = (*table, counts[table])
                self._lines.setdefault(table, number)
            elif key := self._KEY.match(line):
                self._lines.setdefault((*table, *self._words(key[1])), number)

    def of(self, *path: str | int) -> str:
        """The file and the line of a key, or of the nearest table above it."""
        for length in range(len(path), 0, -1):
            if path[:length] in self._lines:
                return f"{self._name}, line {self._lines[path[:length]]}"
        return self._name

    @staticmethod
    def _words(dotted: str) -> list[str]:
        return [word.strip().strip("\"'") for word in dotted.split(".")]


def path_of(error: Exception) -> list[str]:
    """The keys that lead to what msgspec complains about."""
    found = re.search(r" - at `\$([^`]*)`$", str(error))
    return re.findall(r"\w+", found.group(1)) if found else []


def reason_of(error: Exception) -> str:
    """What msgspec complains about, without its own notation."""
    text, _, _ = str(error).partition(" - at `")
    path = path_of(error)
    if text.startswith("Expected"):
        return f"{'.'.join(path) or 'it'}: {text[0].lower()}{text[1:]}".replace("`", "")
    return text.replace("Object missing required field", "missing required field")


def shown(value: object) -> str:
    """A value as the user wrote it, or about so."""
    text = value if isinstance(value, str) else toml(value)
    is_number = re.fullmatch(r"[-+]?[0-9._]+(e[-+]?[0-9]+)?", text) is not None
    return repr(text[:80]) if isinstance(value, str) and not is_number else text[:80]


def toml(value: object) -> str:
    """A value as TOML has it, in one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml(it)}" for key, it in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False, default=str)
