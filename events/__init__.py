"""What happened, and what it means in money: the pure core of the ledger."""
