"""Reports and figures over HTTP: what the reports say, problems by parameter, and one computation for one question."""

import asyncio
import csv
import io
import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import httpx
import pytest

from events.money import MINOR_DIGITS
from projections.tables import TABLES
from services.gateway.answering import KEPT_MAX, Answers, names_in_use
from services.questions import Question, QuestionError, question_of
from services.reports import Answer
from services.separated import csv_of
from tests.services.gateway.served import Service, served, signed, until
from tests.services.running import asynchronous


@pytest.fixture(scope="module", name="service")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with three contracts in its books."""
    with served(tmp_path_factory.mktemp("books")) as service, service.client() as client:
        events = [signed(1), signed(2, 2_000, plan="<script>"), signed(3, 500, currency="EUR")]
        client.post("/v1/events", json=events).raise_for_status()
        until(lambda: client.get("/v1/status").json()["entries"] == 3)
        yield service


def ask(service: Service, path: str, **headers: str) -> httpx.Response:
    with service.client() as client:
        return client.get(path, headers=headers)


def without_age(answer: Answer) -> Answer:
    return {**answer, "as_of": {**answer["as_of"], "age_seconds": None}}


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/v1/reports/bridge", "from=2024-01-01&until=2024-03-01&currency=USD"),
        ("/v1/reports/bridge", "currency=USD&by=plan&every=quarter"),
        ("/v1/reports/bridge", "currency=EUR&where=plan%3Dpro&where=currency%3DEUR"),
        ("/v1/reports/concentration", "currency=USD&limit=100"),
        ("/v1/reports/cohorts", "currency=USD&at=2024-03-01&limit=100&where=plan%3Dpro"),
        ("/v1/reports/cohorts", "currency=USD&at=2024-03-01&limit=100&by=plan&every=quarter"),
        ("/v1/reports/sellers", "currency=USD&from=2024-01-01&until=2024-04-01&by=plan&limit=100"),
        ("/v1/reports/seasons", "currency=USD&every=quarter&limit=100"),
        ("/v1/figures", "currency=USD"),
        ("/v1/figures", "currency=USD&at=2024-02-01&figures=mrr_minor,accounts&figures=arpa_minor"),
        ("/v1/figures", "currency=USD&on=2024-01-31&by=plan"),
        ("/v1/figures", "currency=USD&from=2024-01-01&until=2025-01-01&known_at=0:1"),
        ("/v1/figures", "currency=USD&from=2024-01-01&until=2025-01-01&known-at=0%3A1"),
    ],
)
def test_answers_are_those_of_the_reports(service: Service, path: str, query: str) -> None:
    answer = ask(service, f"{path}?{query}")
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    parameters: dict[str, list[str]] = {}
    for name, value in httpx.QueryParams(query).multi_items():
        parameters.setdefault(name, []).append(value)
    reports = service.books.reports
    name = path.rpartition("/")[2]
    asked = partial(reports.table, name) if name in TABLES else reports.bridge if "bridge" in path else reports.figures
    expected = asyncio.run_coroutine_threadsafe(asked(question_of(parameters)), service.loop).result(10)
    assert without_age(answer.json()) == without_age(json.loads(json.dumps(expected)))
    assert answer.json()["rows"]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/reports/bridge?currency=USD&by=plan&every=quarter",
        "/v1/figures?currency=USD&on=2024-01-31&by=plan",
        "/v1/figures?currency=USD&from=2024-01-01&until=2024-02-01&figures=nrr,accounts&compare=year",
        "/v1/reports/concentration?currency=USD&limit=1",
        "/v1/reports/risk?currency=USD&by=plan",
    ],
)
def test_csv_is_the_same_answer(service: Service, path: str) -> None:
    """As the command line writes it; asked for by the parameter, or by what is accepted first."""
    answer = ask(service, path).json()
    asked = ask(service, f"{path}&format=csv")
    assert (asked.status_code, asked.headers["content-type"]) == (200, "text/csv; charset=utf-8")
    assert asked.headers["cache-control"] == "no-store"
    by = httpx.URL(path).params.get("by")
    assert asked.text == csv_of(answer, by)
    assert len([*csv.reader(io.StringIO(asked.text))]) == 1 + len(answer["rows"])
    about = json.loads(asked.headers["revledger-answer"])
    assert without_age(about) == {name: one for name, one in without_age(answer).items() if name != "rows"}
    for accept, media_type in (
        ("text/csv", "text/csv"),
        ("text/csv;q=0.9, application/json", "text/csv"),
        ("application/json, text/csv", "application/json"),
        ("*/*", "application/json"),
    ):
        told = ask(service, path, accept=accept)
        assert told.headers["content-type"].startswith(media_type)
        assert "accept" in told.headers["vary"]
    assert ask(service, f"{path}&format=json", accept="text/csv").json()["rows"] == answer["rows"]


@pytest.mark.parametrize(
    ("path", "parameter"),
    [
        ("/v1/figures", "currency"),
        ("/v1/figures?currency=USD&format=xml", "format"),
        ("/v1/reports/bridge?currency=USD&format=csv&format=json", "format"),
        ("/v1/reports/accounts?currency=USD&format=", "format"),
        ("/v1/figures?currency=usd", "currency"),
        ("/v1/figures?currency=USD&figurs=nrr", "figurs"),
        ("/v1/figures?currency=USD&figures=mrr", "figures"),
        ("/v1/figures?currency=USD&at=2024-02-30", "at"),
        ("/v1/figures?currency=USD&at=2024-02-01&at=2024-02-02", "at"),
        ("/v1/figures?currency=USD&every=day", "every"),
        ("/v1/figures?currency=USD&by=colour", "by"),
        ("/v1/figures?currency=USD&where=plan%3Dpor", "where"),
        ("/v1/reports/bridge?currency=USD&where=plan%3Dpor", "where"),
        ("/v1/reports/seasons?currency=USD&where=owner%3Dnobody", "where"),
        ("/v1/figures?currency=USD&known_at=0:99", "known_at"),
        ("/v1/figures?currency=USD&figures=nrr&on=2024-03-01", "from"),
        ("/v1/reports/bridge?currency=USD&from=2024-03-01&until=2024-01-01", "until"),
        ("/v1/reports/bridge?currency=USD&at=2024-03-01", "at"),
        ("/v1/reports/bridge?currency=USD&figures=nrr", "figures"),
        ("/v1/reports/bridge?currency=USD&where=plan", "where"),
        ("/v1/reports/bridge?currency=USD&from=1000-01-01&every=day", "every"),
        ("/v1/reports/churn?currency=USD&at=2024-03-01", "at"),
        ("/v1/reports/churn?currency=USD&by=reason", "by"),
        ("/v1/reports/risk?currency=USD&where=reason%3Dprice", "where"),
        ("/v1/reports/risk?currency=USD&from=2024-03-01", "from"),
        ("/v1/reports/risk?currency=USD&every=year", "every"),
        ("/v1/reports/cohorts?currency=USD&every=day", "every"),
        ("/v1/reports/seasons?currency=USD&every=day", "every"),
        ("/v1/reports/sellers?currency=USD&by=owner", "by"),
        ("/v1/reports/channels?currency=USD&at=2024-03-01", "at"),
    ],
)
def test_what_cannot_be_answered_names_its_parameter(service: Service, path: str, parameter: str) -> None:
    answer = ask(service, path)
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["parameter"]) == (400, "invalid_parameter", parameter)
    assert problem["detail"]


def test_seasons_are_told_by_quarter_where_nobody_says(service: Service) -> None:
    rows = ask(service, "/v1/reports/seasons?currency=USD").json()["rows"]
    assert all("-Q" in row["period"] for row in rows)
    assert len(rows) >= 4


def test_an_unknown_report_is_not_found(service: Service) -> None:
    answer = ask(service, "/v1/reports/brigde")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert answer.json()["detail"].endswith("did you mean bridge?")


def test_names_in_use(service: Service) -> None:
    names = ask(service, "/v1/names").json()
    assert names["currencies"] == ["EUR", "USD"]
    assert "plan" in names["names"]["USD"]
    assert "" not in names["names"]["USD"]
    assert names["minor_digits"] == {"EUR": 2, "USD": 2}


def test_names_tell_the_digits_of_each_currency() -> None:
    assert names_in_use(["names|KRW|", "names|KRW|plan"])["minor_digits"] == {"KRW": MINOR_DIGITS["KRW"]}
    assert names_in_use([]) == {"currencies": [], "names": {}, "minor_digits": {}}


class Counted:
    """A report that counts how often it is worked out, and does so when it is let."""

    def __init__(self) -> None:
        self.times = 0
        self.let = asyncio.Event()
        self.error: Exception | None = None

    async def figures(self, _question: Question) -> Answer:
        self.times += 1
        await self.let.wait()
        if self.error is not None:
            raise self.error
        return {"rows": [self.times], "as_of": {"age_seconds": 0}}

    bridge = figures

    async def checked(self, answer: Answer, _question: Question) -> Answer:
        return answer


def answers_of(counted: Any, height: list[int]) -> Answers:
    async def heights() -> tuple[int, ...]:
        return tuple(height)

    return Answers(counted, heights)


@asynchronous
async def test_the_same_question_at_the_same_position_is_worked_out_once() -> None:
    counted, height = Counted(), [1]
    answers = answers_of(counted, height)
    asked = [asyncio.create_task(answers.answer("figures", Question("USD"))) for _ in range(20)]
    await asyncio.sleep(0)
    asked[0].cancel()
    await asyncio.sleep(0)
    counted.let.set()
    assert [one["rows"] for one in await asyncio.gather(*asked[1:])] == [[1]] * 19
    assert (await answers.answer("figures", Question("EUR")))["rows"] == [2]
    height[0] = 2
    assert (await answers.answer("figures", Question("USD")))["rows"] == [3]


@asynchronous
async def test_kept_answers_grow_older_and_make_room() -> None:
    counted, height = Counted(), [1]
    counted.let.set()
    answers = answers_of(counted, height)
    first = await answers.answer("figures", Question("USD"))
    await asyncio.sleep(1.1)
    assert (await answers.answer("figures", Question("USD")))["as_of"]["age_seconds"] == 1
    assert first["as_of"]["age_seconds"] == 0
    for day in range(KEPT_MAX):
        await answers.answer("figures", Question("USD", at=day))
    assert (await answers.answer("figures", Question("USD")))["rows"] == [KEPT_MAX + 2]


@asynchronous
async def test_an_error_is_told_to_all_who_wait_and_forgotten() -> None:
    counted = Counted()
    counted.error = QuestionError("by", "no")
    answers = answers_of(counted, [1])
    asked = [asyncio.create_task(answers.answer("bridge", Question("USD"))) for _ in range(3)]
    await asyncio.sleep(0)
    counted.let.set()
    assert {type(one) for one in await asyncio.gather(*asked, return_exceptions=True)} == {QuestionError}
    counted.error = None
    assert (await answers.answer("bridge", Question("USD")))["rows"] == [2]
