"""The audit: the ledger verified, proofs, signed checkpoints, redaction."""
