"""How long an import takes in a fresh interpreter, whose own start is not counted.

The first import of each, which compiles what has no bytecode yet, comes before the measurement.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import dualdiff
from benchmarks.harness import Case

SCRIPT = "import time; start = time.perf_counter(); import {}; print(1e6 * (time.perf_counter() - start))"
LIBRARIES = {"numpy": "numpy", "autograd": "autograd.numpy", "torch eager": "torch", "jax.jit": "jax.numpy"}


def importing(module):
    """A candidate that returns its own measurement, in us."""
    if importlib.util.find_spec(module.partition(".")[0]) is None:
        raise ImportError(f"No module named {module!r}")
    path = [str(Path(dualdiff.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    command = [sys.executable, "-c", SCRIPT.format(module)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed library has its bytecode
    return lambda: float(subprocess.check_output(command, env=environment, text=True))


def cases(tiny=False):
    case = Case("import", "import in a fresh interpreter", targets={"numpy": 1.3}, measured=True)
    case.add("dualdiff", lambda: importing("dualdiff"))
    for label, module in {"numpy": "numpy"}.items() if tiny else LIBRARIES.items():
        case.add(label, lambda module=module: importing(module))
    yield case
