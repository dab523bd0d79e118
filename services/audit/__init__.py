"""The audit: the ledger verified, booked again under other policies, proofs, signed checkpoints, redaction."""
