"""Settings of looking at an installation before a search is started."""

import dataclasses

from sdarts_tf.config.search import SearchConfig
from sdarts_tf.config.settings import setting


@dataclasses.dataclass(frozen=True)
class DoctorConfig(SearchConfig):
    """Settings of `sdarts_tf.doctor`: those of a search, which is not started.

    Example:
        >>> DoctorConfig(dataset="digits", estimate=True).batch_size is None
        True
    """

    estimate: bool = setting(False, "measure a few small steps of the search that the other flags describe")
