"""Whether Kafka can be reached and lets us in; and if not, which of the two, in words an operator can act on."""

import asyncio
import errno
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.conn import create_conn
from aiokafka.errors import (
    IllegalSaslStateError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.metadata import MetadataRequest

from services.kafka.connection import REQUEST_MS, client_options, started
from services.ledgers.port import LedgerUnavailable
from services.settings import Settings

CONNECT_MS: Final = 5_000
"""How long one server may take to let us in before the next one is tried."""
_REFUSALS: Final = (SaslAuthenticationFailed, UnsupportedSaslMechanismError, IllegalSaslStateError, ssl.SSLError)
"""What waiting does not mend. A connection that just ends may be one to a broker that is being restarted."""


class KafkaAway(LedgerUnavailable):
    """No broker answers, or it hangs up: this may heal by itself, and is worth trying again."""


class KafkaRefuses(LedgerUnavailable):
    """A broker answers and does not let us in, or does not let us do it: settings or rights have to change."""


async def require_kafka(settings: Settings) -> None:
    """Returns once one of the servers of the settings let us in.

    The clients of aiokafka log why they were turned away and then raise an error that does not say it.

    Raises:
        KafkaRefuses: none lets us in, and one says why.
        KafkaAway: none answers.
    """
    options = client_options(settings)
    servers = options.pop("bootstrap_servers")
    problems, remedies, is_refused = [], [], False
    for server in servers:
        host, _, port = server.rpartition(":")
        try:
            # The limit around it is for a server that takes the connection and then says nothing.
            async with asyncio.timeout(CONNECT_MS / 1_000):
                connection = await create_conn(host.strip("[]"), int(port), request_timeout_ms=CONNECT_MS, **options)
                try:
                    await connection.send(MetadataRequest([]))  # the first that a stranger is not answered
                finally:
                    connection.close()
        except (KafkaError, OSError, TimeoutError) as error:
            said, remedy = _explained(error, settings)
            problems.append(f"{server}: {said}.")
            remedies += [remedy] if remedy and remedy not in remedies else []
            is_refused |= isinstance(error, _REFUSALS)
        else:
            return
    if is_refused:
        raise KafkaRefuses(f"Kafka does not let us in. {' '.join(problems)}", " ".join(remedies))
    remedies.append("Check that its brokers run and can be reached at REVLEDGER_KAFKA.")
    raise KafkaAway(f"Kafka does not answer. {' '.join(problems)}", " ".join(remedies))


@asynccontextmanager
async def kafka_admin(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    """A client for topics and groups; raises KafkaAway and KafkaRefuses, on the way in and inside the block."""
    await require_kafka(settings)
    admin = AIOKafkaAdminClient(**client_options(settings), request_timeout_ms=REQUEST_MS)
    try:
        await started(admin)
        yield admin
    except (KafkaError, OSError, TimeoutError) as error:
        raise KafkaAway(
            f"Kafka does not answer ({_text(error)}).",
            "Check that its brokers run, and that the addresses they name (advertised.listeners) can be reached.",
        ) from error
    finally:
        with suppress(KafkaError, OSError):
            await admin.close()


def _explained(error: BaseException, settings: Settings) -> tuple[str, str]:
    """What one server did, and what to change; nothing to change if it just is not there."""
    if isinstance(error, SaslAuthenticationFailed):
        said = f"it does not accept the password of user {settings.kafka_user!r} by {settings.kafka_sasl}"
        return said, "Check REVLEDGER_KAFKA_USER, REVLEDGER_KAFKA_PASSWORD and REVLEDGER_KAFKA_SASL."
    if isinstance(error, UnsupportedSaslMechanismError):
        return f"it does not offer {settings.kafka_sasl}", "Choose another REVLEDGER_KAFKA_SASL."
    if isinstance(error, ssl.SSLCertVerificationError):
        said = f"its certificate is not trusted ({error.verify_message})"
        return said, (
            "Name the file of the authority that signed it in REVLEDGER_KAFKA_CA,"
            " and the server in REVLEDGER_KAFKA as its certificate does."
        )
    if isinstance(error, ssl.SSLError):
        said = f"it does not speak TLS with us ({error.reason or error})"
        return said, "Check the port in REVLEDGER_KAFKA, REVLEDGER_KAFKA_SECURITY and REVLEDGER_KAFKA_CERT."
    if isinstance(error, KafkaError) or (isinstance(error, ConnectionError) and error.errno != errno.ECONNREFUSED):
        said = f"it ends the connection when spoken to as {settings.kafka_security} ({_text(error)})"
        return said, (
            "Check the port in REVLEDGER_KAFKA and REVLEDGER_KAFKA_SECURITY: each port speaks one protocol."
            " Where it asks for certificates, check REVLEDGER_KAFKA_CERT."
        )
    if isinstance(error, socket.gaierror):
        return f"nobody knows this name ({error.strerror})", ""
    if isinstance(error, TimeoutError):
        return f"no answer within {CONNECT_MS // 1_000} s", ""
    return _text(error), ""


def _text(error: BaseException) -> str:
    return str(error) or type(error).__name__
