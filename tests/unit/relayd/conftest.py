"""What a relay sets for its whole process - its log, the collector - is as before after each test."""

import gc

import pytest
import structlog


@pytest.fixture(autouse=True)
def the_process_as_before():
    threshold = gc.get_threshold()

    yield

    structlog.reset_defaults()
    gc.set_threshold(*threshold)
    gc.unfreeze()
