"""A deterministic simulation: the real services on stores that fail, driven by one seeded dice."""
