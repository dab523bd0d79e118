"""The tidy rules: each takes source or a listing and returns complaints that say what to do."""

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from statistics import median
from typing import Final

import msgspec

LAYERS: Final = ("events", "projections", "services")
PURE_LAYERS: Final = ("events", "projections")
MAY_IMPORT: Final[Mapping[str, frozenset[str]]] = {
    "events": frozenset({"events"}),
    "projections": frozenset({"events", "projections"}),
    "services": frozenset(LAYERS),
}
OWN_PACKAGES: Final = frozenset({*LAYERS, "tests", "bench"})
# What a pure layer may import besides itself: nothing here reads a file, a clock, a socket or a dice, as long as nobody
# asks it to: of numpy the layers use arrays of whole numbers.
# fmt: off
PURE_IMPORTS: Final = frozenset({
    "__future__", "abc", "base64", "binascii", "bisect", "calendar", "collections", "contextlib", "copy",
    "dataclasses", "datetime", "decimal", "difflib", "enum", "fractions", "functools", "hashlib", "heapq",
    "hmac", "itertools", "json", "math", "msgspec", "numpy", "operator", "re", "string", "struct", "textwrap",
    "types", "typing", "unicodedata", "zlib", "zoneinfo",
})
# fmt: on
IMPURE_CALLS: Final = frozenset({"ZoneInfo", "exec", "eval", "float", "hash", "input", "open", "print"})
IMPURE_METHODS: Final = frozenset({"now", "today", "utcnow", "timestamp", "total_seconds", "ZoneInfo"})
FILE_LINES_MAX: Final = 400
FUNCTION_LINES_MAX: Final = 50
FUNCTION_LINES_MEDIAN_MAX: Final = 12
# Spelled so that this line does not match itself.
LEFT_TO_DO: Final = re.compile(r"\b(?:T[O]DO|FIX[M]E|X[X]X|H[A]CK|NotImplemented[E]rror)\b")
MACHINE_PATH: Final = re.compile(r"(?:^|[^\w.>}])/(?:work|root|home|Users)/[\w.]", re.MULTILINE)
REGISTRY: Final = re.compile(
    r"pypi[.]org|pythonhosted[.]org|registry[.]npmjs|repo1?[.]maven|https?://[^\s\"]+/(?:simple|packages|maven2)/"
)
FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)
FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


class Source(msgspec.Struct, frozen=True):
    """One Python file: its path from the root of the repository, with forward slashes, and its text."""

    path: str
    text: str

    @property
    def tree(self) -> ast.Module:
        """The parsed text; a SyntaxError names the file."""
        return ast.parse(self.text, self.path)

    @property
    def layer(self) -> str:
        """The top-level folder."""
        return PurePosixPath(self.path).parts[0]


Rule = Callable[[Source], list[str]]


def complaint(source: Source, line: int, sentence: str) -> str:
    """A complaint in the form editors and terminals make clickable."""
    return f"{source.path}:{line}: {sentence}"


