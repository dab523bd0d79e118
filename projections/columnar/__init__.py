"""Accounts in columns: what all accounts hold, in arrays that figures and lists are counted from at once."""
