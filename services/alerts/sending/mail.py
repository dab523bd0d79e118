"""Mail: alerts as messages that people read, over SMTP."""

import asyncio
import smtplib
import ssl
from concurrent.futures import ThreadPoolExecutor
from email.message import EmailMessage
from typing import Final

from projections.alerts import Message
from services.alerts.rules.sinks import Sink, secrets_of
from services.alerts.sending.attempts import NotTaken, SinkAway
from services.alerts.sending.letters import letter_of

PORTS: Final = {"none": 25, "starttls": 587, "tls": 465}


class Mail:
    """Sends each alert as one mail; a thread of its own, so that a server that hangs holds up nobody else."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"mail {sink.name}")

    async def send(self, message: Message, now_seconds: int) -> None:  # noqa: ARG002 - the mail has the alert's time
        """Sends a message; raises as `sending.Sender` says."""
        mail = mail_of(message, self._sink)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._sink.timeout_seconds * 2):
                await loop.run_in_executor(self._thread, self._sent, mail)
        except TimeoutError as error:
            raise SinkAway(f"no answer within {self._sink.timeout_seconds} s") from error
        except smtplib.SMTPRecipientsRefused as error:
            raise NotTaken(f"it takes no mail for {', '.join(error.recipients)}") from error
        except smtplib.SMTPResponseException as error:
            said = error.smtp_error
            reason = said.decode(errors="replace") if isinstance(said, bytes) else said
            raise SinkAway(f"it answered {error.smtp_code}: {reason}") from error
        except (smtplib.SMTPException, OSError) as error:
            raise SinkAway(str(error) or type(error).__name__) from error

    async def close(self) -> None:
        """Lets the thread end, when it does."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _sent(self, mail: EmailMessage) -> None:
        sink = self._sink
        port = sink.port or PORTS[sink.tls]
        context = ssl.create_default_context()
        if sink.tls == "tls":
            client: smtplib.SMTP = smtplib.SMTP_SSL(sink.host, port, timeout=sink.timeout_seconds, context=context)
        else:
            client = smtplib.SMTP(sink.host, port, timeout=sink.timeout_seconds)
        with client:
            if sink.tls == "starttls":
                client.starttls(context=context)
            if sink.user:
                client.login(sink.user, secrets_of(sink)[0])
            client.send_message(mail)


def mail_of(message: Message, sink: Sink) -> EmailMessage:
    """The mail that tells of an alert; the same alert has the same Message-ID, by which a reader drops repeats."""
    letter = letter_of(message)
    mail = EmailMessage()
    mail["Subject"] = " ".join(f"[revledger] {letter.title}".split())
    mail["From"], mail["To"] = sink.from_, ", ".join(sink.to)
    mail["Message-ID"] = f"<{message.id}@revledger>"
    mail["X-Revledger-Severity"] = letter.severity
    mail.set_content(letter.text)
    return mail
