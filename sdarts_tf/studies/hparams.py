"""The trials of a tune for TensorBoard's page HParams, written without TensorFlow, which would take the GPUs."""

import pathlib
import shutil
from collections.abc import Sequence

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.plugins.hparams import api
from tensorboard.plugins.scalar import summary_v2
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from sdarts_tf.studies.plan import Plan


def write(folder: pathlib.Path, trials: Sequence, plan: Plan) -> None:
    """Writes a folder for each trial that succeeded, and one for what was tuned; replaces what was there.

    Args:
        folder: of TensorBoard's events.
        trials: `results.Trial`s.
        plan: of the tune.
    """
    shutil.rmtree(folder, ignore_errors=True)
    domains = [api.HParam(each.name, _domain(each)) for each in plan.parameters]
    _write(folder, [api.hparams_config_pb(hparams=domains, metrics=[api.Metric(plan.objective)])])
    for trial in trials:
        if trial.status == "COMPLETED":
            scalars = [summary_v2.scalar_pb(name, value) for name, value in trial.figures.items()]
            _write(folder / trial.number, [api.hparams_pb(dict(trial.values), trial_id=trial.number), *scalars])


def _domain(parameter):
    if parameter.values is not None:
        return api.Discrete(list(parameter.values))
    kind = api.IntInterval if parameter.whole else api.RealInterval
    return kind(parameter.low, parameter.high)


def _write(folder, summaries):
    writer = EventFileWriter(str(folder))
    for summary in summaries:
        writer.add_event(Event(summary=summary))
    writer.close()
