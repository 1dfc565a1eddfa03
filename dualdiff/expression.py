"""Formulas typed by a user: parsed against a whitelist into a tree of closures, never evaluated as Python.

Numbers become float64, so that arithmetic overflows to inf as NumPy's does, and nothing can be slow: the
length, the depth and constant exponents are bounded.
"""

from __future__ import annotations

import ast
import math
import operator
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

LONGEST = 2000  # characters
DEEPEST = 150  # nested operations: two Python frames each, well inside the recursion limit
LARGEST_EXPONENT = 1000  # of the constant exponents

CONSTANTS = {"pi": math.pi, "e": math.e}
FUNCTIONS: dict[str, np.ufunc] = {
    "sin": np.sin, "cos": np.cos, "tan": np.tan,
    "arcsin": np.arcsin, "arccos": np.arccos, "arctan": np.arctan, "arctan2": np.arctan2,
    "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh,
    "arcsinh": np.arcsinh, "arccosh": np.arccosh, "arctanh": np.arctanh,
    "exp": np.exp, "exp2": np.exp2, "expm1": np.expm1,
    "log": np.log, "log2": np.log2, "log10": np.log10, "log1p": np.log1p,
    "sqrt": np.sqrt, "cbrt": np.cbrt, "hypot": np.hypot,
    "abs": np.absolute, "maximum": np.maximum, "minimum": np.minimum,
}  # fmt: skip
UNARY: dict[type, Callable] = {ast.USub: operator.neg, ast.UAdd: operator.pos}
BINARY: dict[type, Callable] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.Mod: operator.mod,
}


class ExpressionError(ValueError):
    """The text is not a formula of the small language; the message is one line."""


class Expression:
    """A formula as a function of its variables, in the order given; call it on numbers or tensors."""

    __name__ = "f"  # what reports call it

    def __init__(self, text: str, variables: list[str]):
        self.text = text.strip()
        self.variables = variables
        self._root = _parse(self.text)
        self._function = _compile(self._root, variables)

    def __call__(self, *xs: Any) -> Any:
        return self._function(xs)

    def first_failure(self, *xs: float) -> tuple[str, float] | None:
        """The innermost part that is not finite although its operands are, and its value."""
        with np.errstate(all="ignore"):
            return _first_failure(self._root, self.variables, tuple(np.float64(x) for x in xs))


def names_in(text: str) -> list[str]:
    """The variables of a formula, in the order of their first appearance."""
    tree = _parse(text.strip())
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in called]
    found.sort(key=lambda node: node.col_offset)
    return list(dict.fromkeys(node.id for node in found if node.id not in CONSTANTS))


def _parse(text: str) -> ast.expr:
    if not text:
        raise ExpressionError("the expression is empty")
    if len(text) > LONGEST:
        raise ExpressionError(f"the expression has {len(text)} characters; at most {LONGEST} are read")
    if not text.isascii():
        raise ExpressionError("the expression holds a character that is not ASCII")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the parser's advice on doubtful literals
            root = ast.parse(text, mode="eval").body
        depth = _depth(root)
    except SyntaxError as error:
        raise ExpressionError(f"cannot read the expression at character {error.offset}") from None
    except (ValueError, MemoryError, RecursionError):
        raise ExpressionError("cannot read the expression: it holds a null byte or is too deep") from None
    if depth > DEEPEST:
        raise ExpressionError(f"the expression is {depth} operations deep; at most {DEEPEST} are read")
    return root


def _depth(root: ast.AST) -> int:
    """Levels of nesting, counted without recursion."""
    depth, level = 0, [root]
    while level:
        depth, level = depth + 1, [child for node in level for child in _operands(node)]
    return depth


def _operands(node: ast.AST) -> list[ast.AST]:
    if isinstance(node, ast.Call):
        return [*node.args]
    return [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]


# -------------------------------------------------- from the syntax tree to closures
def _compile(node: ast.AST, variables: list[str]) -> Callable[[tuple], Any]:
    """A function of the tuple of all values; everything that is not on the whitelist raises."""
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            value = _number(number)
            return lambda xs: value
        case ast.Name(id=name):
            return _name(name, variables)
        case ast.UnaryOp(op=sign) if type(sign) in UNARY:
            apply, x = UNARY[type(sign)], _compile(node.operand, variables)
            return lambda xs: apply(x(xs))
        case ast.BinOp(op=sign) if type(sign) in BINARY:
            if isinstance(sign, ast.Pow):
                _check_exponent(node.right)
            apply = BINARY[type(sign)]
            x, y = _compile(node.left, variables), _compile(node.right, variables)
            return lambda xs: apply(x(xs), y(xs))
        case ast.Call(func=ast.Name(id=name)):
            return _call(node, name, variables)
        case ast.BinOp(op=ast.BitXor()):
            raise ExpressionError(f"{_words(node)}: ^ is not supported; write ** for a power")
    raise ExpressionError(f"not supported: {_words(node)}")


def _number(number: float) -> np.float64:
    try:
        value = np.float64(number)
    except OverflowError:
        value = np.float64(math.inf)
    if not np.isfinite(value):
        raise ExpressionError("a number in the expression is too large for float64")
    return value


def _name(name: str, variables: list[str]) -> Callable:
    if name in CONSTANTS:
        value = np.float64(CONSTANTS[name])
        return lambda xs: value
    if name in FUNCTIONS:
        raise ExpressionError(f"{name} is a function: write {name}(...)")
    if name not in variables:
        raise ExpressionError(f"no value for {name}: add {name}=NUMBER")
    position = variables.index(name)
    return lambda xs: xs[position]


def _call(node: ast.Call, name: str, variables: list[str]) -> Callable:
    f = FUNCTIONS.get(name)
    if f is None:
        raise ExpressionError(f"unknown function {name}")
    if node.keywords or len(node.args) != f.nin:
        plural = "argument" if f.nin == 1 else "arguments"
        raise ExpressionError(f"{name} takes {f.nin} {plural}: {_words(node)}")
    parts = [_compile(argument, variables) for argument in node.args]
    return lambda xs: f(*[part(xs) for part in parts])


def _check_exponent(node: ast.AST) -> None:
    """Constant exponents are bounded; they are float arithmetic, so finding out takes no time."""
    if any(isinstance(part, ast.Name) and part.id not in (*CONSTANTS, *FUNCTIONS) for part in ast.walk(node)):
        return
    with np.errstate(all="ignore"):
        exponent = _compile(node, [])(())
    if not abs(exponent) <= LARGEST_EXPONENT:
        raise ExpressionError(f"the exponent {_words(node)} is larger than {LARGEST_EXPONENT}")


def _first_failure(node: ast.AST, variables: list[str], xs: tuple) -> tuple[str, float] | None:
    for part in _operands(node):
        found = _first_failure(part, variables, xs)
        if found:
            return found
    value = float(_compile(node, variables)(xs))
    return None if math.isfinite(value) else (_words(node), value)


def _words(node: ast.AST) -> str:
    """The formula of a node, on one line and not too long for a message."""
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 60 else text[:57] + "..."
