"""The fixtures as authors get them: by importing them."""

from flowyd.testing.fixtures import local_engine

__all__ = ["local_engine"]
