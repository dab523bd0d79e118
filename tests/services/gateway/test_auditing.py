"""Questions to the ledger over HTTP: what the audit says, problems by parameter, and never too many at once."""

import asyncio
import builtins
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from events.block import BlockDamaged
from services.archive.manifests import ArchiveDamaged
from services.archive.stores import ArchiveUnavailable
from services.audit.explaining import explanation
from services.audit.restating import restatement
from services.compose import genesis_of
from services.gateway.auditing import RUNNING_MAX, WAITING_MAX, Turns, damage_told, require_tables
from services.gateway.problems import Problem
from services.questions import question_of
from services.reports import Answer
from tests.services.gateway.served import Service, served, signed, until
from tests.services.running import asynchronous

BETWEEN = "between=0:1&between=now"
SPAN = "from=2024-01-01&until=2024-03-01&currency=USD"


@pytest.fixture(scope="module", name="service")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that heard of a contract, and then of two more."""
    with served(tmp_path_factory.mktemp("books")) as service, service.client() as client:
        client.post("/v1/events", json=signed(1)).raise_for_status()
        client.post("/v1/events", json=[signed(2, 2_000, plan="team"), signed(3, 500)]).raise_for_status()
        until(lambda: client.get("/v1/status").json()["entries"] == 3)
        yield service


def ask(service: Service, path: str) -> httpx.Response:
    with service.client() as client:
        return client.get(path)


def parameters_in(query: str) -> dict[str, list[str]]:
    """The parameters of a query, as often as each is given."""
    parameters: dict[str, list[str]] = {}
    for name, value in httpx.QueryParams(query).multi_items():
        parameters.setdefault(name, []).append(value)
    return parameters


def without_ages(answer: Any) -> Any:
    """An answer without the ages in it."""
    if isinstance(answer, dict):
        return {name: without_ages(value) for name, value in answer.items() if name != "age_seconds"}
    return [without_ages(one) for one in answer] if isinstance(answer, list) else answer


@pytest.mark.parametrize("query", [f"{SPAN}&{BETWEEN}", f"{SPAN}&{BETWEEN}&by=plan&limit=1&every=quarter"])
def test_a_restatement_is_that_of_the_audit(service: Service, query: str) -> None:
    answer = ask(service, f"/v1/restate?{query}")
    assert answer.status_code == 200, answer.text

    async def expected() -> Answer:
        genesis = await genesis_of(service.books.ledger)
        assert genesis is not None
        return await restatement(service.books.ledger, genesis, question_of(parameters_in(query)))

    found = asyncio.run_coroutine_threadsafe(expected(), service.loop).result(20)
    assert without_ages(answer.json()) == without_ages(json.loads(json.dumps(found)))
    assert any(row["events"] for row in answer.json()["rows"])


@pytest.mark.parametrize(
    ("figure", "query"),
    [("nrr", f"{SPAN}&limit=1"), ("mrr_minor", "currency=USD&on=2024-01-31&by=plan&known_at=0:1"), ("new", SPAN)],
)
def test_an_explanation_is_that_of_the_audit(service: Service, figure: str, query: str) -> None:
    answer = ask(service, f"/v1/explain/{figure}?{query}")
    assert answer.status_code == 200, answer.text

    async def expected() -> Answer:
        genesis = await genesis_of(service.books.ledger)
        assert genesis is not None
        return await explanation(service.books.ledger, genesis, figure, question_of(parameters_in(query)))

    found = asyncio.run_coroutine_threadsafe(expected(), service.loop).result(20)
    assert without_ages(answer.json()) == without_ages(json.loads(json.dumps(found)))
    assert answer.json()["rows"][0]["parts"]


@pytest.mark.parametrize(
    ("live", "query"),
    [
        ("reports/bridge", f"{SPAN}&by=plan"),
        ("reports/bridge", f"{SPAN}&every=quarter&known_at=0:1&where=plan=team"),
        ("figures", f"{SPAN}&figures=nrr,grr&figures=accounts"),
        ("figures", "at=2024-02-01&currency=USD&figures=mrr_minor"),
    ],
)
def test_a_replay_is_the_live_answer(service: Service, live: str, query: str) -> None:
    answer, expected = ask(service, f"/v1/reports/replay?{query}"), ask(service, f"/v1/{live}?{query}")
    assert (answer.status_code, expected.status_code) == (200, 200), answer.text
    assert {**without_ages(answer.json()), "report": ""} == {**without_ages(expected.json()), "report": ""}


def test_a_replay_without_accounts_or_under_another_policy_says_so(service: Service) -> None:
    lean = ask(service, f"/v1/reports/replay?{SPAN}&accounts=no").json()
    assert not any("accounts" in row for row in lean["rows"])
    other = ask(service, f"/v1/reports/replay?{SPAN}&policy=name%3D%27mine%27").json()
    assert other["policy"].startswith("mine@1")
    assert other["recorded_policy"] == lean["policy"]


@pytest.mark.parametrize(
    ("path", "parameter"),
    [
        (f"/v1/reports/replay?{SPAN}&policy=chrun%3D1", "policy"),
        (f"/v1/reports/replay?{SPAN}&accounts=perhaps", "accounts"),
        (f"/v1/reports/replay?{SPAN}&limit=3", "limit"),
        (f"/v1/reports/replay?{SPAN}&known_at=1999-01-01T00:00:00Z", "known_at"),
        (f"/v1/explain/nnr?{SPAN}", "figures"),
        ("/v1/explain/nrr?currency=USD&on=2024-03-01", "from"),
        (f"/v1/explain/nrr?{SPAN}&every=month", "every"),
        (f"/v1/restate?{SPAN}", "between"),
        (f"/v1/restate?{SPAN}&between=0:1", "between"),
        (f"/v1/restate?{SPAN}&between=now&between=0:1", "between"),
        (f"/v1/restate?{SPAN}&between=0:1&between=0:99", "between"),
        (f"/v1/restate?{SPAN}&{BETWEEN}&between=now", "between"),
        (f"/v1/restate?{SPAN}&{BETWEEN}&limit=many", "limit"),
        (f"/v1/restate?{SPAN}&{BETWEEN}&by=colour", "by"),
        (f"/v1/restate?{SPAN}&{BETWEEN}&known_at=0:1", "known_at"),
        (f"/v1/figures?currency=USD&{BETWEEN}", "between"),
        ("/v1/reports/bridge?currency=USD&limit=3", "limit"),
    ],
)
def test_what_cannot_be_answered_names_its_parameter(service: Service, path: str, parameter: str) -> None:
    answer = ask(service, path)
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["parameter"]) == (400, "invalid_parameter", parameter)
    assert problem["detail"]


def test_an_empty_ledger_cannot_be_asked(tmp_path: Path) -> None:
    with served(tmp_path / "books") as service:
        answer = ask(service, f"/v1/restate?{SPAN}&{BETWEEN}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_begun")


def test_what_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def importing(name: str, *rest: Any, **named: Any) -> Any:
        if name == "duckdb":
            raise ModuleNotFoundError("No module named 'duckdb'", name="duckdb")
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", importing)
    with pytest.raises(Problem, match=r"pip install 'revledger\[audit\]'") as problem:
        require_tables()
    assert problem.value.status == 501


@pytest.mark.parametrize(
    ("error", "code", "status"),
    [
        (BlockDamaged("block 7 is not what was sealed"), "damaged", 500),
        (ArchiveDamaged("place", "postings/0", "was altered"), "damaged", 500),
        (ArchiveUnavailable("place", "no answer"), "unavailable", 503),
    ],
)
def test_damage_is_named(error: Exception, code: str, status: int) -> None:
    with pytest.raises(Problem) as problem, damage_told():
        raise error
    assert (problem.value.code, problem.value.status, problem.value.detail) == (code, status, str(error))


@asynchronous
async def test_a_few_work_some_wait_and_the_others_are_sent_away() -> None:
    """And whoever goes away makes room."""
    turns, working, go_on = Turns(), 0, asyncio.Event()

    async def work() -> Answer:
        nonlocal working
        working += 1
        await go_on.wait()
        working -= 1
        return {}

    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(turns.answer(work)) for _ in range(RUNNING_MAX + WAITING_MAX)]
        await asyncio.sleep(0)
        assert working == RUNNING_MAX
        with pytest.raises(Problem) as problem:
            await turns.answer(work)
        assert (problem.value.code, problem.value.headers) == ("too_many_questions", {"retry-after": "5"})
        asked[-1].cancel()
        await asyncio.wait([asked[-1]])
        asked.append(group.create_task(turns.answer(work)))
        go_on.set()
    assert await turns.answer(work) == {}
