"""A journal run through the public interface: events loaded, books read, live and replayed, by commands alone."""

import io
import json
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from events.movements import BRIDGE_MOVEMENTS
from services.cli.main import status_of
from tests.journals.event_lines import Event
from tests.journals.expectation_lines import Bridge, Expectation, Figure, Loaded, Row

Question = tuple[str, ...]


def run(events: Sequence[Event], expectations: Sequence[Expectation], data_dir: Path) -> list[Expectation]:
    """Loads the events into a new ledger below `data_dir` and asks every expectation of it.

    Answers come in the order of the expectations and in their shape, with the books' own numbers.
    """
    ledger = data_dir / "ledger"
    loaded = _load(events, data_dir / "events.jsonl", ledger)
    figures = _figures(expectations, ledger)
    answers: list[Expectation] = []
    for expected in expectations:
        if expected["report"] == "loaded":
            answers.append(Loaded(report="loaded", counts=loaded))
        elif expected["report"] == "bridge":
            answers.append(_bridge(expected, ledger))
        elif expected["report"] == "restate":
            answers.append(_restatement(expected, ledger))
        else:
            value = figures[_figure_question(expected)][expected["figure"]]
            answers.append({**expected, "value": value})
    return answers


def _load(events: Sequence[Event], file: Path, ledger: Path) -> dict[str, int]:
    file.write_text("".join(json.dumps(event) + "\n" for event in events), encoding="utf-8")
    as_recorded = ["--as-recorded"] if any("recordedtime" in event for event in events) else []
    printed = _revledger(["load", str(file), "--data", str(ledger), *as_recorded])
    return {name: value for name, value in printed.items() if isinstance(value, int)}


def _bridge(expected: Bridge, ledger: Path) -> Bridge:
    question = [
        *_window(expected),
        *(("--by", expected["by"]) if "by" in expected else ()),
        *(("--known-at", expected["known_at"]) if "known_at" in expected else ()),
        *(("--convert", expected["convert"]) if "convert" in expected else ()),
    ]
    printed = _replayed(["report", "bridge"], question, ledger)
    for row in printed["rows"]:
        _check_sum(row["mrr_minor" if "convert" in expected else "annual_e4"])
    return {**expected, "rows": printed["rows"]}


def _restatement(expected: Bridge, ledger: Path) -> Bridge:
    """A row for each event and period; together they are the change of the period."""
    question = [*_window(expected), "--between", *expected["between"], "--limit", "10000"]
    printed = _revledger(["restate", "--data", str(ledger), *question, "--format", "json"])
    rows: list[Row] = []
    for row in printed["rows"]:
        _check_sum(row["annual_e4"])
        for name in BRIDGE_MOVEMENTS:
            parts = sum(event["changes"].get(name, 0) for event in row["events"])
            assert parts == row["annual_e4"][name], f"the events do not add up to the change of {name}: {row}"
        for event in row["events"]:
            assert event["words"], "an event without words"
            span = {"from": row["from"], "until": row["until"]}
            rows.append({**span, "group": {"event": event["id"]}, "mrr_minor": event["mrr_minor"]})  # type: ignore[typeddict-item]
    return {**expected, "rows": rows}


def _window(expected: Bridge) -> tuple[str, ...]:
    return (
        *("--from", expected["from"], "--until", expected["until"], "--every", expected["every"]),
        *("--currency", expected["currency"]),
        *_where(expected["where"]),
    )


def _replayed(
    command: Sequence[str], question: Sequence[str], ledger: Path, replay: Sequence[str] | None = None
) -> dict[str, Any]:
    """The live answer to a question; what is rebuilt from the ledger alone has to say the same."""
    books = ("--data", str(ledger), "--format", "json")
    live = _revledger([*command, *question, *books])
    rebuilt = _revledger(["replay", *(question if replay is None else replay), *books])
    assert rebuilt["rows"] == live["rows"], f"{command} {question}: replayed otherwise than it is reported"
    return live


def _check_sum(amounts: Mapping[str, int]) -> None:
    """Whatever a journal expects, a bridge adds up: exactly, or as it is shown where it was converted."""
    parts = sum(value for name, value in amounts.items() if name != "closing")
    assert parts == amounts["closing"], f"the bridge does not add up: {amounts}"


def _figures(expectations: Sequence[Expectation], ledger: Path) -> dict[Question, Mapping[str, Any]]:
    """The figures by what they were asked with: those of one window and filter are asked for at once."""
    names: dict[Question, list[str]] = {}
    for expected in expectations:
        if expected["report"] == "figure":
            asked = names.setdefault(_figure_question(expected), [])
            if expected["figure"] not in asked:
                asked.append(expected["figure"])
    answers: dict[Question, Mapping[str, Any]] = {}
    for question, asked in names.items():
        command = ["report", "figures", *asked]
        replay = ["--figures", ",".join(asked), *question]
        answers[question] = _replayed(command, question, ledger, replay)["rows"][0]["figures"]
    return answers


def _figure_question(expected: Figure) -> Question:
    when = ("--at", expected["at"]) if "at" in expected else ("--from", expected["from"], "--until", expected["until"])
    currency = ("--currency", expected["currency"]) if "currency" in expected else ()
    known_at = ("--known-at", expected["known_at"]) if "known_at" in expected else ()
    convert = ("--convert", expected["convert"]) if "convert" in expected else ()
    return (*when, *currency, *_where(expected["where"]), *known_at, *convert)


def _where(where: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(word for name, value in where.items() for word in ("--where", f"{name}={value}"))


def _revledger(arguments: Sequence[str]) -> dict[str, Any]:
    """What a command printed, as JSON; exit status 1 is an answer (some input was refused), 2 is not.

    Run in this process, as hundreds of interpreters take minutes to start; tests/services/cli runs real ones.
    """
    out, problems = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(problems):
        status = status_of(arguments)
    assert status in {0, 1}, f"revledger {' '.join(arguments)}: {status}\n{problems.getvalue()}"
    printed: dict[str, Any] = json.loads(out.getvalue())
    return printed
