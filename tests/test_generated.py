"""What is generated and committed is up to date."""

from services.generate import ROOT, generated_files, out_of_date


def test_generated_files_are_up_to_date() -> None:
    stale = out_of_date(ROOT, generated_files())
    assert not stale, f"out of date: {', '.join(stale)}; run `make schemas` and commit what it writes"
