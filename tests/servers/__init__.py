"""Real servers for tests and benchmarks: Kafka, one broker or three, and Redis."""
