"""Operations and spaces of a user's own, from a Python file. Imports no TensorFlow until it loads one.

The file defines one or both of these tables:

- `OPERATIONS`: name -> layer, called as the ones in `layers/operations.py` are: `layer(channels, stride=1, edges=1,
  affine=False, name=...)`, a `layers.operations.Operation`.
- `SPACES`: name -> candidates of every edge of the DARTS cells, `("skip_connect", "my_operation")`; or kind of cell ->
  the candidates of each of its 14 edges; or a `spaces.base.ImageSpace` with cells of its own.
"""

import importlib.machinery
import importlib.util
import pathlib
import sys
import traceback

from sdarts_tf.data import formats
from sdarts_tf.errors import InputError
from sdarts_tf.spaces.tables import EDGES, TABLES

FILE = "plugin.py"  # the copy that a run keeps
_KINDS = ("normal", "reduce")

# What plugins have defined in this process: spaces with cells of their own, and the names of everything.
SPACES: dict = {}
_operations: set[str] = set()


def read(path) -> str:
    """The text of a plugin; InputError if it is missing or no text."""
    try:
        return pathlib.Path(path).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"--plugin={path} cannot be read ({formats.reason(error)}); name a Python file that defines OPERATIONS or "
            "SPACES."
        ) from error


def kept(folder) -> pathlib.Path | None:
    """The plugin that a run keeps in its folder, if it has one."""
    path = pathlib.Path(folder) / FILE
    return path if path.is_file() else None


def load(path) -> None:
    """Runs a plugin and adds what it defines to the package's tables. What a plugin defined before may be replaced.

    Raises:
        InputError: the file is missing or raises, defines nothing, or something that cannot be used.
    """
    from sdarts_tf.layers import operations

    read(path)
    module = _run(pathlib.Path(path).expanduser())
    own_operations, own_spaces = getattr(module, "OPERATIONS", {}), getattr(module, "SPACES", {})
    if not isinstance(own_operations, dict) or not isinstance(own_spaces, dict) or not (own_operations or own_spaces):
        raise InputError(
            f"--plugin={path} defines neither operations nor spaces; give it a dict OPERATIONS, name -> layer, or "
            "SPACES, name -> candidates."
        )
    _refuse_taken(path, own_operations, operations.OPERATIONS.keys() - _operations, "operation")
    _refuse_taken(path, own_spaces, _built_in_spaces(), "space")
    for name, layer in own_operations.items():
        if not callable(layer):
            raise InputError(f"--plugin={path}: operation {name!r} is {layer!r}, but it must be a layer or a function.")
    known = {*operations.OPERATIONS, *own_operations}
    spaces = {name: _space(path, name, candidates, known) for name, candidates in own_spaces.items()}
    operations.OPERATIONS.update(own_operations)
    _operations.update(own_operations)
    for name, space in spaces.items():
        (TABLES if isinstance(space, dict) else SPACES)[name] = space


def try_operations() -> None:
    """Calls the operations that plugins have defined, with stride 1 and 2, for one and for two edges.

    Starts TensorFlow; draws random numbers.

    Raises:
        InputError: one of them fails, or returns a map of another shape.
    """
    if not _operations:
        return
    import tensorflow as tf

    from sdarts_tf.layers import operations
    from sdarts_tf.layers.views import Views

    x = tf.zeros([1, 8, 8, 4])
    for name in sorted(_operations):
        for stride, edges in ((1, 1), (1, 2), (2, 1), (2, 2)):
            given = f"operation {name!r} of the plugin, built with channels=4, stride={stride}, edges={edges},"
            try:
                layer = operations.build(name, 4, stride=stride, edges=edges, affine=edges == 1, name=name)
                # The halves that a supernet calls; Keras would wrap what they raise in sentences of its own.
                prepared = layer.prepare(x, Views(x), True, None)
                shape = tuple(layer.finish(prepared, None if layer.shared else tf.ones([4 * edges]), True).shape)
            except Exception as error:  # whatever a user's code raises
                raise InputError(f"The {given} fails ({formats.reason(error)}); correct it.") from error
            expected = (1, 8 // stride, 8 // stride, 4 * (1 if layer.shared else edges))
            if shape != expected:
                raise InputError(f"The {given} returns {list(shape)} for [1, 8, 8, 4]; it must be {list(expected)}.")


def _run(path):
    name = f"sdarts_tf_plugin_{path.stem}"
    loader = importlib.machinery.SourceFileLoader(name, str(path))  # whatever the ending of the file
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    sys.modules[name] = module
    try:
        module.__spec__.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # whatever a user's code raises
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        line = getattr(error, "lineno", None) or (lines[-1] if lines else None)
        place = f" in line {line}" if line else ""
        raise InputError(f"--plugin={path} raises {formats.reason(error)}{place}; correct it.") from error
    return module


def _built_in_spaces():
    from sdarts_tf import spaces

    return set(spaces.NAMES)


def _refuse_taken(path, names, taken, kind):
    article = "an" if kind == "operation" else "a"
    for name in names:
        if not isinstance(name, str) or not name.isidentifier():
            raise InputError(f"--plugin={path}: {name!r} cannot name {article} {kind}; use letters, digits and _.")
        if name in taken:
            raise InputError(f"--plugin={path}: the {kind} {name!r} exists already; give yours another name.")


def _are_names(candidates):
    return isinstance(candidates, list | tuple) and all(isinstance(name, str) for name in candidates)


def _space(path, name, candidates, known):
    """A table of candidates, or a space as it is."""
    if hasattr(candidates, "build_supernet") and not isinstance(candidates, type):
        return candidates
    if _are_names(candidates):
        candidates = dict.fromkeys(_KINDS, (candidates,) * len(EDGES))
    if not isinstance(candidates, dict) or not all(
        isinstance(rows, list | tuple) and all(map(_are_names, rows)) for rows in candidates.values()
    ):
        raise InputError(
            f"--plugin={path}: the space {name!r} is {candidates!r:.60}, but must be names of operations in a tuple, "
            "a dict with rows of such tuples, or an ImageSpace."
        )
    table = {kind: tuple(map(tuple, rows)) for kind, rows in candidates.items()}
    if set(table) != set(_KINDS) or any(len(rows) != len(EDGES) for rows in table.values()):
        sizes = ", ".join(f"{kind} {len(rows)}" for kind, rows in table.items())
        raise InputError(
            f"--plugin={path}: the space {name!r} has rows of candidates for {sizes}, but needs {len(EDGES)} for each "
            f"of {' and '.join(_KINDS)}."
        )
    for rows in table.values():
        unknown = sorted({operation for row in rows for operation in row} - known)
        if unknown:
            raise InputError(
                f"--plugin={path}: the space {name!r} has the unknown operation {unknown[0]!r}; choose from "
                f"{', '.join(sorted(known))}."
            )
        if len({len(row) for row in rows}) > 1 or not set(rows[0]) - {"none"} or any(set(r) <= {"none"} for r in rows):
            raise InputError(
                f"--plugin={path}: the edges of the space {name!r} must have the same number of candidates, and each "
                "one that is not none."
            )
    return table
