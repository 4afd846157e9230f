"""The ingredients of a method and the choice that each makes. Imports no TensorFlow."""

INGREDIENTS = {
    "darts": "perturbation",
    "rs": "perturbation",
    "adv": "perturbation",
    "second_order": "hypergradient",
    "pc": "channels",
    "pdarts": "stages",
}


PROGRESSIVE = "pdarts"
# Share of the epochs, from the start, in which alpha does not move: 15 of 50, and 10 of 25 in each stage.
_WARMUP_SHARES = {"pc": 0.3, PROGRESSIVE: 0.4}


def split(text):
    """The ingredients of a method, checked.

    Args:
        text: ingredients joined by `+`, for example `"adv+second_order"`.

    Raises:
        ValueError: an ingredient is unknown, or two make the same choice.

    Example:
        >>> split("adv+second_order")
        ['adv', 'second_order']
        >>> split("rs+adv")
        Traceback (most recent call last):
        ...
        ValueError: --method=rs+adv sets the perturbation twice; keep one of rs, adv.
    """
    names, made_by = text.split("+"), {}
    for name in names:
        if name not in INGREDIENTS:
            raise ValueError(
                f"--method={text} has the unknown ingredient {name!r}; join any of {', '.join(INGREDIENTS)} by '+'."
            )
        choice = INGREDIENTS[name]
        if choice in made_by:
            raise ValueError(f"--method={text} sets the {choice} twice; keep one of {made_by[choice]}, {name}.")
        made_by[choice] = name
    return names


def warmup_epochs(method, epochs, given=None):
    """The first epochs, in which alpha does not move: what is given, else what the method's authors chose.

    Example:
        >>> warmup_epochs("adv", 50), warmup_epochs("pc", 50), warmup_epochs("pdarts", 25), warmup_epochs("pc", 50, 3)
        (0, 15, 10, 3)
    """
    if given is not None:
        return given
    return round(epochs * max(_WARMUP_SHARES.get(name, 0) for name in split(method)))


def max_skips(method, given=None):
    """The largest number of skip connections in a normal cell: what is given, else P-DARTS's 2, else None, any.

    Example:
        >>> max_skips("rs"), max_skips("rs+pdarts"), max_skips("rs+pdarts", 4)
        (None, 2, 4)
    """
    return 2 if given is None and PROGRESSIVE in split(method) else given
