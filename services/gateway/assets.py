"""The first page and what belongs to it: a fixed list of files, read once; no path comes from a request."""

from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from litestar import HttpMethod, Request, Response, route
from litestar.handlers import HTTPRouteHandler

FOLDER: Final = Path(__file__).with_name("page")
FILES: Final = {
    "/": ("index.html", "text/html"),
    "/app.js": ("app.js", "text/javascript"),
    "/alerts.js": ("alerts.js", "text/javascript"),
    "/dom.js": ("dom.js", "text/javascript"),
    "/chart.js": ("chart.js", "text/javascript"),
    "/money.js": ("money.js", "text/javascript"),
    "/style.css": ("style.css", "text/css"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
"""Path -> file of the folder and its media type."""

SECURITY_HEADERS: Final = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
"""On every answer: the page loads nothing but itself, and nothing else may frame or sniff it."""


def assets() -> list[HTTPRouteHandler]:
    """A route for each file."""
    return [_asset(path, FOLDER / name, media_type) for path, (name, media_type) in FILES.items()]


def _asset(path: str, file: Path, media_type: str) -> HTTPRouteHandler:
    content = file.read_bytes()
    tag = f'"{sha256(content).hexdigest()[:16]}"'

    @route(path, http_method=[HttpMethod.GET, HttpMethod.HEAD], sync_to_thread=False)
    def asset(request: Request[Any, Any, Any]) -> Response[bytes]:
        known = request.headers.get("if-none-match") == tag
        headers = {"etag": tag, "cache-control": "no-cache"}
        if known:
            return Response(b"", status_code=304, headers=headers)
        return Response(content, media_type=media_type, headers=headers)

    return asset
