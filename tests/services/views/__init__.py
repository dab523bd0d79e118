"""The tests of the views port: one contract for all backends, and what is particular to each."""
