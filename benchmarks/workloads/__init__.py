"""The workloads, one idea a file. Each has `cases(tiny)`, which yields the cases to measure."""

from benchmarks.harness import Case
from benchmarks.workloads import (
    branches,
    brusselator,
    bundle_adjustment,
    chain,
    composites,
    elementwise,
    gaussian_process,
    gmm,
    growth,
    import_time,
    jacobian,
    logistic,
    lstm,
    mlp,
    modes,
    rnn,
    rosenbrock,
    scalar_chain,
    sparse_hessian,
    tape_memory,
    torch_training,
)

WORKLOADS = {
    module.__name__.rpartition(".")[2]: module
    for module in (
        chain, scalar_chain, elementwise, composites,
        mlp, rnn, lstm, gmm, gaussian_process, branches, jacobian, modes, logistic,
        rosenbrock, brusselator, bundle_adjustment, sparse_hessian, torch_training, growth, import_time,
        tape_memory,
    )
}  # fmt: skip


def chosen(names: list[str]) -> list[Case]:
    """The cases of the workloads, or of the case names, given; all without any."""
    every = [(name, case) for name, module in WORKLOADS.items() for case in module.cases()]
    known = dict.fromkeys(word for name, case in every for word in (name, case.name))
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"no workload is called {', '.join(unknown)}; there are {', '.join(known)}")
    return [case for name, case in every if not names or name in names or case.name in names]
