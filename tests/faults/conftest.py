"""A plant of its own on committed data for tests that need no processes."""

from tests.masterdata.conftest import home, plant

__all__ = ["home", "plant"]
