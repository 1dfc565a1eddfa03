"""Escapes: a tensor that outlives its transform raises wherever it is used, and never gives a number."""

import contextvars
import copy
import dataclasses
import functools
import itertools
import threading
import weakref

import numpy as np
import pytest
from conventions import convention

import dualdiff as dd
from dualdiff.errors import ConversionError, DualdiffError, EscapedTensor

X3 = np.arange(1.0, 4.0)
TRANSFORMS = {
    "grad-forward": lambda f: dd.grad(f, mode="forward")(X3),
    "grad-reverse": lambda f: dd.grad(f, mode="reverse")(X3),
    "jvp": lambda f: dd.jvp(f, (X3,), (X3,)),
    "vjp": lambda f: dd.vjp(f, X3)[1](1.0),
    "linearize": lambda f: dd.linearize(f, X3),
    "jacobian-forward": lambda f: dd.jacobian(f, mode="forward")(X3),
    "jacobian-reverse": lambda f: dd.jacobian(f, mode="reverse")(X3),
    "hessian": lambda f: dd.hessian(f)(X3),
    "hvp": lambda f: dd.hvp(f, (X3,), (X3,)),
    "vmap": lambda f: dd.vmap(f)(np.stack([X3, X3])),
}
KINDS = ["grad-forward", "grad-reverse", "vmap"]  # one for each kind of tensor
WITH_NUMBERS = [name for name in TRANSFORMS if name != "vmap"]


def leak_from(transform):
    """The argument that a transform gave to its function, after it has returned."""
    place = []

    def culprit(x):
        place.append(x)
        return np.sum(x * x)

    TRANSFORMS[transform](culprit)
    return place[-1]


def names_its_maker(transform):
    """The error names the transform, the function and its line; of nested transforms the inner one."""
    inner = r"\w+" if transform in ("hessian", "hvp") else transform.partition("-")[0]
    return pytest.raises(
        EscapedTensor, match=rf"inside {inner}\(culprit\) at test_escapes.py:\d+, which has returned"
    )


# -------------------------------------------------- every kind of use
def scalar_in_place(e):
    total = e[0] if e.ndim else e
    total += 1.0
    return total


USES = {
    "add": lambda e: e + 1,
    "radd": lambda e: X3 + e,
    "numpy-scalar": lambda e: np.float64(2) * e,
    "self": lambda e: e - e,
    "negate": lambda e: -e,
    "power": lambda e: 2**e,
    "absolute": abs,
    "round": round,
    "divmod": lambda e: divmod(e, 2.0),
    "floor-divide": lambda e: e // 2,
    "matmul": lambda e: np.eye(3) @ e,
    "in-place": scalar_in_place,
    "in-place-into-an-array": lambda e: functools.reduce(lambda a, b: a.__iadd__(b), [e[0], e]),
    "ufunc": np.sin,
    "ufunc-of-two": lambda e: np.arctan2(X3, e),
    "ufunc-reduce": np.add.reduce,
    "ufunc-outer": lambda e: np.multiply.outer(X3, e),
    "constant-ufunc": np.isnan,
    "flat-ufunc": np.floor,
    "compare": lambda e: e > 1,
    "equal": lambda e: e == 1,
    "not-equal": lambda e: e != 0,
    "equal-to-none": lambda e: e == None,  # noqa: E711
    "sum": np.sum,
    "sum-of-python": lambda e: sum([e, e]),
    "largest-of-python": lambda e: max([e[0], e[1]]),
    "method": lambda e: e.sum(),
    "getitem": lambda e: e[0],
    "iterate": list,
    "unpack": lambda e: [*e],
    "concatenate": lambda e: np.concatenate([e, X3]),
    "stack": lambda e: np.stack([X3, e]),
    "where": lambda e: np.where(X3 > 2, e, 0),
    "where-condition": lambda e: np.where(e > 2, X3, 0),
    "einsum": lambda e: np.einsum("i,i", X3, e),
    "norm": np.linalg.norm,
    "solve": lambda e: np.linalg.solve(np.eye(3), e),
    "several-outputs": lambda e: np.linalg.slogdet(np.diag(e)),
    "fft": np.fft.fft,
    "sort": np.sort,
    "argmax": np.argmax,
    "reshape": lambda e: e.reshape(3, 1),
    "transpose": lambda e: e.T,
    "flat": lambda e: e.flat,
    "astype-int": lambda e: e.astype(int),
    "update": lambda e: e.at[0].set(1.0),
    "update-with": lambda e: dd.stop_gradient(X3) + np.add(X3, 0).sum() * e.at[0].add(2.0),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "object-array": lambda e: np.array([e, 1.0], dtype=object) + 1 if e.ndim == 0 else boxed(e) + 1,
    "stop_gradient": dd.stop_gradient,
    "in-new-grad": lambda e: dd.grad(lambda y: y * np.sum(e))(1.0),
    "returned-from-grad": lambda e: dd.grad(lambda y: e)(1.0),
    "returned-from-vmap": lambda e: dd.vmap(lambda y: e)(X3),
    "argument-of-grad": lambda e: dd.grad(lambda y: np.sum(y * y))(e),
    "argument-of-vmap": lambda e: dd.vmap(lambda y: y * y)(e),
    "argument-of-linearize": lambda e: dd.linearize(np.sin, e)[1](X3),
    "tangent": lambda e: dd.jvp(lambda x: x * 2, (X3,), (e,)),
    "cotangent": lambda e: dd.vjp(lambda x: x * 2, X3)[1](e),
    "auxiliary": lambda e: dd.grad(lambda y: (np.sum(y), e), has_aux=True)(X3)[1] + 1,
}


