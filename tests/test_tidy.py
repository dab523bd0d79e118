"""The repository keeps its own rules, and every rule can fail."""

import re
import shutil
import subprocess
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Final

import pytest

from tests import tidy
from tests.tidy import Source

ROOT: Final = Path(__file__).resolve().parent.parent
TEXT_SUFFIXES: Final = frozenset(
    {
        ".cfg",
        ".css",
        ".html",
        ".ini",
        ".js",
        ".json",
        ".lua",
        ".md",
        ".py",
        ".sh",
        ".svg",
        ".toml",
        ".txt",
        ".yaml",
        ".yml",
    }
)
TEXT_NAMES: Final = frozenset({"Makefile", "Dockerfile", "run", ".gitignore", ".gitattributes", ".editorconfig"})

# Modules whose test has another name than theirs: module -> the test that covers it.
COVERED_BY: Final[dict[str, str]] = {
    "projections/columns.py": "tests/projections/test_voices.py",
    "projections/columnar/assembly.py": "tests/projections/columnar/test_arrays.py",
    "projections/columnar/numbering.py": "tests/projections/columnar/test_arrays.py",
    "projections/columnar/sides.py": "tests/projections/columnar/test_heard.py",
    "projections/columnar/expiring.py": "tests/services/test_ranked.py",
    "projections/columnar/firsts.py": "tests/services/test_ranked.py",
    "projections/columnar/members.py": "tests/services/test_ranked.py",
    "projections/columnar/ranking.py": "tests/services/test_ranked.py",
    "projections/columnar/tabulating.py": "tests/services/test_ranked.py",
    "projections/columnar/sorting.py": "tests/projections/columnar/test_arrays.py",
    "projections/economics.py": "tests/projections/test_figures.py",
    "projections/feedback.py": "tests/projections/test_figures.py",
    "services/audit/noting.py": "tests/services/audit/test_comparing.py",
    "projections/columnar/warming.py": "tests/services/test_mirror.py",
    "services/reporting/messages.py": "tests/services/reporting/test_process.py",
    "services/reporting/worker.py": "tests/services/reporting/test_process.py",
    "services/details.py": "tests/services/test_reports.py",
    "services/figured.py": "tests/services/test_mirror.py",
    "projections/basis.py": "tests/projections/test_figures.py",
    "services/alerts/rules/checking.py": "tests/services/alerts/rules/test_rulebook.py",
    "services/alerts/rules/reading.py": "tests/services/alerts/rules/test_rulebook.py",
    "services/alerts/sending/senders.py": "tests/services/alerts/test_embedded.py",
    "services/alerts/sending/attempts.py": "tests/services/alerts/test_embedded.py",
    "services/alerts/rules/unbooked.py": "tests/services/cli/test_alerts.py",
    "services/alerts/rules/sinks.py": "tests/services/alerts/rules/test_rulebook.py",
    "services/alerts/firing/unusual.py": "tests/services/alerts/firing/test_foreseeing.py",
    "services/alerts/requests.py": "tests/services/alerts/test_board.py",
    "services/alerts/memory.py": "tests/services/alerts/test_board.py",
    "services/gateway/openapi_alerts.py": "tests/services/gateway/test_openapi.py",
    "services/alerts/firing/reviewer.py": "tests/services/alerts/test_embedded.py",
    "services/alerts/station.py": "tests/services/alerts/test_embedded.py",
    "services/alerts/rules/telling.py": "tests/services/cli/test_alerts.py",
    "services/alerts/told.py": "tests/services/alerts/test_alerter.py",
    "services/alerts/wording.py": "tests/services/alerts/firing/test_finding.py",
    "services/archive/contents.py": "tests/services/archive/test_checking.py",
    "services/archive/resealing.py": "tests/services/archive/test_archiver.py",
    "services/archive/chunks.py": "tests/services/archive/test_sealing.py",
    "services/archive/preparing.py": "tests/services/archive/test_sealing.py",
    "services/archive/preparing_worker.py": "tests/services/archive/test_preparing_processes.py",
    "services/archive/segments.py": "tests/services/archive/test_reading.py",
    "services/audit/asking.py": "tests/services/audit/test_restating.py",
    "services/archive/redacting.py": "tests/services/cli/test_redact.py",
    "services/audit/redacting.py": "tests/services/cli/test_redact.py",
    "services/audit/redacting_letters.py": "tests/services/cli/test_redact.py",
    "services/audit/redactions.py": "tests/services/cli/test_redact.py",
    "services/ledgers/redactable.py": "tests/services/cli/test_redact.py",
    "services/audit/selecting.py": "tests/services/audit/test_restating.py",
    "services/audit/comparing_answers.py": "tests/services/audit/test_comparing.py",
    "services/audit/comparing_pages.py": "tests/services/audit/test_comparing.py",
    "services/audit/comparing_records.py": "tests/services/audit/test_comparing.py",
    "services/audit/differing.py": "tests/services/audit/test_comparing.py",
    "services/audit/holding.py": "tests/services/audit/test_comparing.py",
    "services/audit/valuing.py": "tests/services/test_values.py",
    "services/audit/telling.py": "tests/services/audit/test_restating.py",
    "services/audit/alternatives.py": "tests/services/audit/test_replaying.py",
    "services/audit/verifying/books.py": "tests/services/audit/verifying/test_partition.py",
    "services/audit/verifying/chain.py": "tests/services/audit/verifying/test_partition.py",
    "services/audit/verifying/file.py": "tests/services/cli/test_verify.py",
    "services/audit/verifying/findings.py": "tests/services/audit/verifying/test_partition.py",
    "services/audit/verifying/job.py": "tests/services/cli/test_verify.py",
    "services/audit/verifying/processes.py": "tests/services/cli/test_verify.py",
    "services/audit/verifying/state.py": "tests/services/cli/test_verify.py",
    "services/audit/verifying/worker.py": "tests/services/cli/test_verify.py",
    "services/cli/check_proof.py": "tests/services/cli/test_prove.py",
    "services/cli/alerted.py": "tests/services/cli/test_alerts.py",
    "services/cli/doors.py": "tests/services/cli/test_load.py",
    "services/cli/letters_kafka.py": "tests/services/cli/test_run.py",
    "services/cli/status_kafka.py": "tests/services/cli/test_run.py",
    "services/exports/forms.py": "tests/services/exports/test_exporting.py",
    "services/kafka/alert_topic.py": "tests/services/kafka/test_alerting.py",
    "services/kafka/unread.py": "tests/services/test_distributed.py",
    "services/cli/failures.py": "tests/services/cli/test_main.py",
    "services/cli/lines.py": "tests/services/cli/test_load.py",
    "services/cli/options.py": "tests/services/cli/test_main.py",
    "services/cli/progress.py": "tests/services/cli/test_running.py",
    "services/cli/rows.py": "tests/services/cli/test_sql.py",
    "services/cli/values.py": "tests/services/cli/test_sql.py",
    "services/cli/serving.py": "tests/services/cli/test_up.py",
    "services/rows.py": "tests/services/test_reports.py",
    "services/cli/usage.py": "tests/services/cli/test_main.py",
    "services/cli/grids.py": "tests/services/cli/test_tables.py",
    "services/cli/listed.py": "tests/services/cli/test_listing.py",
    "services/gateway/openapi_forms.py": "tests/services/gateway/test_openapi.py",
    "services/separated.py": "tests/services/cli/test_report.py",
    "services/shown.py": "tests/services/cli/test_tables.py",
    "services/clock.py": "tests/services/test_evidence.py",
    "services/ledgers/memory.py": "tests/services/ledgers/test_port.py",
    "services/ledgers/sqlite_file.py": "tests/services/ledgers/test_sqlite.py",
    "services/views/memory.py": "tests/services/views/test_port.py",
    "services/views/tether.py": "tests/services/views/test_valkey.py",
}


