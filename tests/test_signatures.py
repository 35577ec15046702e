"""Public signatures say what they take and give: where anything will do, a name of `_types.py` says what it is.

To a type checker `PyTree` is `typing.Any`, and once evaluated nothing tells them apart: so annotations are read as they
are written.
"""

import ast
import inspect
import re
import textwrap

import pytest

import ch5jax
import ch5jax.exports
import ch5jax.report

PUBLIC = (
    ch5jax,
    ch5jax.diagnostics,
    ch5jax.exports,
    ch5jax.initializers,
    ch5jax.models,
    ch5jax.networks,
    ch5jax.optimizers,
    ch5jax.populations,
    ch5jax.problems,
    ch5jax.report,
    ch5jax.schedules,
    ch5jax.searches,
    ch5jax.sweeps,
    ch5jax.tasks,
    ch5jax.treatment,
    ch5jax.verdicts,
)

# Functions of the user's, and the arguments that are handed on to them: only they know their types.
HANDED_ON = {
    "Call.replace(changes)",
    "Chain.replace(changes)",
    "Tapped.__call__(args)",
    "Tapped.__call__(kwargs)",
    "Tapped.names(args)",
    "Tapped.names(kwargs)",
    "Tapped.trace(args)",
    "Tapped.trace(kwargs)",
    "Tapped.zeros(args)",
    "Tapped.zeros(kwargs)",
    "defined_by(init)",
    "defined_by(update)",
    "grid(values)",
    "lift(args)",
    "lift(kwargs)",
    "make(arguments)",
    "make(factory)",
    "sample(values)",
    "search(values)",
    "space(axes)",
}


def is_public(name):
    return not name.startswith("_") or name in ("__init__", "__call__")


def exported():
    """Every function and class that a public module has under a public name, with the classes of ours it is made of."""
    for module in PUBLIC:
        for name, value in vars(module).items():
            home = getattr(value, "__module__", None) or ""
            if not is_public(name) or not home.startswith("ch5jax") or home.startswith("ch5jax._"):
                continue
            if inspect.isclass(value):
                yield from (base for base in value.__mro__ if base.__module__.startswith("ch5jax"))
            elif callable(value):
                yield inspect.unwrap(value)


def annotations(definition, name):
    """The annotations of a function, or of a class's fields and public methods, as they are written."""
    if isinstance(definition, ast.ClassDef):
        for part in definition.body:
            if isinstance(part, ast.AnnAssign) and is_public(part.target.id):
                yield f"{name}.{part.target.id}", ast.unparse(part.annotation)
            elif isinstance(part, ast.FunctionDef) and is_public(part.name):
                yield from annotations(part, f"{name}.{part.name}")
        return
    given = definition.args
    for one in (*given.posonlyargs, *given.args, given.vararg, *given.kwonlyargs, given.kwarg):
        if one is not None and one.annotation is not None:
            yield f"{name}({one.arg})", ast.unparse(one.annotation)
    if definition.returns is not None:
        yield f"{name}(return)", ast.unparse(definition.returns)


def written(value):
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(value))).body
    return dict(annotations(definition, value.__name__))


def is_bare(annotation):
    return re.search(r"\bAny\b", annotation) is not None


SIGNATURES = {f"{value.__module__}.{value.__qualname__}": value for value in exported()}


@pytest.mark.parametrize("name", sorted(SIGNATURES))
def test_no_public_signature_says_any(name):
    bare = {where: text for where, text in written(SIGNATURES[name]).items() if is_bare(text)}
    unsaid = {where: text for where, text in bare.items() if where not in HANDED_ON}
    assert not unsaid, f"{name} says Any: name it (see ch5jax/_types.py), or say in HANDED_ON why not"


def test_what_is_let_through_is_there():
    found = {where for value in SIGNATURES.values() for where, text in written(value).items() if is_bare(text)}
    assert found == HANDED_ON
