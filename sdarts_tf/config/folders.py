"""Several folders in one flag: `--run_dir=runs/a,runs/b`."""

from sdarts_tf.errors import InputError


def split_folders(text: str | None, flag: str = "run_dir") -> tuple[str, ...]:
    """The folders of a list that is separated by commas.

    Args:
        text: what was given.
        flag: the flag's name, for the errors.

    Raises:
        InputError: nothing is given, a name is empty, or a folder is named twice.

    Example:
        >>> split_folders("runs/a, runs/b")
        ('runs/a', 'runs/b')
    """
    if text is None:
        raise InputError(f"--{flag} is needed: name the folder of a run, or several with commas between them.")
    names = tuple(name.strip() for name in text.split(","))
    if "" in names:
        raise InputError(f"--{flag}={text} has an empty name; write one comma between two folders.")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"--{flag}={text} names {', '.join(twice)} twice; name each folder once.")
    return names
