"""The house (docs/design/architecture.md): floors, one importer per third-party package, no hidden imports, sizes."""

import ast
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / "fastdag").rglob("*.py"))

# Every module, or folder of modules, and its floor. Folders stand for all that is in them.
FLOORS = {
    "errors": 0,
    "outcome": 0,
    "deadline": 0,
    "events": 0,
    "context": 0,
    "concurrency": 0,
    "pressure": 0,
    "node": 1,
    "flying": 1,
    "signature": 1,
    "blank": 1,
    "wiring": 1,
    "validate": 1,
    "plan": 1,
    "lint": 1,
    "explain": 1,
    "upstream": 1,
    "nodes": 2,
    "shape": 2,
    "ledger": 2,
    "workers": 2,
    "engine": 2,
    "fan": 2,
    "result": 2,
    "select": 2,
    "sinks": 2,
    "watch": 2,
    "graph": 3,
    "observe": 3,
    "web": 4,
    "server": 5,
    "cli": 5,
    "testing": 9,
    "__init__": 9,
    "__main__": 9,
}

TOWERS = ({"node", "signature", "wiring", "validate", "plan", "lint", "explain"}, {"upstream"})

# Where a third-party package may be imported. msgspec is data, not a service: it is used on every floor.
IMPORTERS = {
    "gevent": {"concurrency"},
    "greenlet": {"concurrency"},
    "requests": {"upstream/transport/requests"},
    "urllib3": {"upstream/transport/requests"},
    "httptools": {"upstream/transport/parser"},
    "gunicorn": {"server"},
    "gunicorn_h1c": {"server"},
    "falcon": {"web"},
    "prometheus_client": {"observe/metrics"},
    "opentelemetry": {"observe/trace"},
    "redis": {"upstream/policies/redis"},
    "brotli": {"upstream/transport/decode", "web/compress"},
    "zstandard": {"upstream/transport/decode", "web/compress"},
    "typer": {"cli"},
    "rich": {"cli"},
    "msgspec": {""},
}

# Optional extras may be imported where they are missed: inside `try`, or inside a function.
EXTRAS = {"prometheus_client", "opentelemetry", "redis", "brotli", "zstandard"}

LINES = 300
FUNCTION_LINES = 60
EXEMPT = {"engine", "engine:work"}  # the engine's loop, which does by hand what a call per node would cost


class Import(NamedTuple):
    module: str
    names: tuple[str, ...]  # of `from module import names`
    for_types: bool  # whether only a type checker runs it
    function: str  # the function it stands in, or nothing


class Module(NamedTuple):
    path: str
    lines: int
    imports: tuple[Import, ...]
    functions: tuple[tuple[str, int], ...]  # name and length


def read(file):
    text = file.read_text()
    imports, functions = [], []

    def visit(node, for_types, function):
        for child in ast.iter_child_nodes(node):
            guarded, inside = for_types, function
            if isinstance(child, ast.Import):
                imports.extend(Import(alias.name, (), for_types, function) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"{file}: imports are absolute"
                imports.append(Import(child.module, tuple(alias.name for alias in child.names), for_types, function))
            elif isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
                inside = child.name
                functions.append((child.name, child.end_lineno - child.lineno + 1))
            elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                guarded = True
            visit(child, guarded, inside)

    visit(ast.parse(text, str(file)), False, "")
    path = file.relative_to(ROOT / "fastdag").with_suffix("").as_posix()
    return Module(path, len(text.splitlines()), tuple(imports), tuple(functions))


@cache
def house():
    return tuple(read(file) for file in FILES)


def own_imports(module, *, for_types=True):
    """What a module imports of fastdag, as paths of modules."""
    found = set()
    for other in module.imports:
        if other.module.split(".")[0] == "fastdag" and (for_types or not other.for_types):
            base = other.module.removeprefix("fastdag").strip(".").replace(".", "/")
            below = {f"{base}/{name}".strip("/") for name in other.names}
            modules = {path for path in below if (ROOT / "fastdag" / f"{path}.py").exists()}
            found |= modules or {base or "__init__"}
    return found


def top(path):
    return path.split("/")[0]


def test_every_module_has_a_floor():
    assert {top(module.path) for module in house()} <= set(FLOORS)


def test_a_module_imports_from_lower_floors_or_its_own_only():
    upwards = [
        f"{module.path} (floor {FLOORS[top(module.path)]}) imports {other} (floor {FLOORS[top(other)]})"
        for module in house()
        for other in own_imports(module)
        if FLOORS[top(other)] > FLOORS[top(module.path)]
    ]
    assert upwards == []


def test_the_two_towers_of_floor_one_never_import_each_other():
    across = [
        f"{module.path} imports {other}"
        for module in house()
        for other in own_imports(module)
        for one, two in (TOWERS, TOWERS[::-1])
        if top(module.path) in one and top(other) in two
    ]
    assert across == []


def test_no_module_imports_its_own_packages_init():
    assert [module.path for module in house() if "__init__" in own_imports(module)] == []


def test_there_are_no_import_cycles():
    left = {module.path: own_imports(module, for_types=False) for module in house()}
    while free := [path for path, others in left.items() if not others & left.keys() - {path}]:
        for path in free:
            del left[path]
    assert left == {}, "these import each other, or what does"


def test_a_third_party_package_is_imported_in_one_place():
    elsewhere = []
    for module in house():
        for package in {top(other.module.replace(".", "/")) for other in module.imports}:
            if package in sys.stdlib_module_names or package == "fastdag":
                continue
            places = IMPORTERS.get(package, ())
            if not any(not place or f"{module.path}/".startswith(f"{place}/") for place in places):
                elsewhere.append(f"{module.path} imports {package}")
    assert elsewhere == []


def test_no_import_hides_in_a_function():
    hidden = [
        f"{module.path}: {other.function} imports {other.module}"
        for module in house()
        for other in module.imports
        if other.function and other.module.split(".")[0] not in EXTRAS
    ]
    assert hidden == []


def test_files_stay_short():
    assert [f"{m.path}: {m.lines}" for m in house() if m.lines >= LINES and m.path not in EXEMPT] == []


def test_functions_stay_short():
    functions = [(f"{module.path}:{name}", length) for module in house() for name, length in module.functions]
    assert [(name, length) for name, length in functions if length >= FUNCTION_LINES and name not in EXEMPT] == []
    assert dict(functions)["engine:work"] >= FUNCTION_LINES, "it needs no exemption any more"
