"""Tests of services/alerts/firing."""
