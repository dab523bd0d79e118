"""Reason codes: every one is used, every one used is known."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import events
from events.refusals import REASONS, Refused

SOURCES = sorted(path for path in Path(events.__path__[0]).glob("*.py") if path.stem != "refusals")


def calls_of_refused() -> Iterator[ast.Call]:
    """Every place in the core that makes a refusal."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Refused":
                yield node


def texts() -> set[str]:
    """Every string of the core that is written out."""
    trees = (ast.parse(path.read_text("utf-8")) for path in SOURCES)
    nodes = (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return {node.value for node in nodes if isinstance(node.value, str)}


def test_every_code_is_used_somewhere() -> None:
    assert set(REASONS) - texts() == set()


def test_every_code_that_is_written_out_is_known() -> None:
    written = [call.args[0].value for call in calls_of_refused() if isinstance(call.args[0], ast.Constant)]
    assert len(written) > 20
    assert set(map(str, written)) <= set(REASONS)


def test_a_code_is_a_name_and_its_meaning_a_phrase() -> None:
    for code, meaning in REASONS.items():
        assert re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", code)
        assert len(meaning.split()) >= 4
        assert not meaning.endswith(".")


def test_a_refusal_carries_its_parts() -> None:
    refused = Refused("not_json", "what to change", "data.lines[0]")
    assert (refused.code, refused.message, refused.field) == ("not_json", "what to change", "data.lines[0]")
    assert str(refused) == "what to change"
    assert Refused("not_json", "x").field == ""


def test_an_unknown_code_is_a_mistake_of_ours() -> None:
    with pytest.raises(AssertionError, match="made_up"):
        Refused("made_up", "x")
