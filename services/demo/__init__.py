"""A made-up company's history as events: the same arguments give the same bytes, in order of arrival."""

from services.demo.stream import Options, demo_events

__all__ = ["Options", "demo_events"]
