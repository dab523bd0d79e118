"""Exports: the journal of a ledger as files that an auditor opens with tools of their own."""
