"""The graph that backward() walks: the engine's nodes, each under a `GradFn` that can be hooked and freed.

There is no rule and no sweep in this file. An op is recorded by TapeTensor (modes/reverse.py), and cotangents
are swept by modes/tape.py. A GradFn stands where a node has its rule: when the sweep asks it to pull, it runs
the hooks, checks that what was saved is unchanged, lets the engine's rule pull, and frees what it had read.

For create_graph the saved values become tensors of the same graph again, so that the same rules are recorded
while they pull.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from dualdiff.avals import Aval
from dualdiff.core import Op, TapeLevel
from dualdiff.errors import MutationError
from dualdiff.modes.reverse import TapeTensor
from dualdiff.modes.tape import PARENTS, SELECT, Node, Rule, sweep
from dualdiff.tensor import Tensor, slot
from dualdiff.torch.errors import FreedGraph
from dualdiff.torch.names import name_of
from dualdiff.torch.state import STATE
from dualdiff.torch.writes import Clock, changed_since

LEVEL = TapeLevel("dualdiff.torch")  # never closed: its tensors live as long as somebody holds them
LEVEL.number = 0  # below the level of every transform, so that grad and its kin nest inside this graph
CLOCK = Clock(LEVEL.tick)


class EagerTensor(Tensor):
    """A tracked value inside NumPy functions and rules: ops on it are recorded under a GradFn each."""

    __slots__ = ()
    node = slot("part")
    level = LEVEL

    def __init__(self, primal: Any, node: Node):
        self.primal = primal
        self.node = node

    @property
    def shape(self) -> tuple[int, ...]:
        return self.node[1]

    @property
    def dtype(self) -> Any:
        return self.node[2]

    def concrete(self) -> Any:
        return self.primal.concrete() if isinstance(self.primal, Tensor) else self.primal

    def again(self) -> EagerTensor:
        return self  # it is never handed out, so that nobody writes to it

    def __repr__(self) -> str:
        return f"EagerTensor({self.primal!r})"

    @classmethod
    def interpret(cls, op: Op, level: TapeLevel, args: tuple, params: dict) -> Any:
        active = tuple([i for i, x in enumerate(args) if type(x) is cls])
        taped = tuple([TapeTensor(LEVEL, x.primal, x.node) if type(x) is cls else x for x in args])
        y = TapeTensor.interpret(op, LEVEL, taped, params)
        if type(y) is TapeTensor:
            return cls(y.primal, wrapped(y.node, op, active))
        if type(y) is tuple and op.multiple:
            return several(y, op, active)
        return y


def wrapped(raw: Node, op: Op | None, active: tuple[int, ...], name: str = "") -> Node:
    """The engine's node under a GradFn: the residuals are there, so that they can be freed."""
    return (raw[0], raw[1], raw[2], GradFn(name, op, active, raw), None, None, None, *raw[7:])


def several(ys: tuple, op: Op, active: tuple[int, ...]) -> tuple:
    """The outputs of one op: each is a selection from the op's one node, and all wait for that."""
    node: Node | None = None
    found = []
    for y in ys:
        if type(y) is TapeTensor:
            node = node or wrapped(y.node[PARENTS][0], op, active)
            y = EagerTensor(y.primal, wrapped((*y.node[:7], node), op, ()))
        found.append(y)
    return tuple(found)


# -------------------------------------------------- what stands in a node for its rule
class GradFn:
    """How a tensor came about: PyTorch's name for it, and the engine's node, which goes when it is freed."""

    __slots__ = ("label", "op", "active", "raw", "exact", "hooks", "__weakref__")

    def __init__(self, label: str, op: Any, active: tuple[int, ...], raw: Node):
        self.label = label
        self.op = op
        self.active = active  # where the tracked operands stand among those that the node saved
        self.raw = raw
        self.exact = raw[3].exact  # what the sweep need not fit; see Rule
        self.hooks: dict | None = None

    def name(self) -> str:
        """What PyTorch calls it, as in MulBackward0."""
        return self.label or name_of(self.op.name)

    def __repr__(self) -> str:
        return f"<{self.name()} object at {id(self):#x}>"

    @property
    def next_functions(self) -> tuple:
        """The same of the operands, each in a pair with the number of its output, which is 0."""
        return tuple((parent[3], 0) for parent in self.raw[PARENTS])

    @property
    def node(self) -> Node:
        raw = self.raw
        return (raw[0], raw[1], raw[2], self, None, None, None, *raw[7:])

    def pull(self, y_bar: Any, *_: None) -> Any:
        run, raw = STATE.run, self.raw
        if self.hooks is not None:
            y_bar = hooked(self.hooks, y_bar)
        if raw[0] in run.ends:
            run.found[raw[0]] = y_bar
        if CLOCK.latest < raw[0]:
            raw = checked(self, raw, y_bar)
        if run.create:
            raw = lifted(raw, self)
        rule = raw[3]
        bars = rule.pull(y_bar, raw[4], raw[5], raw[6])
        if not run.retain and holds(raw):
            self.raw = (raw[0], raw[1], raw[2], FREED, self.name(), None, None, *raw[7:])
        return bars


