"""Which settings a search can be started with. Imports no TensorFlow, except for a space that a plugin has made."""

from sdarts_tf import spaces
from sdarts_tf.config import SearchConfig
from sdarts_tf.errors import InputError
from sdarts_tf.methods import ingredients, progressive, stopping, target
from sdarts_tf.spaces import plugins
from sdarts_tf.training import handover


def check(config: SearchConfig) -> None:
    """Raises InputError for a method, space or data set that does not exist, or settings that do not go together.

    Args:
        config: completed, its plugin loaded.
    """
    try:
        ingredients.split(config.method)
    except ValueError as error:
        raise InputError(str(error)) from error
    if config.precision != "float32" and "second_order" in ingredients.split(config.method):
        raise InputError(
            f"--method={config.method} takes small differences of gradients, which --precision={config.precision} "
            "rounds away; use float32, or leave second_order out."
        )
    _check_stop(config)
    spaces.check(config.space)
    spaces.supernet_cells(config.space, config.cells)
    if config.space.startswith("nasbench"):
        _check_nasbench(config)
    if config.official_supernet and not config.space.startswith("nasbench1shot1"):
        raise InputError(f"--official_supernet is for nasbench1shot1; leave it away with --space={config.space}.")
    if config.family == "recurrent":
        _check_recurrent(config)
    handover.check_dataset(config.space, config.dataset)
    if config.check_data and config.family == "recurrent":
        raise InputError("--check_data looks at images; leave it away with --space=recurrent.")
    if config.target is not None:
        _check_target(config)
    try:
        progressive.stages(config.stage_cells, config.stage_kept, config.stage_skip_dropout)
    except ValueError as error:
        raise InputError(str(error)) from error


def _of_darts_cells(config):
    """The ingredients of the method that need the cells of DARTS."""
    return sorted({"pc", "pdarts"} & set(ingredients.split(config.method)))


def _check_other_cells(config):
    if foreign := _of_darts_cells(config):
        raise InputError(f"--method={config.method}: {foreign[0]!r} needs the cells of DARTS; leave it out.")


def _check_nasbench(config):
    _check_other_cells(config)
    if config.max_skips is not None:
        raise InputError(f"--max_skips={config.max_skips} limits cells of DARTS; leave it away for {config.space}.")
    if config.edges_at_once:
        raise InputError(
            f"--edges_at_once={config.edges_at_once} is for cells of DARTS; leave it away for {config.space}."
        )


def _check_recurrent(config):
    _check_other_cells(config)
    for name in ("benchmark", "drop_path", "edges_at_once", "max_skips"):
        if getattr(config, name):
            raise InputError(
                f"--{name}={getattr(config, name)} is for image cells; leave it away with --space=recurrent."
            )
    if config.stop is not None and stopping.parse(config.stop)[0] == "skips":
        raise InputError(
            f"--stop={config.stop} counts skip connections, which a recurrent cell has not; leave it away."
        )
    handover.check_savings(config.space, config)


def _check_target(config):
    try:
        target.parse(config.target)
    except ValueError as error:
        raise InputError(str(error)) from error
    foreign = _of_darts_cells(config)
    if foreign or config.strategy == "multi_worker" or config.family == "recurrent":
        other = f"--method={config.method}" if foreign else f"--strategy={config.strategy}, --space={config.space}"
        raise InputError(
            f"--target={config.target} is for darts, rs and adv on image cells and one machine, not for {other}; leave "
            "one of them away."
        )
    # A space that a plugin has made of other cells is known to no table; its file has imported TensorFlow.
    if config.space in plugins.SPACES:
        from sdarts_tf.analysis import cost_places

        cost_places.check(spaces.get(config.space))
    elif config.space.startswith("nasbench1shot1"):
        raise InputError(target.unsteered(config.space))


def _check_stop(config):
    if config.stop_after is not None and ingredients.PROGRESSIVE in ingredients.split(config.method):
        raise InputError(f"--stop_after={config.stop_after} pauses one search, of which {config.method} is several.")
    if config.stop is None:
        return
    try:
        what, _ = stopping.parse(config.stop)
    except ValueError as error:
        raise InputError(str(error)) from error
    if what == "eigenvalue" and not config.hessian_every:
        raise InputError(f"--stop={config.stop} reads the Hessian; add --hessian_every=2, as its paper has it.")
    if ingredients.PROGRESSIVE in ingredients.split(config.method):
        raise InputError(f"--stop={config.stop} ends a search, of which {config.method} is several; leave one away.")
