"""Alerts: rules over the ledger and the figures, and messages that reach somebody."""