NOWHERE: Node = (2, (), None, None, None, None, None)  # the parent of a leaf: every rule of a sweep has one


class AccumulateGrad:
    """Where a leaf receives its cotangent, which its `receive` adds to .grad."""

    __slots__ = ("leaf", "exact", "hooks", "__weakref__")

    def __init__(self, leaf: Callable[[], Any]):
        self.leaf = leaf  # a weak reference: nobody asks for the gradient of a tensor that is gone
        self.exact = 0
        self.hooks: dict | None = None

    next_functions = ()

    def name(self) -> str:
        return "torch::autograd::AccumulateGrad"

    def __repr__(self) -> str:
        return f"<AccumulateGrad object at {id(self):#x}>"

    def pull(self, y_bar: Any, *_: None) -> tuple[None]:
        if self.hooks is not None:
            y_bar = hooked(self.hooks, y_bar)
        leaf = self.leaf()
        if leaf is not None:
            leaf.receive(y_bar)
        return (None,)


def raise_freed(_: Any, name: str, *__: None) -> None:
    raise FreedGraph(
        f"backward() reached {name} a second time, and what it had saved was freed by the first.",
        "Give the first backward() retain_graph=True, or run the forward pass again.",
    )


FREED = Rule(raise_freed, raise_freed)  # of a node whose residuals are gone; its name is all that it keeps


def hooked(hooks: dict, y_bar: Any) -> Any:
    """The cotangent after every hook has seen it; a hook may give another one."""
    for hook in tuple(hooks.values()):
        found = hook(y_bar)
        y_bar = y_bar if found is None else found
    return y_bar


# -------------------------------------------------- what a node saved
# A node holds (y, xs, params), with the aval alone as xs of a linear op of one array. If a fast entry of the
# engine made it, these are (y, x, other): of an elementwise op the tracked x first, of a product in order.
def saved(raw: Node) -> list:
    """The residuals: the output, then the operands, in one list whatever their layout."""
    y, xs, params = raw[4:7]
    if type(params) is not dict:
        return [y, xs, params]
    return [y, *parts(xs)]


def with_saved(raw: Node, values: list) -> Node:
    """The node with these residuals."""
    if type(raw[6]) is not dict:
        return (*raw[:4], *values, *raw[7:])
    if type(raw[5]) is not tuple:
        return (*raw[:5], values[1], *raw[6:])
    return (*raw[:4], values[0], tuple(values[1:]), raw[6], *raw[7:])


def holds(raw: Node) -> bool:
    """Whether there is anything to free: numbers and arrays, not shapes."""
    y, xs, params = raw[4:7]
    if y is not None:
        return True
    if type(params) is not dict:
        return xs is not None or params is not None
    return type(xs) is tuple and any(has_values(x) for x in xs)


def lifted(raw: Node, grad_fn: GradFn) -> Node:
    """The node with residuals that are tensors of the graph, for rules that are recorded as they pull."""
    values = saved(raw)
    for i, parent in zip(grad_fn.active, raw[PARENTS], strict=False):
        if has_values(values[i + 1]):
            values[i + 1] = EagerTensor(values[i + 1], parent)
    if type(values[0]) is tuple:  # an op with several outputs
        node = grad_fn.node
        values[0] = tuple(selected(part, node, k) for k, part in enumerate(values[0]))
    elif has_values(values[0]):
        values[0] = EagerTensor(values[0], grad_fn.node)
    return with_saved(raw, values)


