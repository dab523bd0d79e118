"""The tests of the ledger port: one contract for all backends, and what is particular to each."""
