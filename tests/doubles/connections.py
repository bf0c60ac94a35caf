"""Connections of the tests' own to a store, and listeners to everybody's."""

from contextlib import contextmanager

from sqlalchemy import Engine, event

from gasearch.storage.engines import parse_url, reading_engine, writing_engine


@contextmanager
def writing(url):
    """A transaction past the store's own checks."""
    engine = writing_engine(parse_url(url))
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


@contextmanager
def reading(url):
    """A connection that a reader would have."""
    engine = reading_engine(parse_url(url))
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


@contextmanager
def listening(name, listener, **options):
    """Has the listener called at each event of that name, of whatever connection."""
    event.listen(Engine, name, listener, **options)
    try:
        yield
    finally:
        event.remove(Engine, name, listener)
