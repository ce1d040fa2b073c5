"""The tests of near-duplicates once more, on a real PostgreSQL."""

# The same test functions; the fixture `engine` of PostgreSQL takes the place of SQLite's.
from tests.unit.ingest.test_cleaning_duplicates import *  # noqa: F403, I001  # the order decides whose fixture it is
from tests.integration.test_postgres import engine  # noqa: F401  # the fixture
