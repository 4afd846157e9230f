"""Draws cells as SVG and PNG: `python -m sdarts_tf.draw --genotype=c10_s5_pgd`, or `--run_dir=runs/x`."""

import pathlib
import sys

from sdarts_tf import command_line
from sdarts_tf.config import DrawConfig
from sdarts_tf.errors import InputError
from sdarts_tf.genotypes import drawing, published
from sdarts_tf.genotypes.genotype import Genotype
from sdarts_tf.reporting import run


def draw(config: DrawConfig) -> tuple[Genotype, list[pathlib.Path]]:
    """Draws a published cell, one of a file, or what a search found or has found so far.

    Returns:
        The genotype and the paths of its pictures, SVG and PNG.

    Raises:
        InputError: there is no such genotype, or the pictures cannot be written.

    Example:
        genotype, paths = draw(DrawConfig(run_dir="runs/rs-s5-svhn-2"))
    """
    if (config.genotype is None) == (config.run_dir is None):
        raise InputError("Either --genotype or --run_dir is needed; give one of them.")
    if config.genotype is not None:
        genotype, prefix = published.find(config.genotype), pathlib.Path(config.genotype).with_suffix("").name
    else:
        genotype, prefix = _of_run(config.run_dir), pathlib.Path(config.run_dir) / "genotype"
    return genotype, drawing.draw(genotype, prefix if config.out is None else config.out)


def _of_run(run_dir) -> Genotype:
    (found,) = run.read([run_dir])
    genotypes = [each.genotype for each in (found.search, found.training) if each and each.genotype]
    if not genotypes:
        raise InputError(f"--run_dir={run_dir} holds no cells yet; wait for the search's first epoch.")
    return genotypes[0]


def main(config: DrawConfig) -> None:
    """Draws and says where the pictures lie."""
    genotype, (vector, pixels) = draw(config)
    print(drawing.describe(genotype))
    print(f"Picture: {vector} and {pixels.suffix}")


if __name__ == "__main__":
    sys.exit(command_line.run(main, DrawConfig, description=__doc__))