def sources(*folders: str) -> list[Source]:
    """The Python files of some top-level folders."""
    paths = sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return [Source(path.relative_to(ROOT).as_posix(), path.read_text("utf-8")) for path in paths]


def tracked_texts() -> list[tuple[str, str]]:
    """Path and text of every text file that git tracks or would track; skips outside a checkout."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: there is no list of tracked files")
    listing = [
        git,
        "-c",
        f"safe.directory={ROOT}",
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]
    names = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    paths = [ROOT / name for name in names if name]
    return [
        (path.relative_to(ROOT).as_posix(), path.read_text("utf-8"))
        for path in paths
        if path.is_file() and (path.suffix in TEXT_SUFFIXES or path.name in TEXT_NAMES)
    ]


def say(complaints: list[str]) -> str:
    """The complaints as one message."""
    return "\n" + "\n".join(complaints)


@pytest.mark.parametrize("rule", tidy.SOURCE_RULES, ids=lambda rule: rule.__name__)
def test_sources_are_tidy(rule: tidy.Rule) -> None:
    complaints = [one for source in sources(*tidy.LAYERS, "tests", "bench") for one in rule(source)]
    assert not complaints, say(complaints)


def test_half_of_the_functions_are_short() -> None:
    complaints = tidy.median_fits(sources(*tidy.LAYERS))
    assert not complaints, say(complaints)


def test_nothing_is_left_to_do() -> None:
    complaints = [one for path, text in tracked_texts() for one in tidy.nothing_left_to_do(path, text)]
    assert not complaints, say(complaints)


def test_no_file_names_a_machine_or_a_registry() -> None:
    complaints = [one for path, text in tracked_texts() for one in tidy.no_addresses(path, text)]
    assert not complaints, say(complaints)


def test_every_module_has_its_test() -> None:
    modules = [s.path for s in sources(*tidy.LAYERS) if Path(s.path).stem not in {"__init__", "__main__"}]
    tests = [source.path for source in sources("tests")]
    complaints = tidy.mirrored(modules, tests, COVERED_BY)
    assert not complaints, say(complaints)


def test_our_top_level_names_are_ours_alone() -> None:
    complaints = tidy.foreign_owners({name: list(of) for name, of in packages_distributions().items()})
    assert not complaints, say(complaints)


def test_readme_opens_with_commands_that_exist() -> None:
    readme, makefile = (ROOT / "README.md").read_text("utf-8"), (ROOT / "Makefile").read_text("utf-8")
    complaints = tidy.readme_commands(readme, makefile)
    assert not complaints, say(complaints)


def test_makefile_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    phony = set(re.findall(r"^\.PHONY: (\w+)$", makefile, re.MULTILINE))
    listed = set(re.findall(r"^(\w+):.* ## ", makefile, re.MULTILINE))
    assert phony == listed, "give each target of the Makefile a .PHONY line and a `## what it does`"


def test_project_is_private_and_has_three_folders() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert "Private :: Do Not Upload" in project["project"]["classifiers"], "it is an application: keep it off indexes"
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == list(tidy.LAYERS)


def test_constraints_pin_every_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    optional = project["optional-dependencies"].values()
    dependencies = [*project["dependencies"], *(one for extra in optional for one in extra)]
    complaints = tidy.unpinned(dependencies, (ROOT / "constraints.txt").read_text("utf-8"))
    assert not complaints, say(complaints)


TIDY: Final = '"""One sentence."""\n\n\ndef total_minor(amounts: list[int]) -> int:\n    return sum(amounts) // 1\n'
UNTIDY: Final[list[tuple[tidy.Rule, str, str]]] = [
    (tidy.imports_point_down, "events/money.py", "from projections.cells import Cell"),
    (tidy.imports_point_down, "events/money.py", "def late() -> None:\n    import services.settings"),
    (tidy.imports_point_down, "projections/fold.py", "import services"),
    (tidy.imports_point_down, "services/writer.py", "from tests import model"),
    (tidy.pure_imports, "events/days.py", "import time"),
    (tidy.pure_imports, "events/days.py", "from os import path"),
    (tidy.pure_imports, "projections/fold.py", "import redis.asyncio"),
    (tidy.pure_calls, "events/days.py", "import datetime as d\nd.datetime.now(d.UTC)"),
    (tidy.pure_calls, "events/days.py", "from datetime import date\ndate.today()"),
    (tidy.pure_calls, "events/days.py", "zone = zoneinfo.ZoneInfo('UTC')"),
    (tidy.pure_calls, "projections/fold.py", "open('cells')"),
    (tidy.pure_calls, "projections/fold.py", "print(1)"),
    (tidy.pure_calls, "projections/fold.py", "float('1')"),
    (tidy.whole_numbers, "events/money.py", "half = 0.5"),
    (tidy.whole_numbers, "events/money.py", "def half(a: int) -> object:\n    return a / 2"),
    (tidy.whole_numbers, "projections/fold.py", "a = 4\na /= 2"),
    (tidy.module_docstring, "services/writer.py", "import os"),
    (tidy.module_docstring, "services/writer.py", '"""No full stop"""'),
    (tidy.module_docstring, "services/writer.py", '"""A sentence that\ngoes on."""'),
    (tidy.annotated, "services/writer.py", "def book(events) -> None: ..."),
    (tidy.annotated, "services/writer.py", "def book(events: list[int]): ..."),
    (tidy.annotated, "services/writer.py", "def book(*events, key: int, **rest: int) -> None: ..."),
    (tidy.annotated, "services/writer.py", "class A:\n    async def book(self, event) -> None: ..."),
    (tidy.functions_fit, "services/writer.py", "def book() -> None:\n" + "    pass\n" * 50),
    (tidy.file_fits, "services/writer.py", "a = 1\n" * 401),
]


@pytest.mark.parametrize("rule", tidy.SOURCE_RULES, ids=lambda rule: rule.__name__)
def test_rule_is_content_with_tidy_source(rule: tidy.Rule) -> None:
    assert rule(Source("events/money.py", TIDY)) == []
    assert any(rule is failing for failing, _, _ in UNTIDY), "show in UNTIDY that this rule can fail"


@pytest.mark.parametrize(("rule", "path", "text"), UNTIDY)
def test_rule_finds_untidy_source(rule: tidy.Rule, path: str, text: str) -> None:
    complaints = rule(Source(path, text))
    assert len(complaints) == 1
    assert re.match(rf"{re.escape(path)}:\d+: .+", complaints[0])


def test_services_may_do_what_pure_folders_may_not() -> None:
    worldly = Source("services/writer.py", '"""Impure."""\nimport time\nprint(time.time() / 2.0)\n')
    assert [one for rule in tidy.SOURCE_RULES for one in rule(worldly)] == []


def test_docstrings_do_not_count_as_length() -> None:
    text = 'def book() -> None:\n    """One.\n' + "\n    More.\n" * 40 + '    """\n    return\n'
    assert tidy.functions_fit(Source("services/writer.py", text)) == []


def test_long_functions_are_found_by_their_median() -> None:
    long = "def book() -> None:\n" + "    pass\n" * 12
    assert tidy.median_fits([Source("services/writer.py", long)])
    assert tidy.median_fits([Source("services/writer.py", long), Source("events/money.py", TIDY)]) == []


@pytest.mark.parametrize("word", ["TO" + "DO", "FIX" + "ME", "X" * 3, "HA" + "CK"])
def test_notes_to_self_are_found(word: str) -> None:
    assert tidy.nothing_left_to_do("a.py", f"a = 1\n# {word}: later\n")[0].startswith("a.py:2: ")
    assert tidy.nothing_left_to_do("a.py", f"a{word}b = 1\n") == []


@pytest.mark.parametrize("text", ["see {}work/notes.md", "HOME={}root/x", "'{}home/ann/x'", "{}Users/ann"])
def test_machine_paths_are_found(text: str) -> None:
    assert tidy.no_addresses("README.md", text.format("/"))
    assert tidy.no_addresses("README.md", text.format("https://example.com/")) == []


@pytest.mark.parametrize("host", ["pypi{}org", "files.pythonhosted{}org", "https{}//mirror.example/simple/"])
def test_registries_are_found(host: str) -> None:
    assert tidy.no_addresses("constraints.txt", host.format(":" if host.startswith("https") else "."))


def test_modules_without_a_test_are_found() -> None:
    ledger = "services/ledgers/sqlite.py"
    assert tidy.mirrored([ledger], [], {})
    assert tidy.mirrored([ledger], ["tests/services/ledgers/test_sqlite.py"], {}) == []
    assert tidy.mirrored([ledger], ["tests/services/test_ledgers.py"], {}) == []
    assert tidy.mirrored([ledger], ["tests/test_x.py"], {ledger: "tests/test_x.py"}) == []
    assert tidy.mirrored([ledger], [], {ledger: "tests/test_x.py"}), "the test named is not there"
    assert tidy.mirrored([], ["tests/test_x.py"], {ledger: "tests/test_x.py"}), "the module named is not there"


def test_foreign_owners_are_found() -> None:
    assert tidy.foreign_owners({"events": ["revledger", "events"]})
    assert tidy.foreign_owners({"events": ["revledger"], "typer": ["typer"]}) == []


def test_readme_without_its_commands_is_found() -> None:
    makefile = "run: x\ntest: y\n"
    assert tidy.readme_commands("```sh\nmake run\nmake test\n```\n", makefile) == []
    assert tidy.readme_commands("```sh\npip install x\n```\n```sh\nmake run\nmake test\n```\n", makefile)
    assert tidy.readme_commands("```sh\nmake run\nmake test\n```\n", "run: x\n")


def test_missing_pins_are_found() -> None:
    pinned = "redis==8.1.0 \\\n    --hash=sha256:ab\n"
    assert tidy.unpinned(["redis[hiredis]>=8"], pinned) == []
    assert tidy.unpinned(["redis>=8", "rich"], pinned)
    assert tidy.unpinned(["redis"], "redis==8.1.0\n"), "a pin without a hash is none"
    assert tidy.unpinned(["redis"], pinned + "# from https://example.com\n")
