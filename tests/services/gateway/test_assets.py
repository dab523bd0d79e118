"""The first page: what is served, how strictly, and that nothing of it is foreign or left out of the wheel."""

import http.client
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import httpx
import msgspec
import pytest
from msgspec.structs import replace

from projections.alerts import Alert
from services.alerts.board import Given, Shown
from services.alerts.requests import Acknowledgement
from services.gateway.assets import FILES, FOLDER
from tests.services.gateway.served import Service

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("path", FILES)
def test_files_are_served_and_known_again(client: httpx.Client, path: str) -> None:
    name, media_type = FILES[path]
    answer = client.get(path)
    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, media_type)
    assert answer.content == (FOLDER / name).read_bytes()
    again = client.get(path, headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_every_file_of_the_page_is_served() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {name for name, _ in FILES.values()}


@pytest.mark.parametrize(
    "path",
    [
        "/../pyproject.toml",
        "/../../../../../../etc/passwd",
        "/page/../assets.py",
        "/%2e%2e/assets.py",
        "/..%2fassets.py",
        "/app.js/../../assets.py",
        "//etc/passwd",
        "/app.js%00.css",
        "/assets.py",
        "/page/index.html",
    ],
)
def test_no_path_leads_out(service: Service, path: str) -> None:
    connection = http.client.HTTPConnection(service.url.removeprefix("http://"), timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        assert answer.status == 404
        assert answer.headers["content-type"] == "application/problem+json"
        assert b"root:" not in answer.read()
    finally:
        connection.close()


def test_the_policy_lets_the_page_load_nothing_but_itself(client: httpx.Client) -> None:
    policy = client.get("/").headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert "http" not in policy


@pytest.mark.parametrize("name", sorted(name for name, _ in FILES.values()))
def test_the_page_is_all_ours(name: str) -> None:
    text = (FOLDER / name).read_text("utf-8")
    addresses = set(re.findall(r"https?://[\w./-]+", text)) - {"http://www.w3.org/2000/svg"}
    assert not addresses
    assert not re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", text)
    assert not re.findall(r"\son\w+=|<style|\sstyle=|<script(?! type=\"module\" src=\"/)", text)


def test_all_that_the_page_names_is_there(client: httpx.Client) -> None:
    page = (FOLDER / "index.html").read_text("utf-8")
    scripts = "".join((FOLDER / name).read_text("utf-8") for name, _ in FILES.values() if name.endswith(".js"))
    named = set(re.findall(r'(?:href|src)="(/[^"]*)"', page)) | set(re.findall(r'from "(/[^"]+)"', scripts))
    for path in named:
        assert client.get(path, params={"currency": "USD"} if path.startswith("/v1") else {}).status_code == 200, path
    ids = set(re.findall(r'id="([^"]+)"', page))
    assert set(re.findall(r'\$\("([^"]+)"\)', scripts)) <= ids


def test_the_wheel_holds_the_page(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {f"services/gateway/page/{name}" for name, _ in FILES.values()} <= names


def test_the_page_reads_of_an_alert_what_the_service_tells_of_one() -> None:
    script = (FOLDER / "alerts.js").read_text("utf-8")
    given = (Given("crm", "no", 3),)
    known = {"acknowledged", "given_up", *Shown("", "", {"id": "x"}, given_up=given).document()}
    known |= {field.encode_name for field in msgspec.structs.fields(Alert)}
    (listed,) = re.findall(r"const TOLD = \[(.*?)\];", script, re.DOTALL)
    named = set(re.findall(r"\brow\.(\w+)", script)) | set(re.findall(r'\["(\w+)", "', listed))
    assert {"state", "summary", "mrr_minor", "given_up", "explain"} <= named <= known
    (states,) = re.findall(r"const STATES = \{(.*?)\}", script)
    alert = Shown("", "", {})
    attended = replace(alert, acknowledged=Acknowledgement("", "kim"))
    shown = {one.state for one in (alert, attended, replace(alert, is_over=True))}
    assert set(re.findall(r"(\w+):", states)) == shown
