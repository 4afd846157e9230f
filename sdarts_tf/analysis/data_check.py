"""The dry run of a training: a sheet of augmented images, and what is odd about the data."""

import pathlib

from sdarts_tf.analysis import contact_sheet
from sdarts_tf.data.inspection import Inspection, inspect
from sdarts_tf.data.source import Source
from sdarts_tf.errors import InputError
from sdarts_tf.training.run_directory import CONTACT_SHEET, RunDirectory


def run(config, source: Source, directory: RunDirectory) -> tuple[Inspection, pathlib.Path | None]:
    """Inspects the data of a search or of a retraining; writes the sheet where there is anything to train on.

    Args:
        config: the settings, completed.
        source: the data set that they name.
        directory: of the run; a run can still be started there.

    Returns:
        What was found, and the sheet's path, None without one.

    Raises:
        InputError: the folder cannot be written.
    """
    inspection = inspect(source, config.data_dir, config.max_examples)
    try:
        examples = source.load("train", config.data_dir, config.max_examples)
    except InputError:
        return inspection, None
    sheet = contact_sheet.of_training(config, source, examples)
    try:
        directory.path.mkdir(parents=True, exist_ok=True)
        directory.write(CONTACT_SHEET, sheet)
    except OSError as error:
        raise InputError(
            f"--run_dir={directory.run_dir} cannot be written ({error.strerror}); name another."
        ) from error
    return inspection, directory.path / CONTACT_SHEET