def boxed(e):
    box = np.empty(2, dtype=object)
    box[0], box[1] = e, 1.0
    return box


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("transform", TRANSFORMS)
@convention("UN-6")
def test_escaped_tensor_raises_and_names_its_maker(transform, use):
    escaped = leak_from(transform)
    with names_its_maker(transform):
        USES[use](escaped)


@pytest.mark.parametrize("use", [bool, str, int, lambda e: f"{e}", lambda e: 1.0 in e, lambda e: e and 1])
@pytest.mark.parametrize("transform", WITH_NUMBERS)
def test_escaped_tensor_has_no_truth_and_no_text(transform, use):
    with pytest.raises(EscapedTensor):
        use(leak_from(transform))


@pytest.mark.parametrize("transform", TRANSFORMS)
@convention("UN-6")
def test_escaped_tensor_is_never_a_plain_number(transform):
    escaped = leak_from(transform)
    for use in (float, complex, np.asarray, np.array, np.float64, lambda e: e.item(), lambda e: e.tolist()):
        with pytest.raises(DualdiffError):
            use(escaped)
    assert repr(escaped)  # a debugger may look


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_escaped_tensor_does_not_enter_a_plain_array(transform):
    escaped, plain = leak_from(transform), np.zeros(3)
    for write in (
        lambda: plain.__setitem__(0, escaped),
        lambda: plain.__setitem__(slice(None), escaped),
        lambda: plain.__iadd__(escaped),
        lambda: np.add(plain, escaped, out=plain),
        lambda: np.add.at(plain, [0], escaped),
        lambda: np.copyto(plain, escaped),
        lambda: np.put(plain, [0], escaped),
    ):
        with pytest.raises((DualdiffError, ValueError)):
            write()
    np.testing.assert_array_equal(plain, 0.0)


# -------------------------------------------------- together with live tensors of a new transform
MIXED = {
    "multiply": lambda y, e: y * e,
    "divide": lambda y, e: e / y,
    "power": lambda y, e: y**e,
    "maximum": np.maximum,
    "where": lambda y, e: np.where(y > 0, y, e),
    "stack": lambda y, e: np.stack([y, e]),
    "matmul": lambda y, e: y @ e,
    "einsum": lambda y, e: np.einsum("i,j->ij", y, e),
    "solve": lambda y, e: np.linalg.solve(np.eye(3) * y[0], e),
    "update": lambda y, e: y.at[0].set(e[0]),
    "compare": lambda y, e: np.sum(y * (e > 1)),
    "inner-gradient": lambda y, e: dd.grad(lambda z: np.sum(z * e * y))(y),
    "inner-tangent": lambda y, e: dd.jvp(np.sin, (y,), (e,))[1],
}
NEW = {
    "forward": lambda f: dd.jvp(f, (X3,), (X3,)),
    "reverse": lambda f: dd.vjp(f, X3),
    "vmap": lambda f: dd.vmap(f)(np.stack([X3, X3])),
    "second-order": lambda f: dd.hessian(lambda y: np.sum(f(y)))(X3),
}


