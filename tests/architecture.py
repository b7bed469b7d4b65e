"""Reads a package's source with `ast` and says where it breaks the house's rules.

Direction, peers and the one home of a dependency hold for imports inside
functions too. An import under TYPE_CHECKING couples two parts as any other
does, so direction and peers hold for it; it loads nothing, so cycles and
homes do not.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

MODULE_LINES = 400
FUNCTION_LINES = 50


@dataclass(frozen=True)
class Rules:
    """What a package promises. Parts are the names directly below the package.

    `layers` come lowest first; parts of one layer never meet, save for the
    `meetings` (importer, imported). `homes` names, for each dependency, the
    parts or modules that may import it, `anywhere` those that all may.
    """

    layers: Sequence[Sequence[str]]
    homes: Mapping[str, Sequence[str]]
    meetings: Sequence[tuple[str, str]] = ()
    anywhere: Sequence[str] = ()
    environment_readers: Sequence[str] = ("config",)
    printers: Sequence[str] = ("cli",)


@dataclass(frozen=True)
class Import:
    """One imported module: `target` is dotted from the top; `inside` is ours."""

    target: str
    line: int
    inside: bool
    typing_only: bool
    absolute: bool


@dataclass(frozen=True)
class Module:
    """One source file; `name` is relative to the package, "" for its `__init__`."""

    name: str
    path: Path
    tree: ast.Module
    lines: int
    is_package: bool
    imports: list[Import] = field(default_factory=list)

    @property
    def part(self) -> str:
        """The name directly below the package."""
        return self.name.partition(".")[0]

    def lies_in(self, places: Sequence[str]) -> bool:
        """Whether the module is one of *places* or below one."""
        return any(self.name == place or self.name.startswith(f"{place}.") for place in places)


def violations(package: Path, rules: Rules) -> list[str]:
    """Every broken rule in *package*, as `module:line: what`."""
    modules = read(package)
    found = [line for module in modules for check in CHECKS for line in check(module, rules)]
    return [*found, *cycles(modules)]


def read(package: Path) -> list[Module]:
    """Every module of *package*, with its imports resolved."""
    paths = sorted(package.rglob("*.py"))
    names = {_name(path, package) for path in paths}
    modules = []
    for path in paths:
        text = path.read_text(encoding="utf-8")
        module = Module(
            _name(path, package),
            path,
            ast.parse(text),
            text.count("\n"),
            path.name == "__init__.py",
        )
        module.imports.extend(_imports(module, package.name, names))
        modules.append(module)
    return modules


def _name(path: Path, package: Path) -> str:
    parts = path.relative_to(package).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def _imports(module: Module, package: str, names: set[str]) -> Iterator[Import]:
    for node, typing_only in _import_nodes(module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield _absolute(alias.name, node.lineno, package, typing_only)
        elif node.level == 0:
            yield _absolute(node.module or "", node.lineno, package, typing_only)
        else:
            base = module.name.split(".") if module.name else []
            up = node.level - (1 if module.is_package else 0)
            base = base[: len(base) - up] if up else base
            where = ".".join([*base, *(node.module.split(".") if node.module else [])])
            for alias in node.names:
                below = f"{where}.{alias.name}" if where else alias.name
                target = below if below in names else where
                yield Import(target, node.lineno, True, typing_only, False)


def _absolute(target: str, line: int, package: str, typing_only: bool) -> Import:
    if target == package or target.startswith(f"{package}."):
        return Import(target[len(package) + 1 :], line, True, typing_only, True)
    return Import(target, line, False, typing_only, True)


def _import_nodes(
    node: ast.AST, typing_only: bool = False
) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, typing_only
        elif isinstance(child, ast.If) and _is_type_checking(child.test):
            for statement in child.body:
                yield from _import_nodes(ast.Module([statement], []), True)
            for statement in child.orelse:
                yield from _import_nodes(ast.Module([statement], []), typing_only)
        else:
            yield from _import_nodes(child, typing_only)


def _is_type_checking(test: ast.expr) -> bool:
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )


def imports_point_down(module: Module, rules: Rules) -> Iterator[str]:
    """No import of a higher layer, of a peer, or of a part that no layer names."""
    rank = {part: n for n, layer in enumerate(rules.layers) for part in layer}
    if module.name in {"", "__main__"}:
        return
    if module.part not in rank:
        yield f"{module.name}: no layer names {module.part!r}"
        return
    for each in module.imports:
        other = each.target.partition(".")[0]
        if not each.inside or other in {module.part, ""} or other not in rank:
            continue
        if rank[other] > rank[module.part]:
            yield f"{module.name}:{each.line}: {module.part} imports {other}, which lies above it"
        elif rank[other] == rank[module.part] and (module.part, other) not in rules.meetings:
            yield f"{module.name}:{each.line}: {module.part} imports its peer {other}"


def inside_imports_are_relative(module: Module, _rules: Rules) -> Iterator[str]:
    """No `import package...`, and nothing from the package's own `__init__`."""
    for each in module.imports:
        if each.inside and (each.absolute or (each.target == "" and module.name)):
            yield f"{module.name}:{each.line}: imports from the package itself"


