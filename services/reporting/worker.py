"""The process that answers: it reads the ledger and the views of a running service, and keeps all accounts in memory.

It is started with the number of a socket, and ends when the other side of that is closed, however that comes about.
"""

import asyncio
import logging
import os
import socket
import sys
from asyncio import StreamReader, StreamWriter

import uvloop

from services.compose import reports_beside
from services.gateway.mirrored import keep_accounts, warm
from services.ledgers.port import LedgerError
from services.logs import log_to_stderr
from services.questions import QuestionError
from services.reporting.messages import ASKED, VALUES, Asked, Failed, Refused, Reply, Told, received, send
from services.reports import Answer, Reports
from services.settings import settings_from
from services.tuning import tune
from services.views.port import ViewsError

_log = logging.getLogger("revledger")


async def answering(reader: StreamReader, writer: StreamWriter, reports: Reports) -> None:
    """Answers until the other side is gone; a long question keeps no short one waiting."""
    asking: set[asyncio.Task[None]] = set()
    while (data := await received(reader)) is not None:
        task = asyncio.create_task(_answered(ASKED.decode(data), writer, reports))
        asking.add(task)
        task.add_done_callback(asking.discard)


async def _answered(asked: Asked, writer: StreamWriter, reports: Reports) -> None:
    send(writer, await _reply(asked, reports))


async def _reply(asked: Asked, reports: Reports) -> Reply:
    try:
        return Told(asked.number, await _answer(asked, reports))
    except QuestionError as error:
        return Refused(asked.number, error.parameter, error.message)
    except (LedgerError, ViewsError) as error:
        _log.warning("a question is not answered here: %s", error)
    except Exception:  # noqa: BLE001 - logged: the service tries by itself, and says what comes of it
        _log.exception("a question is not answered here")
    return Failed(asked.number)


async def _answer(asked: Asked, reports: Reports) -> Answer:
    if asked.report == VALUES:
        await reports.require_values(asked.question)
        return {}
    if asked.report == "bridge":
        return await reports.bridge(asked.question)
    if asked.report == "figures":
        return await reports.figures(asked.question)
    return await reports.table(asked.report, asked.question)


async def _main(own: socket.socket) -> None:
    settings = settings_from(os.environ)
    log_to_stderr(settings.log, settings.log_format)
    reader, writer = await asyncio.open_connection(sock=own)
    async with reports_beside(settings) as (reports, ledger, views):
        tune()
        warming = asyncio.create_task(warm(keep_accounts(reports, ledger, views, (0,))))
        await answering(reader, writer, reports)
        warming.cancel()
        os._exit(0)  # threads may still be at work for those who are gone


if __name__ == "__main__":
    uvloop.run(_main(socket.socket(fileno=int(sys.argv[1]))))
