"""Metrics: one set of names for every service, each with what it means; two services share no numbers."""

from prometheus_client.parser import text_string_to_metric_families

from services.metrics import Metrics


def test_every_metric_says_what_it_means() -> None:
    metrics = Metrics()
    metrics.refused.labels("not_json").inc()
    families = list(text_string_to_metric_families(metrics.text().decode()))
    assert families
    for family in families:
        assert family.name.startswith("revledger_"), family.name
        assert family.documentation.endswith("."), family.name
        assert not family.name.endswith("_created"), "no counter is there twice"


def test_processes_count_for_themselves() -> None:
    one, other = Metrics(), Metrics()
    one.booked.labels("3").inc(7)
    assert one.registry.get_sample_value("revledger_booked_total", {"partition": "3"}) == 7
    assert other.registry.get_sample_value("revledger_booked_total", {"partition": "3"}) is None
