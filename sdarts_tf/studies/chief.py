"""Which part a process has in a tune of several workers, as keras-tuner's environment variables say."""

import os
from collections.abc import Mapping

from sdarts_tf.errors import InputError

_NAMES = ("KERASTUNER_TUNER_ID", "KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT")


def role(environment: Mapping[str, str] | None = None) -> str:
    """`"alone"`, `"chief"`, who serves the trials and runs none, or `"worker"`.

    Args:
        environment: default the process's.

    Raises:
        InputError: only some of the variables are set.

    Example:
        >>> served = {"KERASTUNER_ORACLE_IP": "localhost", "KERASTUNER_ORACLE_PORT": "8000"}
        >>> [role({"KERASTUNER_TUNER_ID": name, **served}) for name in ("chief", "tuner1")], role({})
        (['chief', 'worker'], 'alone')
    """
    environment = os.environ if environment is None else environment
    missing = [name for name in _NAMES if not environment.get(name)]
    if len(missing) == len(_NAMES) or missing == list(_NAMES[1:]):
        return "alone"
    if missing:
        raise InputError(
            f"{' and '.join(missing)} of keras-tuner's environment variables are not set; set {', '.join(_NAMES)} for "
            "every worker and for the chief, or none."
        )
    return "chief" if "chief" in environment[_NAMES[0]] else "worker"
