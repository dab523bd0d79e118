"""The rulebook: a TOML file of rules and sinks, read key by key, with everything that is wrong said at once."""

import re
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from projections.rules import Rule
from services.alerts.rules import reading
from services.alerts.rules.checking import (
    ON,
    RULE_KEYS,
    misplaced,
    problems_of_escalation,
    problems_of_rule,
    unlabelled,
)
from services.alerts.rules.reading import Wrong
from services.alerts.rules.silences import SILENCE_KEYS, Silence, problems_of_silence
from services.alerts.rules.sinks import (
    KINDS,
    OF_SECRETS,
    SINK_KEYS,
    SecretMissing,
    Sink,
    away,
    problems_of_secrets,
    problems_of_sink,
)
from services.alerts.sending.chat import problem_of_url
from services.questions import nearest

FILE: Final = "alerts.toml"
"""What the file is called in a data directory."""
DEFAULTS: Final = files("services.alerts.rules").joinpath("defaults.toml").read_text("utf-8")
EXAMPLE_RULES: Final = files("services.alerts.rules").joinpath("examples.toml").read_text("utf-8")
"""Rules to choose from."""
EXAMPLE_SINK: Final = """
# Where alerts go. Without any sink they go to the log. Secrets are in the environment or in files, never here; two of
# a webhook, the newest first, while one is replaced.
# [[sink]]
# name = "crm"
# kind = "webhook"
# url = "https://crm.example/hooks/revenue"
# secret_env = "CRM_WEBHOOK_SECRET"
#
# [[sink]]
# name = "team"
# kind = "apprise"                # Slack, Teams and a hundred more: the variable holds a URL such as slack://...
# secret_env = "TEAM_CHAT_URL"
"""
LOG_SINK: Final = Sink(name="log", kind="log")
"""Where alerts go in a book that names no sinks."""

_TABLES: Final = ("rule", "sink", "silence")
_TOP_KEYS: Final[dict[str, tuple[str, reading.Reader]]] = {
    "defaults": ("defaults", reading.yes),
    "late": ("late_seconds", reading.duration),
    "catch_up": ("catch_up_seconds", reading.duration),
}


class Rulebook(Struct, frozen=True, kw_only=True):
    """The rules in force, in the order of the file, and where alerts go.

    What happened more than `late_seconds` before it was recorded is history, and no alert. Where nobody knows any more
    what was sent, because the views were lost, what was recorded in the last `catch_up_seconds` is sent (again).
    """

    rules: tuple[Rule, ...]
    sinks: tuple[Sink, ...] = (LOG_SINK,)
    silences: tuple[Silence, ...] = ()
    late_seconds: int = 31 * 86_400
    catch_up_seconds: int = 3_600


class Problem(Struct, frozen=True):
    """What is wrong in a file; `line` from 1, 0 where it is not about a line; `where` names the rule or sink."""

    line: int
    where: str
    message: str

    def __str__(self) -> str:
        place = f"line {self.line}: " if self.line else ""
        return f"{place}{f'{self.where}: ' if self.where else ''}{self.message}"


