"""The HTTP service: events in, reports and figures out, the stream, the health, and the first page."""

from services.gateway.application import application
from services.gateway.serving import Server, server_of

__all__ = ["Server", "application", "server_of"]
