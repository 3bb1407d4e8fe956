"""Imports point one way, as the table in docs/architecture.md says, and nothing here is tied to one machine."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BRIDGE = ROOT / "bridge"

#: What takes long to import, or much memory: to be imported only by what uses it, when it is used.
HEAVY = {"av", "basic_pitch", "demucs", "librosa", "numba", "onnxruntime", "scipy", "sklearn", "torch"}

TEXT_ENDINGS = {
    "",
    ".cfg",
    ".css",
    ".html",
    ".js",
    ".json",
    ".lock",
    ".md",
    ".py",
    ".sh",
    ".svg",
    ".toml",
    ".txt",
    ".yml",
}


@cache
def layers() -> dict[str, tuple[int, bool]]:
    """Unit (a module, or a package with all in it) -> its layer, and whether its layer's units may know each other."""
    table = {}
    text = (ROOT / "docs/architecture.md").read_text("utf-8")
    for row in re.findall(r"^\| *(\d+) *\|(.*)\|(.*)\|$", text, re.MULTILINE):
        for unit in re.findall(r"`([\w.*]+)`", row[1]):
            table[unit.removesuffix(".*")] = (int(row[0]), "not each other" not in row[2])
    return table


@cache
def modules() -> dict[str, Path]:
    """Dotted name -> file of every module of the package."""
    files = {".".join(file.relative_to(ROOT).with_suffix("").parts): file for file in sorted(BRIDGE.rglob("*.py"))}
    return {name.removesuffix(".__init__"): file for name, file in files.items()}


def imports(name: str, file: Path) -> Iterator[tuple[str, bool]]:
    """Modules of the package that a module imports, and whether it does so when it is imported itself."""
    known = modules()
    tree = ast.parse(file.read_text("utf-8"))
    deferred = {
        id(node)
        for outer in ast.walk(tree)
        if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        or (isinstance(outer, ast.If) and ast.unparse(outer.test).endswith("TYPE_CHECKING"))
        for node in ast.walk(outer)
    }
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1]) if node.level else ""
            base = ".".join(part for part in (above, node.module) if part)
            found = [full if (full := f"{base}.{alias.name}") in known else base for alias in node.names]
        else:
            continue
        yield from ((target, id(node) not in deferred) for target in found if target.split(".")[0] == "bridge")


def unit_of(module: str) -> str:
    """The unit of the table that a module belongs to: ``bridge.audio.wav`` is in ``audio``."""
    return module.split(".")[1] if "." in module else ""


def forbidden(importer: str, imported: str) -> str | None:
    """Why one unit may not import the other; None if it may."""
    table = layers()
    if not imported or importer == imported:
        return None  # anything may know the package's version, and its own package
    (layer, _), (other, may_know_siblings) = table[importer], table[imported]
    if other > layer:
        return f"layer {layer} may not know layer {other}"
    if other == layer and not may_know_siblings:
        return f"the units of layer {layer} may not know each other"
    return None


def test_every_module_is_listed_in_the_table_of_layers() -> None:
    units = {unit_of(name) for name in modules()} - {""}
    assert units <= layers().keys(), f"not in the table of docs/architecture.md: {sorted(units - layers().keys())}"


@pytest.mark.parametrize("name", modules())
def test_a_module_imports_only_what_its_layer_may_know(name: str) -> None:
    wrong = {
        target: reason
        for target, _ in imports(name, modules()[name])
        if (reason := forbidden(unit_of(name), unit_of(target)))
    }
    assert not wrong


def test_the_package_itself_imports_nothing() -> None:
    assert not list(imports("bridge", BRIDGE / "__init__.py"))


def test_no_modules_import_each_other_in_a_circle() -> None:
    known = modules()
    graph = {
        name: {target for target, at_once in imports(name, file) if at_once and target in known and target != name}
        for name, file in known.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle of imports: {' -> '.join(error.args[1])}")


def test_the_rules_find_what_is_wrong() -> None:
    assert forbidden("music", "audio")
    assert forbidden("errors", "cli")
    assert forbidden("drums", "tempo")
    assert not forbidden("cli", "errors")
    assert not forbidden("audio", "audio")


def test_the_command_line_starts_without_heavy_libraries() -> None:
    script = f"import sys, bridge.cli; print(*sorted({HEAVY} & {{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout.split() == []


def test_what_reports_to_its_maker_is_imported_in_the_one_place_that_keeps_it_from_that() -> None:
    importers = {
        name
        for name, file in modules().items()
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for imported in ([it.name for it in node.names] if isinstance(node, ast.Import) else [node.module or ""])
        if imported.split(".")[0] in {"basic_pitch", "onnxruntime"}
    }
    assert importers == {"bridge.quietly"}


def text_files() -> Iterator[Path]:
    """The repository's own text files."""
    made = {"build", "dist", "bench-out", "stembridge-demo", "__pycache__"}
    for path in ROOT.iterdir():
        if path.name in made or (
            path.name.startswith(".") and path.name not in {".ci", ".gitattributes", ".gitignore"}
        ):
            continue
        for file in [path] if path.is_file() else path.rglob("*"):
            if file.is_file() and file.suffix in TEXT_ENDINGS and not made & set(file.relative_to(ROOT).parts):
                yield file


def test_no_file_names_a_registry_or_a_folder_of_one_machine() -> None:
    # Put together here, so that this file doesn't name them.
    hosts = [
        ".".join(parts) for parts in (("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("npmjs", "com"))
    ]
    folders = [
        "/".join(("", *parts)) for parts in (("work", ""), ("opt", "wheels"), ("root", ""), ("home", "user", ""))
    ]
    pattern = re.compile(
        "|".join([*map(re.escape, hosts), *(rf"(?<![\w.*{{}}])(?:{re.escape(folder)})" for folder in folders)])
    )
    found = {
        f"{file.relative_to(ROOT)}: {match.group()}"
        for file in text_files()
        for match in pattern.finditer(file.read_text("utf-8", errors="replace"))
    }
    assert not found
