"""Reads a structural equation model written in lavaan's language and completes it as lavaan's ``sem()`` does.

Understood: ``=~`` ``~`` ``~~`` ``~ 1`` ``:=``, labels (a shared label is an equality constraint), fixed values,
``NA*``, ``start()``, comments, several formulas on a line with ``;``. Refused with a sentence: groups, inequality and
nonlinear constraints, ordered variables, formative latent variables and interactions.

What ``sem()`` adds by itself is added here too: residual variances, the first loading fixed to 1, covariances between
exogenous latent variables and between outcomes that predict nothing else; observed exogenous variables are fixed to
their sample moments. Reference: Rosseel 2012, J Stat Softw 48(2). Why no library reads the language: docs/cohort.md.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from RegionalBrainAgeLib.errors import InputError

NAME = r"[A-Za-z_.][\w.]*"
_OPERATOR = re.compile(r"=~|~~|:=|<~|==|~\*~|~|\||<|>|%")
_REFUSED = {
    "==": "constraints written with == are not supported: give parameters the same label instead",
    "<": "inequality constraints are not supported",
    ">": "inequality constraints are not supported",
    "|": "thresholds of ordered variables are not supported: all variables are treated as continuous",
    "<~": "formative latent variables (<~) are not supported",
    "~*~": "scaling factors (~*~) are not supported",
    "%": "groups and blocks are not supported",
}
_FUNCTIONS = {"exp": np.exp, "log": np.log, "sqrt": np.sqrt, "abs": np.abs}
_OPERATIONS: dict[type, np.ufunc] = {
    ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply, ast.Div: np.divide, ast.Pow: np.power
}  # fmt: skip


@dataclass(frozen=True)
class Parameter:
    """One row of the model: ``lhs op rhs``. `free` is its index among the free parameters, -1 when fixed.

    A fixed `value` of NaN means: taken from the sample (observed exogenous variables). `user` rows were written by
    the user, the others were completed. `freed` rows were written with NA*: nothing is fixed by itself in them.
    """

    lhs: str
    op: str
    rhs: str
    label: str = ""
    value: float = float("nan")
    start: float = float("nan")
    free: int = 0
    user: bool = True
    exogenous: bool = False
    freed: bool = False


@dataclass(frozen=True)
class Definition:
    """A quantity defined with ``:=``, for example an indirect effect ``through_motor := a*c``."""

    name: str
    text: str
    tree: ast.Expression

    def evaluate(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """Value of the expression, element by element, for labelled parameter values."""
        return _evaluate(self.tree, values)


@dataclass(frozen=True)
class Specification:
    """A complete model. `observed` is ordered as in the moments; `exogenous` are those fixed to the sample."""

    parameters: tuple[Parameter, ...]
    definitions: tuple[Definition, ...]
    observed: tuple[str, ...]
    latent: tuple[str, ...]
    exogenous: tuple[str, ...]
    means: bool

    @property
    def n_free(self) -> int:
        """Number of free parameters; those with one label count once."""
        return 1 + max((p.free for p in self.parameters), default=-1)

    @property
    def degrees_of_freedom(self) -> int:
        """Sample moments that are not fixed to the sample, minus free parameters."""
        p, x = len(self.observed), len(self.exogenous)
        means = p - x if self.means else 0
        return p * (p + 1) // 2 - x * (x + 1) // 2 + means - self.n_free


def parse_model(text: str, means: bool = False) -> Specification:
    """Specification of the model `text`; `means` adds intercepts (always the case when data are missing).

    Raises `InputError` with the formula at fault.
    """
    rows: dict[tuple[str, str, str], Parameter] = {}
    definitions: list[Definition] = []
    for formula in _formulas(text):
        operator = _OPERATOR.search(formula)
        if operator is None:
            raise InputError(f"The model line '{formula}' has no operator (~, ~~, =~ or :=).", "Correct the model.")
        op = operator.group()
        left, right = formula[: operator.start()].strip(), formula[operator.end() :].strip()
        if op in _REFUSED:
            raise InputError(f"The model line '{formula}' cannot be used: {_REFUSED[op]}.", "Rewrite this line.")
        if op == ":=":
            definitions.append(_definition(left, right, formula))
            continue
        for lhs, term in itertools.product(_split(left), _split(right)):
            parameter = _parameter(lhs.strip(), op, term.strip(), formula)
            key = (parameter.lhs, parameter.op, parameter.rhs)
            mirrored = (parameter.rhs, parameter.op, parameter.lhs)
            if op == "~~" and mirrored in rows:
                key = mirrored
            rows[key] = _merge(rows[key], parameter) if key in rows else parameter
    if not rows:
        raise InputError(
            "The structural equation model is empty.", "Type at least one formula such as motor ~ load_cst."
        )
    return _complete(tuple(rows.values()), tuple(definitions), means)


def saturated(observed: tuple[str, ...], exogenous: tuple[str, ...], means: bool, independent: bool) -> Specification:
    """The saturated model of the observed variables, or the independence (baseline) model.

    Moments of `exogenous` variables are fixed to the sample in both, as lavaan does.
    """
    rows = []
    for i, lhs in enumerate(observed):
        for rhs in observed[i:]:
            fixed = lhs in exogenous and rhs in exogenous
            if independent and lhs != rhs and not fixed:
                continue
            rows.append(Parameter(lhs, "~~", rhs, exogenous=fixed, free=-1 if fixed else 0))
    if means:
        rows += [Parameter(name, "~1", "", exogenous=name in exogenous, free=-(name in exogenous)) for name in observed]
    return Specification(_number(rows), (), observed, (), exogenous, means)


# ---- formulas ------------------------------------------------------------------------------------------------------
def _formulas(text: str) -> list[str]:
    """Formulas of a model text: comments removed, continued lines joined."""
    lines: list[str] = []
    for raw in re.split(r"[\n;]", re.sub(r"[#!][^\n]*", "", text)):
        line = raw.strip()
        if not line:
            continue
        continues = lines and (_OPERATOR.search(line) is None or line[0] in "+*" or lines[-1][-1] in "~+*=(,")
        if continues:
            lines[-1] += " " + line
        else:
            lines.append(line)
    return lines


def _split(side: str) -> list[str]:
    """Terms of one side, separated by + outside parentheses."""
    terms, depth, current = [], 0, ""
    for character in side:
        depth += (character == "(") - (character == ")")
        if character == "+" and depth == 0:
            terms.append(current)
            current = ""
        else:
            current += character
    return [*terms, current]


def _parameter(lhs: str, op: str, term: str, formula: str) -> Parameter:
    *modifiers, rhs = [part.strip() for part in re.split(r"\*(?![^(]*\))", term)]
    intercept = op == "~" and rhs in ("0", "1")
    for name in (lhs, rhs):
        if not (re.fullmatch(NAME, name) or (intercept and name == rhs)):
            if not name:
                raise InputError(f"A variable is missing in the model line '{formula}'.", "Correct this line.")
            reason = "interactions (:) are not supported" if ":" in name else "it is not a variable name"
            raise InputError(f"'{name}' in the model line '{formula}' cannot be used: {reason}.", "Correct this line.")
    parameter = Parameter(lhs, "~1" if intercept else op, "" if intercept else rhs)
    if intercept and rhs == "0":
        parameter = replace(parameter, value=0.0, free=-1)
    for modifier in modifiers:
        parameter = _modified(parameter, modifier, formula)
    return parameter


def _modified(parameter: Parameter, modifier: str, formula: str) -> Parameter:
    """`parameter` with one modifier applied: a number fixes it, NA frees it, a name labels it."""
    call = re.fullmatch(r"(\w+)\((.*)\)", modifier)
    if modifier == "NA":
        return replace(parameter, value=float("nan"), free=0, freed=True)
    if call and call.group(1) == "start":
        return replace(parameter, start=_number_of(call.group(2), formula))
    if call and call.group(1) == "label":
        return replace(parameter, label=call.group(2).strip("\"' "))
    if call:
        raise InputError(
            f"'{modifier}' in the model line '{formula}' is not supported (one group, no bounds or priors).",
            "Use a number, a label, NA, start() or label().",
        )
    if re.fullmatch(NAME, modifier.strip("\"' ")):
        return replace(parameter, label=modifier.strip("\"' "))
    return replace(parameter, value=_number_of(modifier, formula), free=-1)


def _number_of(text: str, formula: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError(f"'{text}' in the model line '{formula}' is not a number or label.", "Correct it.") from None


def _merge(first: Parameter, second: Parameter) -> Parameter:
    """The same element written twice, as in ``a*x + start(0.5)*x``: the modifiers add up."""
    return replace(
        first,
        label=second.label or first.label,
        value=second.value if second.free == -1 else first.value,
        free=min(first.free, second.free),
        start=second.start if not np.isnan(second.start) else first.start,
        freed=first.freed or second.freed,
    )


# ---- definitions ---------------------------------------------------------------------------------------------------
def _definition(name: str, expression: str, formula: str) -> Definition:
    if not re.fullmatch(NAME, name):
        raise InputError(f"'{name}' in the model line '{formula}' is not a name.", "Write name := expression.")
    try:
        tree = ast.parse(expression.replace("^", "**"), mode="eval")
        _check_expression(tree.body)
    except (SyntaxError, ValueError):
        raise InputError(
            f"The expression in the model line '{formula}' cannot be read.",
            "Use labels, numbers, + - * / ^, parentheses, exp, log, sqrt and abs.",
        ) from None
    return Definition(name, "".join(expression.split()), tree)


def _check_expression(node: ast.AST) -> None:
    allowed = (ast.BinOp, ast.UnaryOp, ast.Name, ast.Constant, ast.Call)
    operators = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow, ast.UAdd, ast.USub, ast.Load)
    if isinstance(node, operators):
        return
    if not isinstance(node, allowed):
        raise ValueError
    if isinstance(node, ast.Constant) and not isinstance(node.value, int | float):
        raise ValueError
    if isinstance(node, ast.Call):
        if (
            not isinstance(node.func, ast.Name)
            or node.func.id not in _FUNCTIONS
            or len(node.args) != 1
            or node.keywords
        ):
            raise ValueError
        _check_expression(node.args[0])
        return
    for child in ast.iter_child_nodes(node):
        _check_expression(child)


def _evaluate(node: ast.AST, values: Mapping[str, np.ndarray]) -> np.ndarray:
    if isinstance(node, ast.Expression):
        return _evaluate(node.body, values)
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return np.asarray(float(node.value))
    if isinstance(node, ast.Name):
        return values[node.id]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return _FUNCTIONS[node.func.id](_evaluate(node.args[0], values))
    if isinstance(node, ast.UnaryOp):
        operand = _evaluate(node.operand, values)
        return -operand if isinstance(node.op, ast.USub) else operand
    if isinstance(node, ast.BinOp):
        return _OPERATIONS[type(node.op)](_evaluate(node.left, values), _evaluate(node.right, values))
    raise TypeError(f"{type(node).__name__} passed _check_expression")


# ---- completion, as sem() --------------------------------------------------------------------------------------------
def _complete(user: tuple[Parameter, ...], definitions: tuple[Definition, ...], means: bool) -> Specification:
    means = means or any(p.op == "~1" for p in user)
    latent = list(dict.fromkeys(p.lhs for p in user if p.op == "=~"))
    indicators = list(dict.fromkeys(p.rhs for p in user if p.op == "=~"))
    outcomes = list(dict.fromkeys(p.lhs for p in user if p.op == "~"))
    predictors = list(dict.fromkeys(p.rhs for p in user if p.op == "~"))
    observed_indicators = [name for name in indicators if name not in latent]
    observed_outcomes = [name for name in outcomes if name not in latent and name not in observed_indicators]
    exogenous = [
        n for n in predictors if n not in latent and n not in observed_indicators and n not in observed_outcomes
    ]
    mentioned = [n for p in user if p.op in ("~~", "~1") for n in (p.lhs, p.rhs) if n and n not in latent]
    observed = list(dict.fromkeys([*observed_indicators, *observed_outcomes, *exogenous, *mentioned]))
    exogenous = [name for name in exogenous if name not in mentioned]

    written = {frozenset((p.lhs, p.rhs)) for p in user if p.op == "~~"}
    rows = [_first_loading_fixed(p, user) for p in user]

    def add(lhs: str, rhs: str, **settings: Any) -> None:
        if frozenset((lhs, rhs)) not in written:
            written.add(frozenset((lhs, rhs)))
            rows.append(Parameter(lhs, "~~", rhs, user=False, **settings))

    for name in [*(n for n in observed if n not in exogenous), *latent]:
        single = [p.lhs for p in user if p.op == "=~" and p.rhs == name]
        alone = len(single) == 1 and sum(p.op == "=~" and p.lhs == single[0] for p in user) == 1
        if alone and name not in latent:
            add(name, name, value=0.0, free=-1)
        else:
            add(name, name)
    exogenous_latent = [n for n in latent if n not in indicators and n not in outcomes]
    last_latent = [n for n in latent if n in outcomes and n not in indicators and n not in predictors]
    last_observed = [n for n in observed if n in outcomes and n not in indicators and n not in predictors]
    for lhs, rhs in itertools.combinations(exogenous_latent, 2):
        add(lhs, rhs)
    for lhs, rhs in itertools.combinations([*last_latent, *last_observed], 2):
        add(lhs, rhs)
    for i, lhs in enumerate(exogenous):
        for rhs in exogenous[i:]:
            add(lhs, rhs, exogenous=True, free=-1)
    if means:
        own = {p.lhs for p in user if p.op == "~1"}
        rows += [
            Parameter(name, "~1", "", user=False, exogenous=name in exogenous, free=-1 if name in exogenous else 0)
            for name in observed
            if name not in own
        ]
        rows += [Parameter(name, "~1", "", value=0.0, free=-1, user=False) for name in latent if name not in own]
    known = {p.label for p in rows if p.label}
    for definition in definitions:
        for node in ast.walk(definition.tree):
            if isinstance(node, ast.Name) and node.id not in known and node.id not in _FUNCTIONS:
                raise InputError(
                    f"The definition {definition.name} := {definition.text} uses '{node.id}', which is no label.",
                    f"Write the label before a variable, as in motor ~ {node.id}*load_cst.",
                )
        known.add(definition.name)
    return Specification(_number(rows), definitions, tuple(observed), tuple(latent), tuple(exogenous), means)


def _first_loading_fixed(parameter: Parameter, user: tuple[Parameter, ...]) -> Parameter:
    """The first loading of a latent variable is 1 unless the user wrote NA* or a value."""
    if parameter.op != "=~" or parameter.free == -1:
        return parameter
    first = next(p for p in user if p.op == "=~" and p.lhs == parameter.lhs)
    if first is not parameter or parameter.freed:
        return parameter
    return replace(parameter, value=1.0, free=-1)


def _number(rows: list[Parameter]) -> tuple[Parameter, ...]:
    """Rows with their index among the free parameters; equal labels share one index."""
    by_label: dict[str, int] = {}
    numbered = []
    count = 0
    for row in rows:
        if row.free < 0:
            numbered.append(row)
            continue
        if row.label and row.label in by_label:
            index = by_label[row.label]
        else:
            index, count = count, count + 1
            if row.label:
                by_label[row.label] = index
        numbered.append(replace(row, free=index))
    return tuple(numbered)
