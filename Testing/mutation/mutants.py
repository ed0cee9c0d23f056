"""Small changes to a module's source, each of which a good test should notice."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass

_SWAPPED: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult, ast.Pow: ast.Mult,
    ast.MatMult: ast.Add, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.And: ast.Or, ast.Or: ast.And,
    ast.USub: ast.UAdd, ast.Invert: ast.UAdd,
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """A changed module.

    Parameters
    ----------
    lines : of the changed statement in the sound source, as far as the change; empty for what runs at import.
    line : of the change.
    change : what was changed, for a reader.
    source : of the whole changed module.
    """

    lines: range
    line: int
    change: str
    source: str


def mutants(source: str) -> Iterator[Mutant]:
    """Every mutant of a module: one operator, number, truth value, condition, assignment or result changed.

    Texts of messages, annotations, docstrings and imports are left alone.
    """
    tree = ast.parse(source)
    for path, node, start in _places(tree, (), 0):
        for changed in _changes(node):
            whole = copy.deepcopy(tree)
            _put(whole, path, changed)
            end = node.lineno if isinstance(node, ast.stmt) else node.end_lineno
            said = f"{_shown(node)} -> {_shown(changed)}"
            lines = range(start, end + 1) if start else range(0)
            yield Mutant(lines, node.lineno, said, ast.unparse(ast.fix_missing_locations(whole)))


def _places(node: ast.AST, path: tuple, start: int) -> Iterator[tuple[tuple, ast.AST, int]]:
    """Path, node, and line where its statement begins; 0 where that runs at import."""
    in_function = start > 0 or isinstance(node, ast.FunctionDef)
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list", "type_comment"):
            continue
        if isinstance(node, ast.FunctionDef):
            in_function = field == "body"
        for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(child, ast.AST) and not isinstance(child, (ast.JoinedStr, ast.Import, ast.ImportFrom)):
                here = (*path, (field, index))
                begins = child.lineno if isinstance(child, ast.stmt) else start
                begins = begins if in_function else 0
                if hasattr(child, "lineno"):
                    yield here, child, begins
                yield from _places(child, here, begins)


def _changes(node: ast.AST) -> Iterator[ast.AST]:
    """The node with one thing about it changed."""
    if isinstance(node, ast.Constant):
        if isinstance(node.value, bool):
            yield ast.Constant(not node.value)
        elif isinstance(node.value, (int, float)):
            yield ast.Constant(node.value + 1)
    elif isinstance(node, ast.Compare):
        for number, operator in enumerate(node.ops):
            ops = [*node.ops[:number], _SWAPPED[type(operator)](), *node.ops[number + 1 :]]
            yield ast.Compare(node.left, ops, node.comparators)
    elif isinstance(node, (ast.BinOp, ast.AugAssign, ast.BoolOp)) and type(node.op) in _SWAPPED:
        yield _with(node, op=_SWAPPED[type(node.op)]())
    elif isinstance(node, ast.UnaryOp):
        yield node.operand
    elif isinstance(node, (ast.If, ast.IfExp, ast.While)):
        yield _with(node, test=ast.UnaryOp(ast.Not(), node.test))
    elif isinstance(node, ast.Return) and node.value is not None and not _is_none(node.value):
        yield ast.Return(ast.Constant(None))
    elif isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None and not _is_none(node.value):
        yield _with(node, value=ast.Constant(None))
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield ast.Pass()
    elif isinstance(node, ast.Continue):
        yield ast.Break()
    elif isinstance(node, ast.Break):
        yield ast.Continue()


def _with(node: ast.AST, **changed: object) -> ast.AST:
    made = copy.copy(node)
    for name, value in changed.items():
        setattr(made, name, value)
    return made


def _put(tree: ast.AST, path: tuple, node: ast.AST) -> None:
    for field, index in path[:-1]:
        value = getattr(tree, field)
        tree = value if index is None else value[index]
    field, index = path[-1]
    if index is None:
        setattr(tree, field, node)
    else:
        getattr(tree, field)[index] = node


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _shown(node: ast.AST) -> str:
    return ast.unparse(ast.fix_missing_locations(copy.deepcopy(node))).split("\n")[0][:70]
