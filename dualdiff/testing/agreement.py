"""What must hold for a program at its point: every mode and nesting gives the numbers of every other and of
differences, or all refuse it with one class of error. No rule is trusted: programs are made in programs.py.

Numbers that differ by more than rounding in a well-conditioned program are looked at again at points a few
ulps away: rounding changes there from point to point, an error of a rule stays what it is.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

import dualdiff as dd
from dualdiff.errors import ControlFlowError, DualdiffError, GradientMismatch
from dualdiff.testing.differences import (
    Tolerance,
    algebra,
    complex_step,
    difference,
    epsilon,
    finite_difference,
    furthest,
    step_size,
)
from dualdiff.testing.laws import inner
from dualdiff.testing.programs import Program
from dualdiff.testing.samples import direction, generator
from dualdiff.tree import flatten, map_tree

PAIRS = ("forward-over-reverse", "reverse-over-forward", "reverse-over-reverse", "forward-over-forward")
PERTURBED = 6  # points at which two numbers that differ are compared again
SYSTEMATIC = 0.2  # of a difference: how much it may vary over these points and still be an error
ROUGH = 1e-4  # of the largest derivative: differences at two steps that are further apart say nothing
LARGEST_JACOBIAN = 600


class Outcome(NamedTuple):
    """What was compared, and whether differences could say anything at this point."""

    checks: int
    smooth: bool


def agree(program: Program, *, order: int = 2) -> Outcome:
    """Compare all modes and nestings of a program with each other and with differences at its point.

    Derivative  values against the plain run; jvp and vjp in each mode, linearize both ways, Jacobians in each
                mode and in chunks, vmap against a loop; for order 2 the Hessian products in four pairs of
                modes, gradients of vmap, vmap of gradients, and gradients of gradients through closures
    Cost        about 60 runs of the program for order 2
    Raises      GradientMismatch that says which two differ and shows the program as a script
    """
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # values outside of a domain were thrown away when it was written
        return Comparison(program).run(order)


def failure(program: Program, *, order: int = 2) -> str | None:
    """The first line of what is wrong with a program; None if nothing is. Other errors count as wrong."""
    try:
        agree(program, order=order)
    except GradientMismatch as error:
        return str(error).split("\n")[0]
    except Exception as error:
        return f"{type(error).__name__}: {error}".split("\n")[0]
    return None


def real_part(g: Any, y: Any) -> Any:
    """Re<g, y> over all leaves, as NumPy code."""
    total: Any = 0.0
    for weight, part in zip(flatten(g)[0], flatten(y)[0], strict=True):
        if np.asarray(weight).dtype.kind in "fc":
            total = total + np.real(np.sum(np.conj(weight) * part))
    return total


class Comparison:
    """One program, its directions, and how its numbers are compared."""

    def __init__(self, program: Program):
        self.program = program
        self.args = program.point()
        self.y = program(*program.point())
        rng = generator(f"agreement {program.seed}")
        self.t = direction(rng, self.args)
        leaves = flatten(self.y)[0]
        self.floating = all(np.asarray(y).dtype.kind in "fc" for y in leaves)
        self.g = direction(rng, self.y)
        dtypes = [np.asarray(x).dtype for x in (*flatten(self.args)[0], *leaves)]
        self.dtypes = [dtype for dtype in dtypes if dtype.kind in "fc"]
        self.double = all(epsilon(dtype) <= epsilon(float) for dtype in self.dtypes)
        self.real = all(dtype.kind == "f" for dtype in self.dtypes)
        self.tolerance = algebra(max(self.dtypes, key=epsilon))
        self.argnums = tuple(range(len(self.args)))
        self.checks = 0
        self.smooth = True

    # ---------------------------------------------------------------- comparing
    def wrong(self, what: str) -> GradientMismatch:
        return GradientMismatch(f"{what}\n\n{self.program.script()}\n")

    def same(
        self, what: str, found: Callable, expected: Callable, tolerance: Tolerance | None = None
    ) -> None:
        """Compare two functions of the point: in containers, shapes and numbers."""
        self.checks += 1
        tolerance = self.tolerance if tolerance is None else tolerance
        both = [self.outcome(f, self.program.point()) for f in (found, expected)]
        errors = [type(x) for x in both if isinstance(x, Exception)]
        if errors:
            if len(errors) == 2 and errors[0] is errors[1] and issubclass(errors[0], DualdiffError):
                return
            said = [f"{type(x).__name__}({x})" if isinstance(x, Exception) else "a value" for x in both]
            raise self.wrong(f"{what}: {said[0]} beside {said[1]}.")
        left, right = (flatten(x)[0] for x in both)
        for k, (a, b) in enumerate(zip(left, right, strict=True)):
            if np.shape(a) != np.shape(b):
                raise self.wrong(f"{what}, leaf {k}: shape {np.shape(a)} beside {np.shape(b)}.")
            at = furthest(a, b, tolerance)
            if at is not None and not self.rounding(found, expected, k, at):
                raise self.wrong(
                    f"{what}, leaf {k} at {at}: {np.asarray(a)[at]!r} beside {np.asarray(b)[at]!r}."
                )

    def outcome(self, f: Callable, args: tuple) -> Any:
        try:
            return f(*args)
        except Exception as error:
            return error

    def rounding(self, found: Callable, expected: Callable, leaf: int, at: tuple) -> bool:
        """Whether a difference varies from point to point as rounding does."""
        rng = generator("rounding")
        eps = 64 * max(map(epsilon, self.dtypes))

        def moved(x: Any) -> Any:
            x = np.asarray(x)
            return (x * (1 + eps * rng.uniform(-1, 1, x.shape))).astype(x.dtype)

        gaps = []
        for _ in range(PERTURBED):
            args = map_tree(moved, self.program.point())
            a, b = (np.asarray(flatten(f(*args))[0][leaf])[at] for f in (found, expected))
            gaps.append(a - b)
        spread = np.ptp(np.real(gaps)) + np.ptp(np.imag(gaps))
        return bool(spread > SYSTEMATIC * np.max(np.abs(gaps)))

    def like(self, what: str, found: Any, like: Any) -> None:
        """Compare shapes and dtypes; integers have floating zeros for derivatives."""
        for x, y in zip(flatten(found)[0], flatten(like)[0], strict=True):
            x, y = np.asarray(x), np.asarray(y)
            dtype = y.dtype if y.dtype.kind in "fc" else np.dtype(float)
            if (x.shape, x.dtype) != (y.shape, dtype):
                raise self.wrong(f"{what} is {x.dtype}{list(x.shape)}, not {dtype}{list(y.shape)}.")

    # ---------------------------------------------------------------- what is compared
    def run(self, order: int) -> Outcome:
        f, t, g = self.program, self.t, self.g
        self.value()
        push = lambda *xs: dd.jvp(f, xs, t)[1]  # noqa: E731
        pull = lambda *xs: dd.vjp(f, *xs)[1](g)  # noqa: E731
        if not self.tangents(push, pull):
            return Outcome(self.checks, self.smooth)
        self.differences(push)
        self.jacobians(push)
        self.batches(f, "f")
        if order > 1 and self.floating:
            self.second(pull)
        self.same(
            "the value after all transforms and the one before", f, lambda *_: self.y, Tolerance(0.0, 0.0)
        )
        return Outcome(self.checks, self.smooth)

    def value(self) -> None:
        """Bit for bit the value of the plain run, in its dtype."""
        exact = self.program.exact and "nested" not in self.program.features
        tolerance = Tolerance(0.0, 0.0) if exact else self.tolerance
        ways: dict[str, Callable] = {
            "jvp": lambda *xs: dd.jvp(self.program, xs, self.t)[0],
            "vjp": lambda *xs: dd.vjp(self.program, *xs)[0],
        }
        for way, found in ways.items():
            self.same(
                f"the value by {way} and the plain one", found, lambda *xs: self.program(*xs), tolerance
            )
            for a, b in zip(*(flatten(x)[0] for x in (found(*self.program.point()), self.y)), strict=True):
                if np.asarray(a).dtype != np.asarray(b).dtype:
                    raise self.wrong(
                        f"the value by {way} is of {np.asarray(a).dtype}, plain {np.asarray(b).dtype}."
                    )

    def tangents(self, push: Callable, pull: Callable) -> bool:
        """Both modes, each from the other, and the tape swept both ways. False where all refuse."""
        f, t, g = self.program, self.t, self.g
        point = self.program.point()
        before = map_tree(np.copy, point)
        y_dot, x_bars = self.outcome(push, point), self.outcome(pull, point)
        if furthest_of(point, before):
            raise self.wrong("a transform wrote into its arguments.")
        self.same(
            "jvp in reverse mode and in forward mode", lambda *xs: dd.jvp(f, xs, t, mode="reverse")[1], push
        )
        self.same("vjp in forward mode and in reverse mode",
                  lambda *xs: dd.vjp(f, *xs, mode="forward")[1](g), pull)  # fmt: skip
        self.same("linearize and jvp", lambda *xs: dd.linearize(f, *xs)[1](*t), push)
        self.same("linearize transposed and vjp", lambda *xs: dd.linearize(f, *xs)[1].T(g), pull)
        if isinstance(y_dot, Exception) or isinstance(x_bars, Exception):
            self.same("errors of jvp and vjp", push, pull)
            return False
        self.like("the tangent", y_dot, self.y)
        self.like("a cotangent", x_bars, self.args)
        self.same("Re<g, J t> and Re<J^H g, t>",
                  lambda *xs: real_part(g, push(*xs)), lambda *xs: np.float64(inner(pull(*xs), t)),
                  scaled(self.tolerance, g, y_dot, x_bars, t))  # fmt: skip
        return True

    def differences(self, push: Callable, what: str = "jvp", depth: int = 1, t: Any = None) -> None:
        """Forward mode against central differences at two steps, and against the complex step."""
        if not self.double:
            return
        f, t = (self.program, self.t) if depth == 1 else (None, t)
        values = self.program if depth == 1 else (lambda *xs: dd.vjp(self.program, *xs)[1](self.g))
        h = step_size() / 2
        try:
            wide, narrow = (finite_difference(values, self.args, t, step=step) for step in (h, h / 3))
        except DualdiffError:
            raise
        except (ValueError, ZeroDivisionError, np.linalg.LinAlgError):
            self.smooth = False
            return
        found = push(*self.program.point())
        self.checks += 1
        for k, (a, b, c) in enumerate(zip(*(flatten(x)[0] for x in (found, wide, narrow)), strict=True)):
            a, b, c = map(np.asarray, (a, b, c))
            scale = max(1.0, np.max(np.abs(a), initial=0.0), np.max(np.abs(b), initial=0.0))
            gap = np.max(np.abs(b - c), initial=0.0)
            if not gap < ROUGH * scale:
                self.smooth = False
                continue
            rtol, atol = difference(depth)
            at = furthest(a, b, Tolerance(rtol, atol + 30 * gap / scale))
            if at is not None:
                raise self.wrong(f"{what}, leaf {k} at {at}: {a[at]!r}; differences give {b[at]!r}.")
        if depth == 1 and self.real and f is not None:
            self.complex_steps(wide)

    def complex_steps(self, expected: Any) -> None:
        """To the last digits, where the program is analytic and runs on complex numbers as on real ones: some
        functions of SciPy have other algorithms there, and isreal another answer, which differences show.
        """
        along, across = (map_tree(lambda x, s=s: s * x, self.t) for s in (1.0 + 0j, 1j))
        point = map_tree(lambda x: x + 0j, self.args)
        try:
            turned = map_tree(lambda y: 1j * y, dd.jvp(self.program, point, along)[1])
            beside = dd.jvp(self.program, point, across)[1]
            stepped = complex_step(self.program, self.args, self.t)
        except Exception:  # not written for complex numbers
            return
        if close(beside, turned, self.tolerance) and close(stepped, expected, difference()):
            self.same("jvp and the complex step", lambda *xs: dd.jvp(self.program, xs, self.t)[1],
                      lambda *xs: complex_step(self.program, xs, self.t))  # fmt: skip

    def jacobians(self, push: Callable) -> None:
        """All columns and all rows, whole and in chunks; their products with a direction; their pattern."""
        inputs = sum(np.size(x) for x in flatten(self.args)[0])
        outputs = sum(np.size(y) for y in flatten(self.y)[0])
        if not self.real or not self.floating or inputs * outputs > LARGEST_JACOBIAN:
            return
        f, every = self.program, self.argnums
        columns = dd.jacfwd(f, argnums=every)
        self.same("jacrev and jacfwd", dd.jacrev(f, argnums=every), columns)
        self.same("jacfwd in chunks and whole", dd.jacfwd(f, argnums=every, chunk_size=2), columns)
        self.same("jacrev in chunks and whole", dd.jacrev(f, argnums=every, chunk_size=2), columns)
        dense = lambda *xs: dd.linearize(f, *xs)[1].to_dense()  # noqa: E731
        vector = np.concatenate([np.ravel(x) for x in flatten(self.t)[0]])
        self.same("the matrix of linearize times t and jvp", lambda *xs: dense(*xs) @ vector,
                  lambda *xs: np.concatenate([np.ravel(x) for x in flatten(push(*xs))[0]]))  # fmt: skip
        if importlib.util.find_spec("scipy") and inputs and outputs:
            self.pattern(dense(*self.program.point()))

    def pattern(self, matrix: np.ndarray) -> None:
        """Every number of the Jacobian that is not 0 has its place in the sparsity pattern."""
        self.checks += 1
        try:
            found = dd.sparse.pattern(self.program, *self.program.point(), argnums=self.argnums)
        except ControlFlowError:  # the places depend on the values of the point
            return
        missing = (matrix != 0) & ~found.toarray()
        if missing.any():
            at = tuple(int(i) for i in np.argwhere(missing)[0])
            raise self.wrong(f"the sparsity pattern lacks {at}, where the Jacobian is not 0.")

    def rows(self) -> tuple:
        """A batch of three points, and the points."""
        points = [map_tree(lambda x, s=s: np.asarray(x * s, np.asarray(x).dtype), self.program.point())
                  for s in (1.0, 1 + 1 / 512, 1 - 1 / 512)]  # fmt: skip
        return map_tree(lambda *xs: np.stack(xs), *points), points

    def batches(self, f: Callable, name: str) -> None:
        """vmap against a loop; where a value steers the program it is refused, and falls back to the loop."""
        batch, points = self.rows()
        stacked = lambda *_: map_tree(lambda *ys: np.stack(ys), *[f(*point) for point in points])  # noqa: E731
        try:
            looped = stacked()
        except (ValueError, DualdiffError):  # the points have masks of different sizes
            return
        del looped
        found = self.outcome(dd.vmap(f), batch)
        fallback = "loop" if isinstance(found, ControlFlowError) else "error"
        self.same(f"vmap of {name} and a loop", lambda *_: dd.vmap(f, fallback=fallback)(*batch), stacked)

    def second(self, pull: Callable) -> None:
        """Everything again, nested."""
        f, t, g, every = self.program, self.t, self.g, self.argnums
        scalar = lambda *xs: real_part(g, f(*xs))  # noqa: E731
        gradients = [dd.grad(scalar, argnums=every, mode=mode) for mode in ("reverse", "forward")]
        for mode, gradient in zip(("reverse", "forward"), gradients, strict=True):
            self.same(f"grad in {mode} mode and vjp", gradient, pull)
        products = [lambda *xs, m=m: dd.hvp(scalar, xs, t, mode=m)[1] for m in PAIRS]
        for mode, product in zip(PAIRS[1:], products[1:], strict=True):
            self.same(f"hvp {mode} and {PAIRS[0]}", product, products[0], self.looser())
        self.same(
            "jvp of grad and hvp", lambda *xs: dd.jvp(gradients[0], xs, t)[1], products[0], self.looser()
        )
        self.differences(products[0], "hvp", 2, t)
        self.batches(gradients[0], "grad of f")
        if not {"branch", "mask"} & f.features:
            self.through_batches(scalar, gradients[0])
        self.closures(scalar, gradients[0], products[0])

    def looser(self) -> Tolerance:
        """For second derivatives: an order more."""
        return Tolerance(*(10 * x for x in self.tolerance))

    def through_batches(self, scalar: Callable, gradient: Callable) -> None:
        batch, points = self.rows()
        if isinstance(self.outcome(dd.vmap(scalar), batch), ControlFlowError):
            return
        total = dd.grad(lambda *xs: np.sum(dd.vmap(scalar)(*xs)), argnums=self.argnums)
        self.same("grad of a sum over vmap and the loop of gradients", lambda *_: total(*batch),
                  lambda *_: map_tree(lambda *ys: np.stack(ys), *[gradient(*p) for p in points]))  # fmt: skip

    def closures(self, scalar: Callable, gradient: Callable, product: Callable) -> None:
        """d/da d/db s(x + (a b - 1) t) at a = b = 1 is t . grad s + t . H t, in four pairs of modes."""
        t = self.t

        def along(point: tuple, a: Any, b: Any) -> Any:
            return scalar(*map_tree(lambda x, x_dot: (x + (a * b - 1.0) * x_dot).astype(x.dtype), point, t))

        expected = lambda *xs: np.float64(inner(gradient(*xs), t) + inner(product(*xs), t))  # noqa: E731
        sizes = sum(np.sum(np.abs(x)) for x in flatten((gradient(*self.args), product(*self.args)))[0])
        tolerance = Tolerance(self.looser().rtol, self.looser().atol * (1 + 2 * float(sizes)))
        for outer in ("forward", "reverse"):
            for within in ("forward", "reverse"):
                nested = lambda *xs, o=outer, w=within: dd.grad(  # noqa: E731
                    lambda a: dd.grad(lambda b: along(xs, a, b), mode=w)(1.0), mode=o
                )(1.0)
                self.same(
                    f"grad of grad through closures, {outer} over {within}", nested, expected, tolerance
                )


def scaled(tolerance: Tolerance, *pairs: Any) -> Tolerance:
    """For an inner product: its rounding is that of the sum of sizes."""
    g, y_dot, x_bars, t = (float(np.sqrt(inner(x, x))) for x in pairs)
    return Tolerance(tolerance.rtol, tolerance.atol * max(1.0, g * y_dot + x_bars * t))


def close(found: Any, expected: Any, tolerance: Tolerance) -> bool:
    pairs = zip(flatten(found)[0], flatten(expected)[0], strict=True)
    return all(furthest(a, b, tolerance) is None for a, b in pairs)


def furthest_of(found: Any, expected: Any) -> bool:
    """Whether any bit differs."""
    pairs: Iterator = zip(flatten(found)[0], flatten(expected)[0], strict=True)
    return any(not np.array_equal(a, b, equal_nan=True) for a, b in pairs)
