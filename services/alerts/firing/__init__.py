"""Firing: what rules find in blocks, in figures and in dates that come."""
