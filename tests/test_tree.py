"""Containers: what is a container and what a leaf, round trips, paths, registration, and what is refused."""

import collections
import dataclasses
import types
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dualdiff as dd
from dualdiff.errors import StructureError
from dualdiff.tree import LEAF, flatten, map_tree, paths, unflatten

Point = collections.namedtuple("Point", "x y")


class Typed(NamedTuple):
    value: float
    name: object = None


@dataclasses.dataclass
class Model:
    weight: object
    bias: object = 0.0
    cache: list = dataclasses.field(default_factory=list, init=False, compare=False)


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    a: object
    b: object


@dataclasses.dataclass
class Child(Model):
    extra: object = None


leaves_ = st.floats(allow_nan=False) | st.integers() | st.booleans() | st.text(max_size=2)
keys_ = st.text(max_size=3)
trees = st.recursive(
    leaves_ | st.none(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(keys_, inner, max_size=3)
        | st.dictionaries(st.integers() | keys_, inner, max_size=3)
        | st.tuples(inner, inner).map(lambda pair: Point(*pair))
        | st.tuples(inner, inner).map(lambda pair: Model(*pair))
        | st.tuples(inner, inner).map(lambda pair: Frozen(*pair))
    ),
    max_leaves=12,
)


@given(trees)
def test_unflatten_undoes_flatten(tree):
    leaves, shape = flatten(tree)
    again = unflatten(shape, leaves)
    assert again == tree
    assert type(again) is type(tree)
    assert shape.leaves == len(leaves) == len(paths(shape))
    assert flatten(again)[1] == shape


@given(trees)
def test_paths_lead_to_the_leaves(tree):
    leaves, shape = flatten(tree)
    for path, leaf in zip(paths(shape, "tree"), leaves, strict=True):
        assert eval(path) is leaf


@given(trees)
def test_map_keeps_the_structure(tree):
    leaves, shape = flatten(tree)
    mapped, same = flatten(map_tree(lambda x: [str(x)] and (str(x)), tree))
    assert same == shape
    assert mapped == [str(x) for x in leaves]


def test_none_is_an_empty_container():
    assert flatten(None)[0] == []
    assert flatten([None, 1.0, {"a": None}])[0] == [1.0]
    assert unflatten(flatten([None, 1.0])[1], [2.0]) == [None, 2.0]


@pytest.mark.parametrize(
    "leaf", [1.0, 2, 1j, True, "text", np.ones(2), np.float32(1), {1, 2}, range(3), b"x", object()]
)
def test_everything_else_is_a_leaf(leaf):
    leaves, tree = flatten(leaf)
    assert leaves[0] is leaf
    assert tree == LEAF


def test_keys_are_ordered_by_name_not_by_insertion():
    a, b = {"x": 1.0, "y": 2.0}, {"y": 2.0, "x": 1.0}
    assert flatten(a) == flatten(b)
    _y, y_dot = dd.jvp(lambda d: d["x"] * d["y"], ({"x": 2.0, "y": 3.0},), ({"y": 0.0, "x": 1.0},))
    assert y_dot == 3.0


def test_keys_of_several_types():
    mixed = {1: 1.0, "a": 2.0, (0, 1): 3.0}
    gradient = dd.grad(lambda d: d[1] * d["a"] * d[0, 1])(mixed)
    assert gradient == {1: 6.0, "a": 3.0, (0, 1): 2.0}


@pytest.mark.parametrize("mode", ["forward", "reverse"])
@pytest.mark.parametrize(
    "make, read",
    [
        (lambda a, b: Typed(a, b), lambda t: t.value * t.name),
        (lambda a, b: Model(a, b), lambda t: t.weight * t.bias),
        (lambda a, b: Frozen(a, b), lambda t: t.a * t.b),
        (lambda a, b: Child(a, b, None), lambda t: t.weight * t.bias),
        (lambda a, b: {"a": {"b": {"c": [a, (b,)]}}}, lambda t: t["a"]["b"]["c"][0] * t["a"]["b"]["c"][1][0]),
        (lambda a, b: [[[[a]]], [], {}, (), b], lambda t: t[0][0][0][0] * t[4]),
        (lambda a, b: Point(Point(a, None), Point(None, b)), lambda t: t.x.x * t.y.y),
    ],
    ids=["typed", "dataclass", "frozen-slots", "inherited", "deep", "empties", "named-in-named"],
)
def test_gradient_of_each_container(make, read, mode):
    a, b = np.float64(2.0), np.array([3.0, 4.0])
    found = dd.grad(lambda t: np.sum(read(t)), mode=mode)(make(a, b))
    exact = make(7.0, np.array([2.0, 2.0]))
    assert type(found) is type(exact)
    for one, other in zip(flatten(found)[0], flatten(exact)[0], strict=True):
        np.testing.assert_array_equal(one, other)


