"""Verifying a ledger: its chain, its books, its file and its redactions, by several processes."""