class RulebookError(Exception):
    """A file of rules that cannot be used as it is, with all that is wrong in it."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


def rulebook_of_file(
    path: Path | None, names: Collection[str] | None = None, *, is_sent_by: bool = True
) -> Rulebook:
    """The rulebook in a file, or that of defaults, as `rulebook_of_toml`; raises OSError if there is no such file."""
    if path is None:
        return rulebook_of_toml("", names)
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RulebookError([Problem(0, "", f"{path} is not text in UTF-8: {error}")]) from error
    return rulebook_of_toml(text, names, is_sent_by=is_sent_by)


def rulebook_of_toml(text: str, names: Collection[str] | None = None, *, is_sent_by: bool = True) -> Rulebook:
    """The rulebook that TOML states; `names`: what accounts are labelled with, where that is known.

    `is_sent_by`: whether anything is to be sent by it, for which all secrets have to be on this machine.

    Raises RulebookError with every problem at once.
    """
    said = _parsed(text)
    problems: list[Problem] = []
    lines = _Lines(text)
    top = _top(said, lines, problems)
    tables = {name: _tables(said, name, lines, problems) for name in _TABLES}
    sinks = _sinks(tables["sink"], names, lines, problems, is_sent_by=is_sent_by)
    known = _names_in(tables["sink"]) or [LOG_SINK.name]
    own = _rules(tables["rule"], known, names, lines, problems)
    rules = {**(_default_rules() if top.pop("defaults", True) else {}), **own}
    found = tuple(rule for rule in rules.values() if rule is not None)
    on = [table for table in tables["rule"] if table.get("enabled", True) is not False]
    silences = _silences(tables["silence"], {*_names_in(on), *(rule.name for rule in found)}, lines, problems)
    if problems:
        raise RulebookError(sorted(problems, key=lambda one: one.line))
    return Rulebook(rules=found, sinks=tuple(sinks) or (LOG_SINK,), silences=tuple(silences), **top)


def _names_in(tables: Iterable[Mapping[str, Any]]) -> list[str]:
    """The names of tables, whatever else is wrong with them: what names them is not wrong as well."""
    return [name for table in tables if isinstance(name := table.get("name"), str)]


def _default_rules() -> dict[str, Rule | None]:
    problems: list[Problem] = []
    tables = tomllib.loads(DEFAULTS, parse_float=Decimal)["rule"]
    rules = _rules(tables, [], None, _Lines(DEFAULTS), problems)
    assert not problems, problems
    return rules


def _parsed(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text, parse_float=Decimal)
    except (tomllib.TOMLDecodeError, ValueError, RecursionError) as error:
        found = re.search(r"\(at line (\d+), column \d+\)", str(error))
        raise RulebookError([Problem(int(found[1]) if found else 0, "", f"this is not TOML: {error}")]) from error


class _Lines:
    """Where in a file its tables and their keys begin, lines from 1."""

    def __init__(self, text: str) -> None:
        self._lines = text.splitlines()

    def of(self, table: str, index: int, key: str = "") -> int:
        """The line of a key in the table so named with this index; of its head, where the key is not found."""
        head = re.compile(rf"\s*\[\[?\s*{table}\s*\]")
        heads = [number for number, line in enumerate(self._lines, 1) if head.match(line)]
        if index >= len(heads):
            return 0
        for number in range(heads[index] + 1, len(self._lines) + 1):
            line = self._lines[number - 1]
            if re.match(r"\s*\[", line):
                break
            if key and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*[=.]", line):
                return number
        return heads[index]

    def of_key(self, key: str) -> int:
        """The line of a key outside of all tables."""
        for number, line in enumerate(self._lines, 1):
            if re.match(rf"\s*\[*\s*[\"']?{re.escape(key)}\b", line):
                return number
        return 0


def _top(said: Mapping[str, Any], lines: _Lines, problems: list[Problem]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in said.items():
        if key in _TABLES:
            continue
        if key not in _TOP_KEYS:
            known = [*_TOP_KEYS, *_TABLES]
            problems.append(Problem(lines.of_key(key), "", f"there is no {key!r}{nearest(key, known)}"))
            continue
        field, read = _TOP_KEYS[key]
        try:
            values[field] = read(value)
        except ValueError as error:
            problems.append(Problem(lines.of_key(key), "", f"{key} = {_shown(value)} cannot be: {error}"))
    return values


def _tables(said: Mapping[str, Any], name: str, lines: _Lines, problems: list[Problem]) -> list[dict[str, Any]]:
    tables = said.get(name, [])
    if isinstance(tables, list) and all(isinstance(one, dict) for one in tables):
        return tables
    problems.append(Problem(lines.of_key(name), "", f"write each {name} under a line of its own: [[{name}]]"))
    return [tables] if isinstance(tables, dict) else []


def _rules(
    tables: Iterable[dict[str, Any]],
    sinks: Collection[str],
    names: Collection[str] | None,
    lines: _Lines,
    problems: list[Problem],
) -> dict[str, Rule | None]:
    """Rules by name, in order; None for one that is turned off, or in which anything is wrong."""
    rules: dict[str, Rule | None] = {}
    for index, table in enumerate(tables):
        name = _name(table, "rule", index, rules, lines, problems)
        if name is None:
            continue
        rules[name] = None
        if table.get("enabled", True) is False:
            continue
        values, wrong, unread = _read(table, RULE_KEYS)
        if "on" in values:
            wrong += misplaced(values["on"], [key for key in table if key in RULE_KEYS])
        elif "on" not in unread:
            wrong.append(Wrong("", f"it does not say what it is on: write on = one of {', '.join(ON)}"))
            unread.add("on")
        values.pop("enabled", None)
        rule = Rule(**{"on": ON[0]} | values)
        wrong += problems_of_rule(rule, unread, sinks, names)
        problems += [Problem(lines.of("rule", index, one.key), f"rule {name!r}", one.message) for one in wrong]
        rules[name] = None if wrong else rule
    return rules


def _sinks(
    tables: Sequence[dict[str, Any]],
    names: Collection[str] | None,
    lines: _Lines,
    problems: list[Problem],
    *,
    is_sent_by: bool,
) -> list[Sink]:
    sinks: dict[str, Sink] = {}
    known = _names_in(tables)
    for index, table in enumerate(tables):
        name = _name(table, "sink", index, sinks, lines, problems)
        if name is None:
            continue
        values, wrong, unread = _read(table, SINK_KEYS)
        if "kind" not in {*values, *unread}:
            wrong.append(Wrong("", f"it does not say what it is: write kind = one of {', '.join(KINDS)}"))
            unread.add("kind")
        sink = sinks[name] = Sink(**{"kind": KINDS[0]} | values)
        wrong += problems_of_sink(sink, {*table} & {*SINK_KEYS}, unread)
        if unread.union(*(one.by for one in wrong)).isdisjoint(OF_SECRETS) and (is_sent_by or not away(sink)):
            wrong += problems_of_secrets(sink) or ([] if wrong else _of_chat(sink))
        named = [*problems_of_escalation(sink.escalate_seconds, sink.escalate_to), *_unknown(sink, known)]
        wrong += reading.causes([*named, *unlabelled("group_by", sink.group_by, names)], unread)
        problems += [Problem(lines.of("sink", index, one.key), f"sink {name!r}", one.message) for one in wrong]
    return list(sinks.values())


def _of_chat(sink: Sink) -> list[Wrong]:
    """What is wrong with the service that a sink sends to by apprise, or with that."""
    if sink.kind != "apprise":
        return []
    try:
        problem = problem_of_url(sink)
    except SecretMissing as error:
        return [Wrong("secret_env" if sink.secret_env else "secret_file", str(error))]
    return [Wrong("kind", problem)] if problem else []


def _unknown(sink: Sink, known: Collection[str]) -> Iterator[Wrong]:
    for name in sink.escalate_to:
        if name not in known or name == sink.name:
            yield Wrong("escalate_to", f"there is no other sink {name!r}{nearest(name, known)}")


def _silences(
    tables: Iterable[dict[str, Any]], rules: Collection[str], lines: _Lines, problems: list[Problem]
) -> list[Silence]:
    silences: dict[str, Silence] = {}
    for index, table in enumerate(tables):
        name = _name(table, "silence", index, silences, lines, problems)
        if name is None:
            continue
        values, wrong, unread = _read(table, SILENCE_KEYS)
        silences[name] = Silence(**values)
        wrong += problems_of_silence(silences[name], unread, rules)
        problems += [Problem(lines.of("silence", index, one.key), f"silence {name!r}", one.message) for one in wrong]
    return list(silences.values())


def _name(
    table: Mapping[str, Any], kind: str, index: int, known: Collection[str], lines: _Lines, problems: list[Problem]
) -> str | None:
    name = table.get("name")
    line = lines.of(kind, index, "name")
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._ -]{0,63}", name):
        advice = "letters, digits and . _ - or spaces, at most 64"
        problems.append(Problem(line, f"{kind} {index + 1}", f"it needs a name of its own: {advice}"))
        return None
    if name in known:
        problems.append(Problem(line, f"{kind} {name!r}", f"there are two of this name: give each {kind} its own"))
        return None
    return name


def _read(
    table: Mapping[str, Any], keys: Mapping[str, tuple[str, reading.Reader]]
) -> tuple[dict[str, Any], list[Wrong], set[str]]:
    """The values of a table by field, what is wrong in it, and the keys that it means to state and does not."""
    values: dict[str, Any] = {}
    wrong: list[Wrong] = []
    unread: set[str] = set()
    for key, value in table.items():
        if key not in keys:
            wrong.append(Wrong(key, f"there is no {key!r}{nearest(key, keys)}"))
            unread.update(reading.meant(key, keys.keys() - table.keys()))
            continue
        field, read = keys[key]
        try:
            values[field] = read(value)
        except ValueError as error:
            wrong.append(Wrong(key, f"{key} = {_shown(value)} cannot be: {error}"))
            unread.add(key)
    return values, wrong, unread


def _shown(value: object) -> str:
    text = str(value) if isinstance(value, Decimal) else repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
