"""Journals: cases an accountant can read, events in, books out."""
