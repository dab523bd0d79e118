"""Tests of services/alerts/sending."""
