"""Fixtures and hooks for all tests."""

import pytest

from tests.fixtures.kafka import kafka_broker, kafka_servers, pytest_runtest_makereport

__all__ = ["kafka_broker", "kafka_servers", "pytest_addoption", "pytest_runtest_makereport"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """How large the one test is whose size is a matter of patience."""
    parser.addoption("--model-events", type=int, default=20_000, help="events of tests/model/test_many_events.py")