def imports(source: Source) -> Iterator[tuple[int, str]]:
    """Line and top-level name of everything a file imports, inside functions too."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.partition(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.lineno, node.module.partition(".")[0]


def functions(source: Source) -> Iterator[FunctionNode]:
    """Every function and method of a file, nested ones too."""
    return (node for node in ast.walk(source.tree) if isinstance(node, FUNCTIONS))


def imports_point_down(source: Source) -> list[str]:
    """Imports go services -> projections -> events, never back, and never into tests or benchmarks."""
    allowed = MAY_IMPORT.get(source.layer, OWN_PACKAGES)
    return [
        complaint(
            source,
            line,
            f"{source.layer}/ imports {name}; move what both need down into the lower folder, "
            "or pass it in as an argument",
        )
        for line, name in imports(source)
        if name in OWN_PACKAGES - allowed
    ]


def pure_imports(source: Source) -> list[str]:
    """events/ and projections/ import nothing that reaches the world."""
    if source.layer not in PURE_LAYERS:
        return []
    return [
        complaint(
            source,
            line,
            f"{source.layer}/ is pure and may not import {name}; do this in services/ and pass the result in "
            "(if the module is pure too, add it to PURE_IMPORTS in tests/tidy.py)",
        )
        for line, name in imports(source)
        if name not in PURE_IMPORTS | OWN_PACKAGES
    ]


def pure_calls(source: Source) -> list[str]:
    """events/ and projections/ ask no clock, no file, no time zone database, and make no float."""
    if source.layer not in PURE_LAYERS:
        return []
    return [
        complaint(
            source,
            node.lineno,
            f"{ast.unparse(node.func)}() in pure {source.layer}/; take the value as an argument "
            "and keep numbers whole (int, Fraction)",
        )
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call) and impure(node.func)
    ]


def impure(called: ast.expr) -> bool:
    """Whether a call by this name reads the world or makes a float."""
    if isinstance(called, ast.Name):
        return called.id in IMPURE_CALLS
    return isinstance(called, ast.Attribute) and called.attr in IMPURE_METHODS


def whole_numbers(source: Source) -> list[str]:
    """events/ and projections/ hold no float literal and no true division."""
    if source.layer not in PURE_LAYERS:
        return []
    found: list[str] = []
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, float | complex):
            found.append(complaint(source, node.lineno, f"float {node.value}; use an int in smaller units"))
        elif isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div):
            found.append(complaint(source, node.lineno, "true division; use // and %, or Fraction(a, b)"))
    return found


def module_docstring(source: Source) -> list[str]:
    """Every module opens with one sentence on one line."""
    docstring = ast.get_docstring(source.tree)
    if docstring and docstring.partition("\n")[0].endswith("."):
        return []
    return [
        complaint(
            source, 1, "open the module with a docstring whose first line is one sentence with a full stop"
        )
    ]


def annotated(source: Source) -> list[str]:
    """Every function says the types of its arguments and of its result."""
    return [
        complaint(source, node.lineno, f"{node.name}() lacks types for: {', '.join(missing)}; annotate them")
        for node in functions(source)
        if (missing := list(missing_types(node)))
    ]


def missing_types(node: FunctionNode) -> Iterator[str]:
    """Names of the arguments of a function that have no annotation; `return` if its result has none."""
    arguments = node.args
    positional = [*arguments.posonlyargs, *arguments.args]
    if positional and positional[0].arg in {"self", "cls", "mcs"}:
        positional = positional[1:]
    stars = [argument for argument in (arguments.vararg, arguments.kwarg) if argument]
    yield from (arg.arg for arg in (*positional, *arguments.kwonlyargs, *stars) if arg.annotation is None)
    if node.returns is None:
        yield "return"


def function_lines(node: FunctionNode) -> int:
    """Lines from `def` to the end, without the docstring: explaining is never punished."""
    first = node.body[0]
    is_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    explained = (first.end_lineno or first.lineno) - first.lineno + 1 if is_docstring else 0
    return (node.end_lineno or node.lineno) - node.lineno + 1 - explained


def functions_fit(source: Source) -> list[str]:
    """No function is longer than a screen."""
    return [
        complaint(
            source,
            node.lineno,
            f"{node.name}() has {lines} lines, at most {FUNCTION_LINES_MAX}; split where a comment would go",
        )
        for node in functions(source)
        if (lines := function_lines(node)) > FUNCTION_LINES_MAX
    ]


def file_fits(source: Source) -> list[str]:
    """No file is longer than 400 lines."""
    lines = len(source.text.splitlines())
    if lines <= FILE_LINES_MAX:
        return []
    return [
        complaint(
            source, lines, f"{lines} lines, at most {FILE_LINES_MAX}; give the second noun its own module"
        )
    ]


def median_fits(sources: Iterable[Source]) -> list[str]:
    """Half of all functions are short."""
    lengths = [function_lines(node) for source in sources for node in functions(source)]
    middle = median(lengths) if lengths else 0
    if middle <= FUNCTION_LINES_MEDIAN_MAX:
        return []
    return [f"the median function has {middle} lines, at most {FUNCTION_LINES_MEDIAN_MAX}; split the longest"]


def nothing_left_to_do(path: str, text: str) -> list[str]:
    """No notes to self and no stubs."""
    return [
        f"{path}:{number}: {found[0]}; do it, or write it down outside the code"
        for number, line in enumerate(text.splitlines(), 1)
        if (found := LEFT_TO_DO.search(line))
    ]


def no_addresses(path: str, text: str) -> list[str]:
    """No path of one machine and no address of a package registry."""
    return [
        f"{path}:{number}: {found[0].strip()!r}; write a relative path, or a package's name alone"
        for number, line in enumerate(text.splitlines(), 1)
        if (found := MACHINE_PATH.search(line) or REGISTRY.search(line))
    ]


def mirrors(module: str) -> list[str]:
    """Paths of the test modules that would cover a module: its own, or the suite of a folder it lies in.

    `services/ledgers/sqlite.py` has tests/services/ledgers/test_sqlite.py or tests/services/test_ledgers.py.
    """
    *folders, stem = PurePosixPath(module).with_suffix("").parts
    own = "/".join(["tests", *folders, f"test_{stem}.py"])
    suites = [
        "/".join(["tests", *folders[:depth], f"test_{folders[depth]}.py"]) for depth in range(1, len(folders))
    ]
    return [own, *suites]


def mirrored(modules: Iterable[str], tests: Iterable[str], covered_by: Mapping[str, str]) -> list[str]:
    """Every module has its test, by name or by an entry of the table; and the table says nothing untrue."""
    modules, tests = set(modules), set(tests)
    wanting = [
        f"{module}: no test; add {' or '.join(mirrors(module))}, or name its test in COVERED_BY"
        for module in sorted(modules - set(covered_by))
        if tests.isdisjoint(mirrors(module))
    ]
    stale = [
        f"COVERED_BY: {module} or {test} is not there; mend or remove the entry"
        for module, test in sorted(covered_by.items())
        if module not in modules or test not in tests
    ]
    return wanting + stale


def foreign_owners(owners: Mapping[str, list[str]], own: str = "revledger") -> list[str]:
    """No other installed distribution brings one of our names; `owners` as packages_distributions()."""
    return [
        f"{other} also installs a top-level {name!r}; drop that dependency or rename the folder"
        for name in LAYERS
        for other in owners.get(name, [])
        if other != own
    ]


def readme_commands(readme: str, makefile: str) -> list[str]:
    """The README's first code block has the run and the test command, and the Makefile knows both."""
    block = re.search(r"^```\w*\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    commands = block[1] if block else ""
    found: list[str] = []
    for target in ("run", "test"):
        if not re.search(rf"^(?:\$ )?make {target}\b", commands, re.MULTILINE):
            found.append(f"README.md: put `make {target}` into the first code block")
        if not re.search(rf"^{target}:", makefile, re.MULTILINE):
            found.append(f"Makefile: add the target {target!r}, the README promises it")
    return found


def unpinned(dependencies: Iterable[str], constraints: str) -> list[str]:
    """constraints.txt pins every dependency, hashes everything and holds no address."""
    pins = dict(re.findall(r"^([\w.-]+)==(\S+).*\\\n(?= +--hash=)", constraints, re.MULTILINE))
    names = [re.split(r"[\[<>=~!;\s]", dependency, maxsplit=1)[0] for dependency in dependencies]
    found = [
        f"constraints.txt: {name} is not pinned with a hash; run `make lock`"
        for name in names
        if name not in pins
    ]
    if "://" in constraints:
        found.append("constraints.txt: holds an address; run `make lock`, which writes none")
    return found


SOURCE_RULES: Final[tuple[Rule, ...]] = (
    imports_point_down,
    pure_imports,
    pure_calls,
    whole_numbers,
    module_docstring,
    annotated,
    functions_fit,
    file_fits,
)