def has_values(x: Any) -> bool:
    return x is not None and type(x) is not Aval


def selected(y: Any, node: Node, k: int) -> Any:
    """Output k of the op at `node`, as a tensor of the graph."""
    if y.dtype.kind not in "fc":
        return y
    raw = (LEVEL.tick(), y.shape, y.dtype, SELECT, None, None, k, node)
    return EagerTensor(y, wrapped(raw, node[3].op, ()))


def checked(grad_fn: GradFn, raw: Node, y_bar: Any) -> Node:
    """The node if no saved value was written since, or none that its rule reads; else an error.

    A rule shows whether it reads a value when it is given the shape alone: what comes out has no value then.
    """
    values = saved(raw)
    changed = [i for i, x in enumerate(values) if any(changed_since(v, raw[0]) for v in parts(x))]
    if not changed:
        return raw
    for i in changed:
        values[i] = without_values(values[i])
    shapes = with_saved(raw, values)
    try:
        bars = raw[3].pull(y_bar, *shapes[4:7])
        bars = (bars,) if raw[3].exact == 1 else bars
        # A differential that meets an aval gives no tangent at all, and its transpose no cotangent.
        read = any(bar is None or type(bar) is Aval for bar in bars)
    except Exception:  # the rule needed more than a shape
        read = True
    if read:
        which = "its result" if changed[0] == 0 else f"its operand {changed[0]}"
        raise MutationError(
            f"{grad_fn.name()} had saved {which} of shape {shape_of(saved(raw)[changed[0]])}, which was "
            "written in place since.",
            "Write the out-of-place form (y = y + 1, not y += 1), or change a clone().",
        )
    return shapes


def parts(x: Any) -> tuple:
    return x if type(x) is tuple else (x,)


def without_values(x: Any) -> Any:
    return tuple(map(without_values, x)) if type(x) is tuple else Aval(x.shape, x.dtype)


def shape_of(x: Any) -> Any:
    return tuple(part.shape for part in x) if type(x) is tuple else x.shape


# -------------------------------------------------- the sweep
class Run:
    """One call of backward() or grad(): what it frees, records and looks for."""

    __slots__ = ("retain", "create", "ends", "found", "given")

    def __init__(self, retain: bool, create: bool):
        self.retain = retain
        self.create = create
        self.ends: set[int] = set()  # the nodes whose cotangents are looked for
        self.found: dict[int, Any] = {}
        self.given: set[int] = set()  # arrays that somebody outside holds by now, by id


def walk(
    seeds: list[tuple[Node, Any]], retain: bool, create: bool, wanted: Iterable[Node] | None = None
) -> dict[int, Any]:
    """Sweep the seeds back: into .grad of the leaves, or to the nodes wanted, whose cotangents come back."""
    run = Run(retain, create)
    nodes: dict[int, Node] = {}
    last: dict[int, bool] = {}
    if wanted is not None:
        nodes = {node[0]: node for node in wanted}
        run.ends = set(nodes)
        last = off_the_way([node for node, _ in seeds], run.ends)
    run.given.update(id(y_bar) for _, y_bar in seeds)
    before = STATE.run, STATE.grad
    STATE.run, STATE.grad = run, create
    try:
        for ident, y_bar in sweep(seeds, last).items():
            if wanted is not None:
                run.found[ident] = hooked(nodes[ident][3].hooks or {}, y_bar)
    finally:
        STATE.run, STATE.grad = before
    return run.found


def off_the_way(roots: list[Node], ends: set[int]) -> dict[int, bool]:
    """The nodes of the graph of the roots that are not strictly above one of `ends`, and whether each is one:
    the sweep goes no further there. Nothing is written into the graph, which another sweep may be walking."""
    reached: dict[int, Node] = {}
    todo = list(roots)
    while todo:
        node = todo.pop()
        if node[0] not in reached and node is not NOWHERE:
            reached[node[0]] = node
            todo.extend(node[PARENTS])
    last: dict[int, bool] = {}
    for ident in sorted(reached, reverse=True):  # oldest first: parents come before what was made of them
        parents = [parent[0] for parent in reached[ident][PARENTS]]
        if all((k in last or k == NOWHERE[0]) and k not in ends for k in parents):
            last[ident] = ident in ends
    return last
