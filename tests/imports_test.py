"""Who may import whom, read from the source of every module: imports inside functions count too."""

import ast
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent
LEVELS = {
    "ground": ("layers", "methods", "config", "errors", "genotypes"),
    "domain": ("spaces", "data", "benchmarks"),
    "machinery": ("training", "analysis", "interop", "reporting"),
    "studies": ("command_line", "studies"),
}
COMMANDS = len(LEVELS)
STARTS = 'if __name__ == "__main__":'  # the line that only a command has
MODULES = sorted(path.relative_to(ROOT) for path in (ROOT / "sdarts_tf").rglob("*.py"))


def level(part):
    """0 for the ground; whatever is in no list is a command."""
    return next((number for number, parts in enumerate(LEVELS.values()) if part in parts), COMMANDS)


def part(path):
    """The package below `sdarts_tf` to which a file belongs, or the module's own name."""
    return path.with_suffix("").parts[1]


def imports_of(source, package="sdarts_tf"):
    """Dotted names that a module imports; `from a import b` gives `a.b`, since `b` may be a module."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            origin = ".".join([*parents, *([node.module] if node.module else [])])
            names |= {f"{origin}.{alias.name}" for alias in node.names}
    return names


def imported(path):
    return imports_of((ROOT / path).read_text(encoding="utf-8"), ".".join(path.parent.parts))


def ours(path):
    """Parts of this package that a module imports."""
    return {name.split(".")[1] for name in imported(path) if name.startswith("sdarts_tf.")}


def foreign(path):
    return {name.split(".")[0] for name in imported(path)} - {"sdarts_tf"}


def of(*parts):
    return pytest.mark.parametrize("path", [path for path in MODULES if part(path) in parts], ids=str)


def test_the_reader_of_imports():
    source = "import a.b, c\nfrom sdarts_tf.x import y\ndef f():\n    from sdarts_tf import z\n"
    source += "    from . import p\n    from ..q import r"
    read = imports_of(source, "sdarts_tf.here")
    assert read == {"a.b", "c", "sdarts_tf.x.y", "sdarts_tf.z", "sdarts_tf.here.p", "sdarts_tf.q.r"}


def test_every_level_has_modules():
    assert {level(part(path)) for path in MODULES} == {0, 1, 2, 3, COMMANDS}
    assert level("tables") == COMMANDS and level(part(pathlib.Path("sdarts_tf/spaces/tables.py"))) == 1


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_a_module_imports_only_its_own_level_or_lower_ones(path):
    above = sorted(name for name in ours(path) if level(name) > level(part(path)))
    assert above == []


@of("spaces")
def test_spaces_do_not_import_methods(path):
    assert "methods" not in ours(path)


@of("methods")
def test_methods_import_nothing_of_ours_but_methods(path):
    assert ours(path) <= {"methods"}


@of("genotypes", "errors", "config")
def test_genotypes_errors_and_settings_import_no_tensorflow(path):
    assert foreign(path) & {"tensorflow", "keras", "tensorflow_datasets"} == set()


@of("genotypes", "errors", "config")
def test_what_they_import_of_ours_needs_no_tensorflow_either(path):
    assert ours(path) <= {"genotypes", "errors", "config"}


@of("config")
def test_settings_import_errors_only(path):
    assert ours(path) <= {"config", "errors"}


RUNNABLE = [path for path in MODULES if STARTS in (ROOT / path).read_text(encoding="utf-8").splitlines()]


def commands():
    """Names of the modules that can be run."""
    return [path.stem for path in RUNNABLE]


def test_commands_lie_on_top():
    assert "search" in commands()
    assert {path.parent.name for path in RUNNABLE} == {"sdarts_tf"}


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_no_module_imports_a_command(path):
    assert ours(path).isdisjoint(commands())


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_flags_stop_at_the_door(path):
    assert "absl" not in foreign(path) or path.stem == "command_line"


def test_in_a_fresh_process_no_tensorflow_comes_with_commands_settings_and_genotypes():
    named = ["command_line", "config", "errors", "data.sources", "methods.ingredients", "spaces", "reporting.page"]
    named += commands() + [f"genotypes.{path.stem}" for path in MODULES if part(path) == "genotypes"]
    code = f"""
import importlib, sys
for name in {named}:
    importlib.import_module(f"sdarts_tf.{{name}}".removesuffix(".__init__"))
    print(name, sorted({{"tensorflow", "keras"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [f"{name} []" for name in named]
