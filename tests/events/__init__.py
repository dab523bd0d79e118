"""Tests of the pure core: events, facts, postings, blocks."""
