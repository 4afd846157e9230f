"""The stages of P-DARTS: the supernet grows deeper while its edges keep ever fewer candidates.

Source: Chen et al., "Progressive Differentiable Architecture Search", ICCV 2019; `train_search.py` of its code.
Imports no TensorFlow.
"""

import dataclasses
import math

import numpy as np


@dataclasses.dataclass(frozen=True)
class Stage:
    """One stage of a search, with weights and alpha of its own.

    Args:
        cells: depth of the supernet; None is that of the settings.
        kept: candidates that every edge keeps for the next stage; None for the last stage.
        skip_dropout: start of the dropout behind skip connections, 0 to 1.
        warmup_share: share of the stage's epochs, from its start, in which alpha does not move.
    """

    cells: int | None = None
    kept: int | None = None
    skip_dropout: float = 0.0
    warmup_share: float = 0.0


# Of the paper's eight candidates five, then three are left; 10 of 25 epochs leave alpha alone.
STAGES = (
    Stage(cells=5, kept=5, skip_dropout=0.1, warmup_share=0.4),
    Stage(cells=11, kept=3, skip_dropout=0.4, warmup_share=0.4),
    Stage(cells=17, skip_dropout=0.7, warmup_share=0.4),
)


def skip_dropout(start, warmup_epochs, epochs):
    """The dropout behind skip connections by epoch: linear while alpha rests, then from `start` again and exponential.

    Example:
        >>> rate = skip_dropout(0.5, 10, 25)
        >>> [round(rate(epoch), 3) for epoch in (0, 9, 10, 15)]
        [0.48, 0.3, 0.5, 0.184]
    """

    def schedule(epoch):
        if epoch < warmup_epochs:
            return start * (epochs - epoch - 1) / epochs
        return start * math.exp(-0.2 * (epoch - warmup_epochs))

    return schedule


def strongest(shares, candidates, kept):
    """For each edge its `kept` candidates with the largest shares, in their old order; of equals the later one stays.

    Args:
        shares: `[rows, candidates]`.
        candidates: for each row the names of its candidates; a row with fewer keeps all.
        kept: how many stay.

    Example:
        >>> strongest([[0.2, 0.5, 0.3]], [("none", "skip_connect", "max_pool_3x3")], 2)
        (('skip_connect', 'max_pool_3x3'),)
    """
    rows = []
    for row, names in zip(np.asarray(shares), candidates, strict=True):
        order = np.argsort(row[: len(names)], kind="stable")  # the weakest first, of equals the earlier
        stay = sorted(order[max(len(names) - kept, 0) :])
        rows.append(tuple(names[column] for column in stay))
    return tuple(rows)


def stages(cells, kept, skip_dropout):
    """The stages that comma-separated lists describe; shares of epochs without alpha are `STAGES`'s.

    Args:
        cells: depth of each stage, as `"5,11,17"`.
        kept: candidates that are left after each stage but the last, as `"5,3"`.
        skip_dropout: start of each stage's dropout behind skip connections, as `"0.1,0.4,0.7"`.

    Raises:
        ValueError: a list has the wrong length or an impossible value.

    Example:
        >>> stages("5,11,17", "5,3", "0.1,0.4,0.7") == STAGES
        True
    """
    depths = _numbers("stage_cells", cells, int, low=3, high=math.inf)
    left = _numbers("stage_kept", kept, int, low=1, high=math.inf)
    rates = _numbers("stage_skip_dropout", skip_dropout, float, low=0, high=0.99)
    if not len(depths) == len(left) + 1 == len(rates):
        raise ValueError(
            f"--stage_cells={cells}, --stage_kept={kept} and --stage_skip_dropout={skip_dropout} do not describe the "
            "same stages; give one depth and one rate for each, and one number of candidates for each but the last."
        )
    share = STAGES[0].warmup_share
    return tuple(
        Stage(depth, number, rate, share) for depth, number, rate in zip(depths, [*left, None], rates, strict=True)
    )


def _numbers(name, text, kind, *, low, high):
    try:
        values = [kind(part) for part in text.split(",")]
    except ValueError:
        values = []
    if not values or not all(low <= value <= high for value in values):
        limit = f"at least {low}" if high == math.inf else f"from {low} to {high}"
        raise ValueError(f"--{name}={text} is not a list of numbers; separate numbers that are {limit} by commas.")
    return values
