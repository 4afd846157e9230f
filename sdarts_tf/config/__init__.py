"""The settings of each command: one flat frozen dataclass, from which its flags are generated.

Imports no TensorFlow, so that `--help` and a wrong flag answer at once.
"""

from sdarts_tf.config.analyze import AnalyzeConfig
from sdarts_tf.config.correlate import CorrelateConfig
from sdarts_tf.config.doctor import DoctorConfig
from sdarts_tf.config.draw import DrawConfig
from sdarts_tf.config.query import QueryConfig
from sdarts_tf.config.report import ReportConfig
from sdarts_tf.config.retrain import RetrainConfig
from sdarts_tf.config.search import SearchConfig
from sdarts_tf.config.select import SelectConfig
from sdarts_tf.config.settings import complete, default_of, from_json, setting, to_json, validate
from sdarts_tf.config.studies import SweepConfig, TuneConfig
from sdarts_tf.config.trained import CHECKPOINTS, EvaluateConfig, ExportConfig, ImportConfig

__all__ = [
    "CHECKPOINTS",
    "AnalyzeConfig",
    "CorrelateConfig",
    "DoctorConfig",
    "DrawConfig",
    "EvaluateConfig",
    "ExportConfig",
    "ImportConfig",
    "QueryConfig",
    "ReportConfig",
    "RetrainConfig",
    "SearchConfig",
    "SelectConfig",
    "SweepConfig",
    "TuneConfig",
    "complete",
    "default_of",
    "from_json",
    "setting",
    "to_json",
    "validate",
]