@pytest.mark.parametrize("new", NEW)
@pytest.mark.parametrize("use", MIXED)
@pytest.mark.parametrize("transform", KINDS)
def test_escaped_tensor_beside_a_live_one_raises(transform, use, new):
    escaped = leak_from(transform)
    with names_its_maker(transform):
        NEW[new](lambda y: MIXED[use](y, escaped))


# -------------------------------------------------- every hiding place
def in_a_global(x):
    globals()["hidden"] = x
    return lambda: globals().pop("hidden")


def in_a_list(x):
    place = [x]
    return lambda: place[0]


def in_a_closure(x):
    return lambda: x


def as_a_key(x):
    place = {x: 1}
    return lambda: next(iter(place))


def as_a_default(x):
    def later(y=x):
        return y

    return later


def in_a_cache(x):
    @functools.lru_cache(None)
    def cached(name):
        return x * 2

    cached("x")
    return lambda: cached("x")


def in_a_cached_property(x):
    class Holder:
        @functools.cached_property
        def value(self):
            return x * 2

    holder = Holder()
    assert holder.value is not None
    return lambda: holder.value


def in_a_suspended_generator(x):
    def numbers(y):
        while True:
            y = y * x
            yield y

    running = numbers(x)
    next(running)
    return lambda: next(running)


def yielded(x):
    def numbers():
        yield x

    running = numbers()
    return lambda: next(running)


def in_a_coroutine(x):
    async def later():
        return x

    waiting = later()

    def resume():
        try:
            waiting.send(None)
        except StopIteration as done:
            return done.value

    return resume


def in_an_exception(x):
    try:
        raise ValueError("with a tensor", x)
    except ValueError as error:
        caught = error
    return lambda: caught.args[1]


def in_a_traceback(x):
    try:
        raise ValueError("in a frame that holds a tensor")
    except ValueError as error:
        frame = error.__traceback__.tb_frame
    return lambda: frame.f_locals["x"]


def behind_a_weak_reference(x):
    y = x * 1.0 if type(x).__name__ == "TapeTensor" else None
    if y is None:
        return lambda: x  # only tensors of a tape have weak references
    reference = weakref.ref(y)
    return lambda alive=y: reference()


def in_a_class(x):
    class Holder:
        value = x

    return lambda: Holder.value


def in_a_dataclass(x):
    @dataclasses.dataclass
    class Holder:
        value: object

    holder = Holder(x)
    return lambda: dataclasses.astuple(holder)[0]


def in_an_object_array(x):
    box = boxed(x)
    return lambda: box[0]


def in_a_thread_s_own_place(x):
    local = threading.local()
    local.value = x
    return lambda: local.value


def in_a_context(x):
    variable = contextvars.ContextVar("variable")
    context = contextvars.copy_context()
    context.run(variable.set, x)
    return lambda: context[variable]


def in_a_partial(x):
    return functools.partial(lambda y: y, x)


def in_an_iterator(x):
    rows = iter(x)
    return lambda: next(rows)


def in_an_update(x):
    place = x.at[0]
    return lambda: place.set(1.0)


PLACES = [
    in_a_global, in_a_list, in_a_closure, as_a_key, as_a_default, in_a_cache, in_a_cached_property,
    in_a_suspended_generator, yielded, in_a_coroutine, in_an_exception, in_a_traceback,
    behind_a_weak_reference, in_a_class, in_a_dataclass, in_an_object_array, in_a_thread_s_own_place,
    in_a_context, in_a_partial, in_an_iterator, in_an_update,
]  # fmt: skip


@pytest.mark.parametrize("hide", PLACES, ids=lambda hide: hide.__name__)
@pytest.mark.parametrize("transform", TRANSFORMS)
@convention("UN-6")
def test_no_place_hides_an_escape(transform, hide):
    found = []

    def culprit(x):
        found.append(hide(x))
        return np.sum(x * x)

    TRANSFORMS[transform](culprit)
    with names_its_maker(transform):
        found[-1]() + 1


@pytest.mark.parametrize("hide", PLACES, ids=lambda hide: hide.__name__)
@pytest.mark.parametrize("transform", KINDS)
def test_no_place_hides_an_escape_of_a_function_that_raised(transform, hide):
    found = []

    def culprit(x):
        found.append(hide(x))
        raise ValueError("halfway")

    with pytest.raises(ValueError, match="halfway"):
        TRANSFORMS[transform](culprit)
    with names_its_maker(transform):
        found[-1]() + 1


