"""Tests of services/audit/verifying."""