def test_container_without_leaves_has_an_empty_gradient():
    for mode in ("forward", "reverse"):
        assert dd.grad(lambda t, x: x * x, argnums=(0, 1), mode=mode)([None, {}], 3.0) == ([None, {}], 6.0)


def test_structures_that_differ_are_refused():
    x = {"a": 1.0, "b": [2.0, 3.0]}
    f = lambda t: t["a"] * t["b"][0] * t["b"][1]  # noqa: E731
    for tangent in (
        {"a": 1.0, "b": [1.0]},
        {"a": 1.0, "b": (1.0, 1.0)},
        {"a": 1.0},
        {"a": 1.0, "b": [1.0, 1.0], "c": 1.0},
        {"a": 1.0, "b": [1.0, None]},
        {"a": 1.0, "c": [1.0, 1.0]},
        [1.0, [1.0, 1.0]],
        1.0,
        None,
    ):
        with pytest.raises(StructureError):
            dd.jvp(f, (x,), (tangent,))
        with pytest.raises(StructureError):
            dd.vjp(lambda v: {"a": v, "b": [v, v]}, 1.0)[1](tangent)
    with pytest.raises(StructureError):
        map_tree(lambda a, b: a, [1.0], (1.0,))


def test_subclasses_of_builtin_containers_are_leaves_or_keep_their_type():
    ordered = collections.OrderedDict(a=1.0, b=2.0)
    leaves, tree = flatten(ordered)
    assert len(leaves) == 1 or type(unflatten(tree, leaves)) is collections.OrderedDict
    namespace = types.SimpleNamespace(a=1.0)
    with pytest.raises(TypeError, match="type SimpleNamespace"):
        dd.grad(lambda n: n.a)(namespace)


class Box:
    """A container of the user's own."""

    def __init__(self, content, label):
        self.content, self.label = content, label


@pytest.fixture
def registered():
    from dualdiff import tree

    dd.register_container(
        Box, lambda box: ((box.content,), (box.label,)), lambda keys, parts: Box(parts[0], *keys)
    )
    yield
    tree._registered.pop(Box)


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_registered_container(registered, mode):
    box = Box({"x": np.array([1.0, 2.0])}, "label")
    found = dd.grad(lambda b: np.sum(b.content["x"] ** 2), mode=mode)(box)
    assert type(found) is Box
    assert found.label == "label"
    np.testing.assert_array_equal(found.content["x"], [2.0, 4.0])
    y, y_dot = dd.jvp(lambda x: Box(x * x, "out"), (3.0,), (1.0,), mode=mode)
    assert (y.content, y_dot.content, y_dot.label) == (9.0, 6.0, "out")
    rows = dd.vmap(lambda b: Box(b.content * 2, b.label))(Box(np.arange(3.0), "rows"))
    np.testing.assert_array_equal(rows.content, [0.0, 2.0, 4.0])
    with pytest.raises(TypeError, match=r"argument 0\['label'\]: its dtype is int64"):
        dd.grad(lambda b: 1.0)(Box(np.arange(2), "label"))


def test_aux_may_hold_anything():
    marker = object()
    for mode in ("forward", "reverse"):
        _, aux = dd.grad(
            lambda x: (x * x, {"m": marker, "s": {1, 2}, "x": [x, None]}), has_aux=True, mode=mode
        )(2.0)
        assert aux["m"] is marker
        assert aux["s"] == {1, 2}
        assert aux["x"] == [2.0, None]


def test_a_container_is_registered_by_a_type_and_two_functions():
    with pytest.raises(StructureError, match="a type and two functions"):
        dd.register_container(collections.deque, list, None)