def test_a_result_made_of_an_escape_is_not_cached():
    """A memoised function that was first called inside a transform: later calls raise, none is wrong."""
    cached = functools.lru_cache(None)(lambda x: x * 2)
    assert dd.grad(lambda x: cached(x) * x)(3.0) == 12.0
    assert dd.grad(lambda x: cached(x) * x)(3.0) == 12.0  # another tensor is another key
    assert cached(3.0) == 6.0


@pytest.mark.parametrize(
    "transform", [dd.grad, lambda f: dd.grad(dd.grad(f)), lambda f: dd.grad(dd.replay(f))]
)
def test_escape_from_an_object_that_is_called_names_its_class(transform):
    place = []

    class Model:
        def __call__(self, x):
            place.append(x)
            return x * 2

    transform(Model())(1.5)
    with pytest.raises(EscapedTensor, match=r"\(Model\)"):
        place[-1] + 1


def test_escape_of_an_inner_level_into_the_outer_function():
    pair = [lambda f: lambda x: dd.jvp(f, (x,), (1.0,))[1], lambda f: dd.grad(f, mode="reverse")]
    for d, e in itertools.product(pair, repeat=2):
        box = []

        def f(x, e=e, box=box):
            e(lambda y: box.append(x * y) or y * y)(2.0)
            return x * box[0]

        with pytest.raises(EscapedTensor):
            d(f)(3.0)


def test_escape_into_a_pullback_that_is_called_later():
    """The pullback of an inner transform keeps what an outer one made: legal inside, an escape afterwards."""
    kept = []

    def f(x):
        _, pullback = dd.vjp(lambda z: z * x, x)
        _, lin = dd.linearize(lambda z: z * x, x)
        kept[:] = pullback, lin, lin.T
        return np.sum(pullback(np.ones(3))[0] * lin(x))

    for mode in ("forward", "reverse"):
        np.testing.assert_allclose(dd.grad(f, mode=mode)(X3), 3 * X3**2)
        for later in kept:
            with pytest.raises(EscapedTensor):
                later(np.ones(3))


@convention("UN-7")
def test_outer_tensor_inside_an_inner_transform_is_legal():
    assert dd.grad(lambda x: dd.grad(lambda y: x * y * y)(x))(3.0) == 12.0


@pytest.mark.parametrize("transform", ["sparse-jacobian", "sparse-hessian", "plan", "replayed-plan"])
def test_escape_from_sparse_transforms(transform):
    pytest.importorskip("scipy")
    place = []

    def culprit(x):
        place.append(x)
        return np.sum(x * x) if transform == "sparse-hessian" else x * x

    {
        "sparse-jacobian": lambda: dd.sparse.jacobian(culprit)(X3),
        "sparse-hessian": lambda: dd.sparse.hessian(culprit)(X3),
        "plan": lambda: dd.sparse.prepare_jacobian(culprit, X3)(X3),
        "replayed-plan": lambda: dd.sparse.prepare_jacobian(culprit, X3, replay=True)(X3),
    }[transform]()
    assert len(place) > 1
    for escaped in place:
        for use in (np.sin, np.sum, lambda e: e * X3, lambda e: e[0] + 1, lambda e: e > 1):
            with pytest.raises(EscapedTensor):
                use(escaped)


def test_aux_tensors_come_back_as_plain_values():
    for transform in (
        lambda f: dd.grad(f, has_aux=True, mode="forward")(2.0)[1],
        lambda f: dd.grad(f, has_aux=True, mode="reverse")(2.0)[1],
        lambda f: dd.jvp(f, (2.0,), (1.0,), has_aux=True)[2],
        lambda f: dd.vjp(f, 2.0, has_aux=True)[2],
        lambda f: dd.linearize(f, 2.0, has_aux=True)[2],
    ):
        aux = transform(lambda x: (x * x, {"cube": x**3, "text": "kept", "none": None}))
        assert aux == {"cube": 8.0, "text": "kept", "none": None}
        assert float(aux["cube"]) == 8.0


def test_conversions_refuse_before_and_after():
    escaped = leak_from("grad-reverse")
    for use in (float, np.asarray, lambda e: memoryview(np.array([e]))):
        with pytest.raises(ConversionError):
            use(escaped)
