"""Tests of services/alerts/rules."""
