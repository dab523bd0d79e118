"""Senders: what sends to a sink of each kind."""

from collections.abc import Callable
from typing import Final

from services.alerts.rules.sinks import Sink
from services.alerts.sending.attempts import LogSender, Sender
from services.alerts.sending.chat import Chat
from services.alerts.sending.mail import Mail
from services.alerts.sending.webhooks import Webhook
from services.settings import Settings


def sender_of(sink: Sink, settings: Settings) -> Sender:
    """What sends to a sink; it is closed with the line it sends for."""
    return _MAKERS[sink.kind](sink, settings)


_MAKERS: Final[dict[str, Callable[[Sink, Settings], Sender]]] = {
    "log": lambda _sink, _settings: LogSender(),
    "webhook": lambda sink, _settings: Webhook(sink),
    "mail": lambda sink, _settings: Mail(sink),
    "apprise": lambda sink, _settings: Chat(sink),
    "kafka": lambda _sink, settings: _alert_topic(settings),
}


def _alert_topic(settings: Settings) -> Sender:
    from services.kafka.alert_topic import AlertTopic  # noqa: PLC0415 - Kafka, for those who have it

    return AlertTopic(settings)
