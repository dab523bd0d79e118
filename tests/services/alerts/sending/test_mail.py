"""Mail: alerts that arrive at a real SMTP server as people read them, and answers taken for what they mean."""

import asyncio
import email
import email.policy
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from projections.alerts import RESOLVED, message_of
from services.alerts.rules.rulebook import RulebookError, rulebook_of_toml
from services.alerts.rules.sinks import Sink
from services.alerts.sending.attempts import NotTaken, SinkAway
from services.alerts.sending.mail import Mail
from tests.services.running import asynchronous
from tests.wire.alerted import CHURN, FIGURE


class Post:
    """A server of SMTP, as far as a client needs it; `answers` by command replace its own."""

    def __init__(self, answers: dict[str, str]) -> None:
        self.answers = answers
        self.mails: list[Any] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One conversation."""
        writer.write(b"220 post\r\n")
        while data := await reader.readline():
            command = data.decode().split(" ")[0].split(":")[0].strip().upper()
            answer = self.answers.get(command, {"DATA": "354 go on", "QUIT": "221 bye"}.get(command, "250 fine"))
            if answer == "silence":
                continue
            writer.write(f"{answer}\r\n".encode())
            if command == "DATA" and answer.startswith("354"):
                body = await reader.readuntil(b"\r\n.\r\n")
                self.mails.append(email.message_from_bytes(body[:-5], policy=email.policy.default))
                writer.write(b"250 taken\r\n")
            if command == "QUIT":
                break
        writer.close()


@asynccontextmanager
async def post(**answers: str) -> AsyncIterator[Post]:
    """A server meanwhile."""
    found = Post(answers)
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        server.close()


def sink(port: int, **said: Any) -> Sink:
    """A sink of mail without TLS."""
    given: dict[str, Any] = {"tls": "none", "timeout_seconds": 2} | said
    to = ("a@x.example", "b@x.example")
    return Sink(name="m", kind="mail", host="127.0.0.1", port=port, from_="r@x.example", to=to, **given)


@asynchronous
async def test_a_mail_says_what_happened() -> None:
    async with post() as server:
        mail = Mail(sink(server.port))
        await mail.send(message_of(CHURN), 0)
        await mail.send(message_of(FIGURE, RESOLVED), 0)
        await mail.close()
    first, second = server.mails
    assert first["Subject"] == "[revledger] acme has left: 588.00 USD of MRR, 85.47% of all (price)"
    assert (first["To"], first["Message-ID"]) == ("a@x.example, b@x.example", f"<{CHURN.id}@revledger>")
    body = first.get_content().replace("\r\n", "\n")
    assert "owner: kim\n" in body
    assert "segment: smb\n" in body
    assert "nps: 2 on 2025-08-30\n" in body
    assert "explain: revledger explain churn --from 2025-09-01" in body
    assert "ledger: partition 3 height 41 seq 1999\n" in body
    assert second["Subject"].startswith("[revledger] over: nrr of segment smb is 84.10%")


@pytest.mark.parametrize(
    ("answers", "error", "reason"),
    [
        ({"DATA": "451 busy"}, SinkAway, "451: busy"),
        ({"RCPT": "550 who"}, NotTaken, "a@x.example"),
        ({"EHLO": "silence"}, SinkAway, "time"),
    ],
)
@asynchronous
async def test_answers_that_are_no(answers: dict[str, str], error: type[Exception], reason: str) -> None:
    async with post(**answers) as server:
        mail = Mail(sink(server.port, timeout_seconds=1))
        with pytest.raises(error, match=reason):
            await mail.send(message_of(CHURN), 0)
        await mail.close()


@asynchronous
async def test_without_tls_nothing_is_sent_where_tls_is_asked_for() -> None:
    async with post() as server:
        mail = Mail(sink(server.port, tls="starttls"))
        with pytest.raises(SinkAway, match="STARTTLS"):
            await mail.send(message_of(CHURN), 0)
        await mail.close()
    assert server.mails == []


@asynchronous
async def test_nobody_there() -> None:
    async with post() as server:
        port = server.port
    mail = Mail(sink(port))
    with pytest.raises(SinkAway, match="refused"):
        await mail.send(message_of(CHURN), 0)
    await mail.close()


HEAD = "[[sink]]\nname = 'm'\nkind = 'mail'\nhost = 'smtp.x.example'\nfrom = 'r@x.example'\n"


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        (HEAD, "a mail needs to"),
        (HEAD + "to = 'a@x.example'\nuser = 'u'", "name the variable with its password"),
        (HEAD + "to = 'a@x.example'\nuser = 'u'\ntls = 'none'\nsecret_env = 'PATH'", "for all to read"),
        (HEAD + "to = 'a@x.example'\nurl = 'x'", "url means nothing for a sink of kind mail"),
    ],
)
def test_what_is_wrong_is_said(text: str, wrong: str) -> None:
    with pytest.raises(RulebookError, match=wrong):
        rulebook_of_toml(text)
