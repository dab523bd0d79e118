"""Sending: messages put into words and brought to sinks of every kind, each at its own pace."""
