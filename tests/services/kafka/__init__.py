"""Tests of what speaks Kafka, on a real broker."""
