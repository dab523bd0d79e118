"""What the books answered, held against what a journal expects, and written back into it."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from tests.journals.expectation_lines import (
    ACCOUNTS,
    MOVEMENTS,
    UNKNOWN,
    Bridge,
    Expectation,
    Figure,
    Loaded,
    Row,
    cell,
    is_table,
    period_label,
    periods,
    row_labels,
    table_written,
)
from tests.journals.notation import Block, Journal

RATIO_DIGITS_MIN = 6
"""An answer gives a ratio to at least this many decimals; an expectation may give fewer if it is exact."""


def disagreements(journal: Journal, actual: Sequence[Expectation]) -> list[str]:
    """One sentence for each number of the books that is not the expected one; empty if all agree."""
    found: list[str] = []
    for block, expected, answer in zip(journal.blocks, journal.expectations, actual, strict=True):
        found += [f"line {block.head.number}: {problem}" for problem in _problems(expected, answer)]
    return found


def updated(journal: Journal, actual: Sequence[Expectation]) -> str:
    """The text of the journal with every expectation that does not hold replaced by the answer."""
    lines = journal.text.splitlines()
    for block, expected, answer in reversed(
        list(zip(journal.blocks, journal.expectations, actual, strict=True))
    ):
        if _problems(expected, answer):
            first = block.head.number - 1
            last = block.details[-1].number if block.details else block.head.number
            lines[first:last] = _written(lines[first], block, expected, answer)
    return "\n".join(lines) + "\n"


def _problems(expected: Expectation, answer: Expectation) -> list[str]:
    if is_table(expected) and is_table(answer):
        return _bridge_problems(expected, answer)
    if expected["report"] == "figure" and answer["report"] == "figure":
        return _figure_problems(expected, answer)
    if expected["report"] == "loaded" and answer["report"] == "loaded":
        return _loaded_problems(expected, answer)
    return [f"asked for a {expected['report']}, was answered with a {answer['report']}"]


def _bridge_problems(expected: Bridge, answer: Bridge) -> list[str]:
    rows = _rows_by_label(expected)
    answers = _rows_by_label(answer)
    problems = [
        f"{expected['report']} {label}: expected a row, there is none"
        for label in sorted(_labels_due(expected) - answers.keys())
    ]
    columns = [*MOVEMENTS, *_account_columns(expected)]
    for label, row in answers.items():
        wanted = rows.get(label, Row({"from": row["from"], "until": row["until"], "mrr_minor": {}}))
        if "by" not in expected and label not in rows:
            problems.append(f"{expected['report']} {label}: the answer has a row that the journal has not")
        problems += [
            f"{expected['report']} {label} {column}: expected {cell(wanted, column)}, got {cell(row, column)}"
            for column in columns
            if cell(wanted, column) != cell(row, column)
        ]
    return problems + [
        f"{expected['report']} {label}: expected a group that is not in the answer"
        for label, row in rows.items()
        if label not in answers and any(cell(row, column) for column in columns)
    ]


def _rows_by_label(bridge: Bridge) -> dict[str, Row]:
    return {" ".join(row_labels(bridge, row)): row for row in bridge["rows"]}


def _labels_due(expected: Bridge) -> set[str]:
    """Every period has its row, whether or not something moved; of groups only those that hold something."""
    if "by" in expected:
        return set()
    return {period_label(first_day, expected["every"]) for first_day, _ in periods(expected)}


def _account_columns(expected: Bridge) -> list[str]:
    asked = {name for row in expected["rows"] for name in row.get("accounts", {})}
    return [f"accounts.{name}" for name in ACCOUNTS if name in asked]


def _figure_problems(expected: Figure, answer: Figure) -> list[str]:
    if _same_value(expected["value"], answer["value"]):
        return []
    return [f"figure {expected['figure']}: expected {expected['value']}, got {answer['value']}"]


def _same_value(expected: int | str | None, answer: int | str | None) -> bool:
    if not isinstance(expected, str) or not isinstance(answer, str) or UNKNOWN in {expected, answer}:
        return expected == answer and expected != UNKNOWN
    wanted, given = Decimal(expected), Decimal(answer)
    exponent = wanted.as_tuple().exponent
    assert isinstance(exponent, int)
    if -exponent < RATIO_DIGITS_MIN:
        return wanted == given
    return wanted == given.quantize(wanted)


def _loaded_problems(expected: Loaded, answer: Loaded) -> list[str]:
    return [
        f"loaded {name}: expected {count}, got {answer['counts'].get(name)}"
        for name, count in expected["counts"].items()
        if answer["counts"].get(name) != count
    ]


def _written(head: str, block: Block, expected: Expectation, answer: Expectation) -> list[str]:
    if is_table(expected) and is_table(answer):
        return [head, *_bridge_written(block, expected, answer)]
    comment = f"  {block.head.comment}" if block.head.comment else ""
    if expected["report"] == "figure" and answer["report"] == "figure":
        stem = head.removesuffix(block.head.comment).rstrip().rpartition("=")[0]
        return [f"{stem}= {'null' if answer['value'] is None else answer['value']}{comment}"]
    assert expected["report"] == "loaded"
    assert answer["report"] == "loaded"
    counts = " ".join(f"{name} {answer['counts'].get(name, 0)}" for name in expected["counts"])
    return [f"loaded {counts}{comment}"]


def _bridge_written(block: Block, expected: Bridge, answer: Bridge) -> list[str]:
    """The answer as a table: the columns the journal asks for, and those that hold something."""
    shown = _columns_shown(block, expected)
    columns = [
        column
        for column in (*MOVEMENTS, *_account_columns(expected))
        if column in shown or any(cell(row, column) for row in answer["rows"])
    ]
    rows = [
        row for row in answer["rows"] if "by" not in answer or any(cell(row, column) for column in MOVEMENTS)
    ]
    labels = 2 if "by" in expected else 1
    comments: Mapping[str, str] = {
        " ".join(line.words[:labels]): line.comment for line in block.details if line.comment
    }
    return table_written({**answer, "rows": rows}, columns, comments)


def _columns_shown(block: Block, expected: Bridge) -> Sequence[str]:
    labels = 2 if "by" in expected else 1
    if block.details:
        return block.details[0].words[labels:]
    return ("opening", "closing") if expected["report"] == "bridge" else ()
