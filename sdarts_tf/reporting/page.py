"""The report: one HTML page that needs no network and runs no script."""

from collections.abc import Sequence

import jinja2
from markupsafe import Markup

from sdarts_tf.config import RetrainConfig, SearchConfig
from sdarts_tf.genotypes.drawing import describe
from sdarts_tf.genotypes.painting import paint
from sdarts_tf.reporting import figures, tables
from sdarts_tf.reporting.missing import missing
from sdarts_tf.reporting.run import Records, Run, printable
from sdarts_tf.reporting.svg import inline


def render(runs: Sequence[Run]) -> str:
    """The page.

    Args:
        runs: at least one; several are compared.

    Returns:
        The HTML; the same runs give the same text.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("sdarts_tf.reporting", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("page.html").render(
        title=", ".join(run.label for run in runs),
        style=Markup(environment.loader.get_source(environment, "style.css")[0]),
        glance=tables.glance(runs),
        differences=tables.differences(runs) if len(runs) > 1 else None,
        searched=_over_epochs(runs),
        flatness=figures.flatness(runs),
        landscapes=figures.landscapes(runs),
        trained=_trained(runs),
        runs=[_section(number, run) for number, run in enumerate(runs, 1)],
    )
    return printable(page)


def _over_epochs(runs):
    searches = [run for run in runs if run.search]
    # A search without perturbation has a radius in its records all the same.
    unperturbed = {
        (run.label, "epsilon")
        for run in searches
        if {"rs", "adv"}.isdisjoint(str(run.search.config.get("method")).split("+"))
    }
    metrics = {run.label: run.search.metrics for run in searches}
    return figures.over_epochs(metrics, "search,", [run.label for run in runs], unperturbed)


def _trained(runs):
    metrics = {run.label: run.training.metrics for run in runs if run.training}
    return figures.over_epochs(metrics, "retraining,", [run.label for run in runs])


def _section(number: int, run: Run) -> dict:
    """What the page shows of a single run."""
    records = {"The search": (run.search, SearchConfig), "The training": (run.training, RetrainConfig)}
    present = {name: pair for name, pair in records.items() if pair[0]}
    return {
        "number": number,
        "label": run.label,
        "missing": missing(run),
        "settings": {name: tables.settings(each.config, kind) for name, (each, kind) in present.items()},
        "cells": _cells(run),
        "shares": figures.shares(run),
        "tables": [table for table in (tables.checkpoints(run), tables.trained(run), tables.classes(run)) if table],
        "epochs": [
            table for name, (each, _) in present.items() if (table := tables.epochs(each.metrics, f"{name}, by epoch"))
        ],
    }


def _cells(run):
    """Heading, picture and text of the cells; those that were trained too where they are not the found ones."""
    search, training = run.search or Records({}, [], None), run.training or Records({}, [], None)
    found = [(_found(search), search.genotype)] if search.genotype else []
    if training.genotype and training.genotype != search.genotype:
        found.append(("Trained", training.genotype))
    return [
        {
            "heading": heading,
            "picture": inline(paint(genotype, "svg"), f"{run.label}. {heading}: {describe(genotype)}"),
            "text": describe(genotype),
        }
        for heading, genotype in found
    ]


def _found(search):
    return "Found" if search.epoch is None else f"Strongest after epoch {search.epoch}"
