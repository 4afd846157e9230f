"""Finds a data set's files, in one of their layouts or as tensorflow-datasets keeps them. Imports no TensorFlow."""

import os
import pathlib
import threading

from sdarts_tf.data import formats
from sdarts_tf.errors import InputError, RunError


def read(split, data_dir, *, name, layouts, archives, tfds_name, url):
    """Reads the first layout found under `data_dir`, else a prepared tensorflow-datasets folder, else downloads.

    Args:
        split: `"train"` or `"test"`.
        data_dir: the folder; default `$TFDS_DATA_DIR` or `~/tensorflow_datasets`.
        name: of the data set, for the errors.
        layouts: function of the folder -> pairs of a path and a function of path and split that reads it.
        archives: which other files may lie there, for the errors.
        tfds_name: the data set's name in tensorflow-datasets.
        url: from where it downloads.

    Returns:
        Images and labels, unchecked.

    Raises:
        InputError: a file is damaged, or there is neither a file nor a network.
        RunError: the download failed.
    """
    folder = root(data_dir)
    if data_dir is not None and not folder.is_dir():
        raise InputError(f"--data_dir={data_dir} is not a folder; name the one that holds {name}.")
    for path, read in layouts(folder):
        if path.exists():
            return read(path, split)
    if prepared(folder / tfds_name):
        return _read_tfds(split, folder, tfds_name, download=False)
    if not reachable(url):
        raise InputError(
            f"{name} is not under {folder} and there is no network to download it; put one of these there: {name}.npz "
            f"with x_train, y_train, x_test and y_test; {archives}; or {tfds_name}/ as tensorflow-datasets "
            "prepared it on a machine with network; then name the folder by --data_dir."
        )
    return _read_tfds(split, folder, tfds_name, download=True)


def is_present(data_dir, *, layouts, tfds_name) -> bool:
    """Whether `read` would find the files without a network; they may be damaged."""
    folder = root(data_dir)
    return any(path.exists() for path, _ in layouts(folder)) or prepared(folder / tfds_name)


def root(data_dir) -> pathlib.Path:
    """The folder of all data sets: `data_dir`, else `$TFDS_DATA_DIR`, else `~/tensorflow_datasets`."""
    return pathlib.Path(data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser()


def prepared(folder: pathlib.Path) -> bool:
    """Whether tensorflow-datasets finished a version there; until then its folder is `incomplete.<id>_<version>`."""
    return any("incomplete" not in str(path.relative_to(folder)) for path in folder.glob("**/dataset_info.json"))


def _read_tfds(split, folder, tfds_name, *, download):
    import tensorflow_datasets as tfds

    try:
        wanted = tfds.decode.PartialDecoding({"image": True, "label": True})
        options = {"data_dir": str(folder), "download": download, "decoders": wanted, "batch_size": -1}
        record = tfds.as_numpy(tfds.load(tfds_name, split=split, **options))
        return record["image"], record["label"]
    except Exception as error:  # tfds raises what its many backends raise
        if download:
            raise RunError(
                f"The download of {tfds_name} to {folder} failed ({formats.reason(error)}); try again, or put the "
                "files there by hand."
            ) from error
        raise InputError(
            f"{folder / tfds_name} is not readable by tensorflow-datasets ({formats.reason(error)}); prepare or copy "
            "it again."
        ) from error


def reachable(url, seconds=3.0):
    """Whether `url` can be downloaded, proxies included; a name server or proxy that hangs counts as no."""
    import urllib.request

    answers = []

    def ask():
        try:
            urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=seconds).close()
            answers.append(True)
        except Exception:  # no name, no route, refused by the server, or a proxy that answers anything at all
            return

    # The time-out of a connection does not cover the name server, so a thread that is given up does.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    return bool(answers)
