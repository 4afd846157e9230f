"""The ingredients of a method and the choice that each makes. Imports no TensorFlow."""

INGREDIENTS = {
    "darts": "perturbation",
    "rs": "perturbation",
    "adv": "perturbation",
    "second_order": "hypergradient",
    "pc": "channels",
}


PARTIAL_CHANNELS = "pc"


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
