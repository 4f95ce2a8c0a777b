"""A small language of conditions over names: arithmetic, comparisons, ``and``, ``or``, ``not``, ``in``.

Python's parser reads it, and a walk over the tree admits a handful of node kinds: no call, no subscript, no power, so a
file from a stranger can ask for nothing but arithmetic. The same expression is evaluated on numbers or on whole columns
``[points]`` at once.
"""

from __future__ import annotations

import ast
import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

__all__ = ["Expression", "parse_expression"]

_MAX_TEXT = 400
_MAX_DEPTH = 30

_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_HELP = "a condition is made of names, numbers, strings, + - * / // %, comparisons, in, and, or, not"


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed condition: its text, and the names in it such as ``arch.dense.rows`` or ``area_mm2``."""

    text: str
    names: frozenset[str]
    tree: ast.expr

    def __call__(self, values: Mapping[str, Any]) -> Any:
        """The value with ``values`` for the names: a scalar, or an array where one of them is.

        Raises:
            InputError: the operands do not go together, such as a string and a number.

        """
        try:
            with np.errstate(divide="ignore", invalid="ignore"):
                return _evaluate(self.tree, values)
        except (TypeError, ZeroDivisionError, OverflowError, np.exceptions.DTypePromotionError) as error:
            raise InputError(f"{self.text!r}: {error}") from error

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Whether the condition is met; a comparison with a figure that is not known (NaN) is not."""
        return bool(self(values))

    def mask(self, values: Mapping[str, Any], count: int) -> NDArray[np.bool_]:
        """``[count]``: :meth:`holds` for every point of columns."""
        return np.broadcast_to(np.asarray(self(values), bool), (count,))


def parse_expression(text: str) -> Expression:
    """The condition ``text``.

    Raises:
        InputError: it is no condition; one line that quotes it.

    """
    if len(text) > _MAX_TEXT:
        raise InputError(f"{text[:40]!r}...: a condition of {len(text)} characters; at most {_MAX_TEXT}")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise InputError(f"{text!r}: not a condition ({_reason(error)}); {_HELP}") from error
    names: set[str] = set()
    _check(tree, text, names, depth=0)
    return Expression(text.strip(), frozenset(names), tree)


def _reason(error: Exception) -> str:
    return error.msg if isinstance(error, SyntaxError) else "nested too deeply"


def _check(node: ast.expr, text: str, names: set[str], depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise InputError(f"{text!r}: nested too deeply")
    for child in _children(node, text, names):
        _check(child, text, names, depth + 1)


def _children(node: ast.expr, text: str, names: set[str]) -> list[ast.expr]:
    """What ``node`` is made of; refuses what is not of the language."""
    match node:
        case ast.Name() | ast.Attribute():
            names.add(_dotted(node, text))
            return []
        case ast.Constant(value=bool() | int() | float() | str()):
            return []
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            return [operand]
        case ast.BinOp(op=op, left=left, right=right) if type(op) in _ARITHMETIC:
            return [left, right]
        case ast.BoolOp(values=values):
            return values
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            if all(type(op) in _COMPARISONS for op in ops):
                return [left, *comparators]
            if len(ops) == 1 and isinstance(ops[0], ast.In) and isinstance(comparators[0], (ast.List, ast.Tuple)):
                return [left, *comparators[0].elts]
    raise InputError(f"{text!r}: {ast.unparse(node)!r} cannot stand here; {_HELP}")


def _dotted(node: ast.expr, text: str) -> str:
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attribute):
            return f"{_dotted(value, text)}.{attribute}"
    raise InputError(f"{text!r}: {ast.unparse(node)!r} cannot stand here; {_HELP}")


def _evaluate(node: ast.expr, values: Mapping[str, Any]) -> Any:
    match node:
        case ast.Name() | ast.Attribute():
            return values[_dotted(node, "")]
        case ast.Constant(value=value):
            return value
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return np.logical_not(_evaluate(operand, values))
        case ast.UnaryOp(operand=operand):
            return -_evaluate(operand, values)
        case ast.BinOp(op=op, left=left, right=right):
            return _ARITHMETIC[type(op)](_evaluate(left, values), _evaluate(right, values))
        case ast.BoolOp(op=op, values=parts):
            join = np.logical_and if isinstance(op, ast.And) else np.logical_or
            result = _evaluate(parts[0], values)
            for part in parts[1:]:
                result = join(result, _evaluate(part, values))
            return result
        case ast.Compare():
            return _compare(node, values)
    raise TypeError(f"{ast.unparse(node)!r} is no value")


def _compare(node: ast.Compare, values: Mapping[str, Any]) -> Any:
    left = _evaluate(node.left, values)
    result: Any = True
    for op, right_node in zip(node.ops, node.comparators, strict=True):
        if isinstance(op, ast.In) and isinstance(right_node, (ast.List, ast.Tuple)):
            equal = [left == _evaluate(item, values) for item in right_node.elts]
            return np.logical_or.reduce(equal) if equal else False
        right = _evaluate(right_node, values)
        result = np.logical_and(result, _COMPARISONS[type(op)](left, right))
        left = right
    return result
