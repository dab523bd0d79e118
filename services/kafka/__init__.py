"""Kafka: the distributed form of the service, where the embedded one has a file and a queue."""
