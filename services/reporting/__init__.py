"""Reporting in a process of its own, so that questions and events do not wait for each other."""