def dependencies_have_one_home(module: Module, rules: Rules) -> Iterator[str]:
    """A third-party package is imported where the table says, and nowhere else."""
    for each in module.imports:
        top = each.target.partition(".")[0]
        if each.inside or each.typing_only or top in sys.stdlib_module_names:
            continue
        if top in rules.anywhere or module.lies_in(rules.homes.get(top, ())):
            continue
        home = ", ".join(rules.homes.get(top, ())) or "not in the table"
        yield f"{module.name}:{each.line}: imports {top}, whose home is: {home}"


def packages_say_what_they_are(module: Module, _rules: Rules) -> Iterator[str]:
    """Every `__init__` has a docstring."""
    if module.is_package and not ast.get_docstring(module.tree):
        yield f"{module.name or '__init__'}:1: package without a docstring"


def sizes_are_bounded(module: Module, _rules: Rules) -> Iterator[str]:
    """Modules and functions fit in the head."""
    if module.lines > MODULE_LINES:
        yield f"{module.name}:1: {module.lines} lines, at most {MODULE_LINES}"
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES:
                yield f"{module.name}:{node.lineno}: {node.name}() has {lines} lines"


def nothing_is_global(module: Module, rules: Rules) -> Iterator[str]:
    """No `global`, no reading of the environment outside config, no `print` outside cli."""
    for node in ast.walk(module.tree):
        where = f"{module.name}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Global):
            yield f"{where}: global {', '.join(node.names)}"
        elif _reads_environment(node) and not module.lies_in(rules.environment_readers):
            yield f"{where}: reads the environment"
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "print"
            and not module.lies_in(rules.printers)
        ):
            yield f"{where}: prints"


def _reads_environment(node: ast.AST) -> bool:
    names = {"environ", "environb", "getenv", "getenvb"}
    if isinstance(node, ast.ImportFrom):
        return node.module == "os" and any(alias.name in names for alias in node.names)
    return (
        isinstance(node, ast.Attribute)
        and node.attr in names
        and isinstance(node.value, ast.Name)
        and node.value.id == "os"
    )


CHECKS = (
    imports_point_down,
    inside_imports_are_relative,
    dependencies_have_one_home,
    packages_say_what_they_are,
    sizes_are_bounded,
    nothing_is_global,
)


def cycles(modules: Sequence[Module]) -> Iterator[str]:
    """Each module that reaches itself through imports that run."""
    names = {module.name for module in modules}
    graph = {
        module.name: {
            each.target
            for each in module.imports
            if each.inside and not each.typing_only and each.target in names
        }
        - {module.name}
        for module in modules
        if module.name
    }
    told: set[frozenset[str]] = set()
    for start in graph:
        path = _way_back(graph, start)
        if path and frozenset(path) not in told:
            told.add(frozenset(path))
            yield f"import cycle: {' -> '.join([*path, start])}"


def _way_back(graph: Mapping[str, set[str]], start: str) -> list[str] | None:
    ways = [[start]]
    seen: set[str] = set()
    while ways:
        way = ways.pop(0)
        for after in sorted(graph.get(way[-1], ())):
            if after == start:
                return way
            if after not in seen:
                seen.add(after)
                ways.append([*way, after])
    return None
