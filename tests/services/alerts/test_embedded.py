"""Alerts of the embedded form: from an event over HTTP to a webhook, also where the process is killed in between."""

import json
import os
import signal
import time
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.services.alerts.desk import ONLY, rule
from tests.services.alerts.receiver import SECRET, Receiver, receiver
from tests.services.cli.calling import called, ended, event, serving, signed

pytestmark = pytest.mark.slow

RULES = ONLY + rule("gone", "churn") + rule("mrr", "figure", figure='"mrr_minor"', below=5)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory to be, with a secret in the environment."""
    monkeypatch.setenv("SECRET", SECRET)
    directory = tmp_path / "books"
    directory.mkdir()
    return directory


def to(hook: Receiver, retries: str = '["1s", "1s", "1s", "1s"]') -> str:
    """A sink of a file."""
    return f'[[sink]]\nname = "crm"\nkind = "webhook"\nurl = "{hook.url}"\nsecret_env = "SECRET"\nretries = {retries}\n'


def sent(url: str, *events: dict[str, Any]) -> None:
    """Events over HTTP, all of which are taken."""
    headers = {"content-type": "application/cloudevents-batch+json"}
    request = urllib.request.Request(f"{url}/v1/events", json.dumps(events).encode(), headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert {one["status"] for one in json.load(answer)["results"]} <= {"accepted", "duplicate"}


def day(ago: int) -> str:
    """A day so many days ago."""
    return (datetime.now(UTC) - timedelta(days=ago)).date().isoformat()


def account(name: str) -> dict[str, Any]:
    """An account that signed a month ago."""
    return signed(f"s-{name}", subject=name, time=day(30))


def leaves(name: str) -> dict[str, Any]:
    """It leaves yesterday, of which the books learn now."""
    return event(f"c-{name}", "contract.cancelled", name, day(1), contract_id=f"c-{name}", reason="price")


def test_from_an_event_to_a_webhook_and_what_is_over_too(data: Path) -> None:
    with receiver() as hook:
        (data / "alerts.toml").write_text(RULES + to(hook))
        with serving(data) as (running, url, _):
            time.sleep(1)  # for the first look at the figures, which takes what is so already for granted
            sent(url, account("acme"))
            sent(url, leaves("acme"))
            hook.until(2)
            sent(url, account("other"))
            hook.until(3)
            told = called("alerts", "tail", "--no-follow", "--data", str(data), "--format", "json")
            metrics = urllib.request.urlopen(f"{url}/metrics", timeout=20).read().decode()
            running.send_signal(signal.SIGTERM)
            assert ended(running).status == 0
    gone, low, over = (one.event for one in hook.got)
    assert (gone["type"], gone["subject"]) == ("revledger.alert.fired.v1", "acme")
    assert (low["type"], low["data"]["rule"]) == ("revledger.alert.fired.v1", "mrr")
    assert (over["type"], over["id"]) == ("revledger.alert.resolved.v1", f"{low['id']}.resolved")
    assert 'revledger_alerts_sent_total{outcome="sent",sink="crm"} 3.0' in metrics
    assert [json.loads(line)["rule"] for line in told.out.splitlines()] == ["gone", "mrr"]
    explained = called(*gone["data"]["explain"].split()[1:], "--data", str(data), "--format", "json")
    assert explained.status == 0, explained.err


@pytest.mark.crash
def test_killed_between_firing_and_sending(data: Path) -> None:
    with receiver(503) as hook:
        (data / "alerts.toml").write_text(RULES.split("[[rule]]\nname = \"mrr\"")[0] + to(hook))
        with serving(data) as (running, url, _):
            sent(url, account("acme"), account("other"))
            sent(url, leaves("acme"))
            hook.until(1)
            running.kill()
        hook.then = 204
        before = len(hook.got)
        with serving(data) as (running, url, _):
            hook.until(before + 1)
            time.sleep(1.5)  # as long as a retry takes, and more than a look at the ledger
            running.kill()
        with serving(data) as (running, url, _):
            sent(url, leaves("other"))
            hook.until(before + 2)
            running.send_signal(signal.SIGTERM)
            ended(running)
    assert [one.event["subject"] for one in hook.got] == ["acme"] * (before + 1) + ["other"]
    assert len(set(hook.ids())) == 2, "the same alert has the same id"


@pytest.mark.crash
def test_views_that_were_deleted_send_nothing_old_again(data: Path) -> None:
    with receiver() as hook:
        (data / "alerts.toml").write_text('catch_up = "1s"\n' + RULES.split("[[rule]]\nname = \"mrr\"")[0] + to(hook))
        with serving(data) as (running, url, _):
            sent(url, account("acme"), account("other"))
            sent(url, leaves("acme"))
            hook.until(1)
            running.send_signal(signal.SIGTERM)
            ended(running)
        time.sleep(1.1)
        for directory, _, names in os.walk(data / "views", topdown=False):
            for name in names:
                (Path(directory) / name).unlink()
        with serving(data) as (running, url, _):
            sent(url, leaves("other"))
            hook.until(2)
            running.kill()
    assert [one.event["subject"] for one in hook.got] == ["acme", "other"]


@pytest.mark.crash
def test_rules_change_without_a_restart(data: Path) -> None:
    with receiver() as hook, serving(data) as (running, url, _):
        sent(url, account("acme"), account("other"))
        (data / "alerts.toml").write_text("[[rule]]\nname = 1")
        time.sleep(1.5)
        (data / "alerts.toml").write_text(ONLY + rule("gone", "churn") + to(hook))
        time.sleep(1.5)
        sent(url, leaves("acme"))
        hook.until(1)
        running.send_signal(signal.SIGTERM)
        done = ended(running)
    assert "the rules of alerts stay as they were" in done.err
    assert "line 2" in done.err
    assert hook.got[0].event["data"]["rule"] == "gone"


def test_rules_that_cannot_be_used_are_said_at_the_start(data: Path) -> None:
    (data / "alerts.toml").write_text('[[rule]]\nname = "r"\non = "chrun"')
    done = called("up", "--data", str(data), "--port", "0")
    assert done.status == 2
    assert "line 3: rule 'r': on = 'chrun' cannot be" in done.err


@pytest.mark.crash
def test_what_was_acknowledged_while_nothing_ran_is_not_escalated_and_the_rest_is_once(data: Path) -> None:
    """Killed after an alert has fired and before it is escalated."""
    with receiver() as hook, receiver() as boss:
        gone = rule("gone", "churn", escalate_after='"4s"', escalate_to='["boss"]')
        (data / "alerts.toml").write_text(ONLY + gone + to(hook) + to(boss).replace('"crm"', '"boss"'))
        with serving(data) as (running, url, _):
            sent(url, account("acme"), account("other"))
            sent(url, leaves("acme"), leaves("other"))
            hook.until(2)
            running.kill()
        first = next(one.id for one in hook.got if one.event["subject"] == "acme")
        done = called("alerts", "ack", first, "--by", "kim", "--data", str(data))
        assert (done.status, done.out.splitlines()[0][:13]) == (0, "acme has left")
        for _ in range(2):
            with serving(data) as (running, url, _):
                boss.until(1)
                with urllib.request.urlopen(f"{url}/v1/alerts", timeout=20) as answer:
                    rows = json.load(answer)["rows"]
                time.sleep(1.5)
                running.kill()
    assert {row["subject"]: row["state"] for row in rows} == {"acme": "acknowledged", "other": "fired"}
    assert {(one.event["subject"], one.event["type"]) for one in boss.got} == {
        ("other", "revledger.alert.escalated.v1")
    }
    assert len(set(boss.ids())) == 1


@pytest.mark.crash
def test_killed_while_alerts_wait_for_one_message(data: Path) -> None:
    names = [f"a{number}" for number in range(8)]
    with receiver() as hook:
        (data / "alerts.toml").write_text(ONLY + rule("gone", "churn") + to(hook) + 'group_within = "4s"\n')
        with serving(data) as (running, url, _):
            sent(url, *(account(name) for name in names))
            for name in names:
                sent(url, leaves(name))
            hook.until(1)
            running.kill()
        with serving(data) as (running, _, _):
            while {one for got in hook.got for one in accounts_in(got.event)} != {*names}:
                time.sleep(0.1)
            running.kill()
    messages = {one.id: accounts_in(one.event) for one in hook.got}
    assert len(messages) < len(names)
    assert sorted(one for some in messages.values() for one in some) == names, "a repeat has the same id"


def accounts_in(event: dict[str, Any]) -> list[str]:
    """The accounts that a message tells of."""
    return [one["account"] for one in event["data"].get("largest", [event["data"]])]
