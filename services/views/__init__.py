"""The views port: what the projections keep, compare-and-set on a ledger position, on the Redis protocol."""
