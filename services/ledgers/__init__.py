"""The ledger port: append-only chains of blocks, one per partition, and the places they can be kept."""
