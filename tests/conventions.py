"""The numbers of the promises in docs/reference/conventions.md, and how a test takes one.

A row of a table begins with its number, as in "SP-1 abs has slope 0"; a test that stands alone is decorated
with `convention`. So `pytest -k NAN-2` runs what holds that promise. test_conventions.py keeps the page and
the tests together.
"""

import pytest


def convention(*numbers):
    """Give a test the numbers as its id."""
    return pytest.mark.parametrize((), [pytest.param(id=" ".join(numbers))])
