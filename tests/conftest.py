"""Fixtures and hooks for all tests."""

from tests.fixtures.kafka import kafka_broker, kafka_servers, pytest_runtest_makereport

__all__ = ["kafka_broker", "kafka_servers", "pytest_runtest_makereport"]
