"""What all tests share: Hypothesis profiles, the long run, and random numbers that depend on the test's name.

Warnings are errors (pyproject.toml). `pytest --slow` runs the tests marked slow as well;
`--hypothesis-profile=long`, or HYPOTHESIS_PROFILE=long, draws many more examples.
"""

import importlib
import importlib.util
import os
import sys
import warnings

import pytest
from hypothesis import HealthCheck, settings

from dualdiff.core import FUNCTIONS, OPS
from dualdiff.tensor import Tensor
from dualdiff.testing.samples import generator

if importlib.util.find_spec("scipy"):
    import dualdiff.special  # noqa: F401  its ops are in the registry before a test asks for them

settings.register_profile(
    "ci",
    max_examples=20,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("long", max_examples=1000, deadline=None, database=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="run the tests marked slow as well")


def pytest_collection_modifyitems(config, items):
    if config.getoption("--slow") or config.getoption("-m"):
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    if slow:
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if item not in set(slow)]


@pytest.fixture
def rng(request):
    """Random numbers whose seed is the name of the test, so that a failure repeats."""
    return generator(request.node.nodeid.rpartition("/")[2])


@pytest.fixture(params=["dualdiff.torch", "torch"])
def torch(request):
    """dualdiff.torch, and PyTorch itself where it is installed: the same test holds for both."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = pytest.importorskip(request.param)
    yield module
    module.set_default_dtype(module.float32)
    module.set_printoptions(profile="default")


@pytest.fixture
def restless():
    """Threads are switched at every chance."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.fixture
def unregistered():
    """Ops declared in the test leave the registry with it, so that tests of the registry never meet them."""
    importlib.import_module("dualdiff.modes.watch")  # whose tensors have entries of their own
    kinds = Tensor.__subclasses__()
    entries = [
        kind.entries for kind in (*kinds, *(below for kind in kinds for below in kind.__subclasses__()))
    ]
    tables = [OPS, FUNCTIONS, *entries, *(kind.unmade for kind in entries)]
    before = [dict(table) for table in tables]
    yield
    for table, kept in zip(tables, before, strict=True):
        table.clear()
        table.update(kept)
