"""The page of a report: valid, complete, without network or scripts, with the numbers of the files."""

import json
import re

import html5lib
import pytest

from sdarts_tf.reporting import page, run

NAMESPACE = "{http://www.w3.org/1999/xhtml}"
SVG = "{http://www.w3.org/2000/svg}"


def render(*folders):
    return page.render(run.read([str(folder) for folder in folders]))


def parse(html):
    """The page's tree; every departure from HTML 5 is an error."""
    return html5lib.HTMLParser(strict=True).parse(html)


def text(element):
    return "".join(element.itertext()).strip()


def tables(tree):
    """Caption -> rows of texts, the head first."""
    return {
        text(table.find(f"{NAMESPACE}caption")): [[text(cell) for cell in row] for row in table.iter(f"{NAMESPACE}tr")]
        for table in tree.iter(f"{NAMESPACE}table")
    }


def rewrite(path, change):
    """Changes the records of a file."""
    if path.suffix == ".jsonl":
        lines = [change(json.loads(line)) for line in path.read_text().splitlines()]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    else:
        path.write_text(json.dumps(change(json.loads(path.read_text()))))


@pytest.fixture(scope="module")
def tree(write_run):
    return parse(render(write_run()))


def test_main_figures_are_those_of_the_files(tree):
    rows = dict(tables(tree)["The main figures"][1:])
    assert rows["validation accuracy"] == "45.25 %"
    assert rows["alpha Hessian, spectral norm"] == "0.1"
    assert rows["accuracy after pruning, not retrained"] == "56.25 %"
    assert (rows["skip connections"], rows["epochs done"], rows["search time"]) == ("2", "2, set to 2", "3 s")
    assert rows["test accuracy after retraining"] == "81.25 %"
    assert (rows["parameters"], rows["multiply-adds"]) == ("12,345", "678,901")
    assert "regret" not in rows


def test_analysis_evaluation_and_epochs_are_those_of_the_files(tree):
    found = tables(tree)
    analysis = found["Analysis on 4 validation batches of 32 images, training batch statistics"]
    figures = ["0.1234 \N{PLUS-MINUS SIGN} 0.0056", "0.1222", "0.789", "9.87", "65.4", "91.25 %", "73.75 %", "56.25 %"]
    assert [row[0] for row in analysis[1:]] == ["1", "2"] and analysis[1][1:] == figures
    assert ["latency, batch 1", "3.21 ms"] in found["The trained network"]
    assert found["Accuracy of every class"][1:] == [["cat", "75.00 %"], ["dog", "87.50 %"], ["emu", "no images"]]
    epochs = found["The search, by epoch"]
    assert dict(zip(epochs[0], epochs[1], strict=True)) | {"train_loss": "1.9", "valid_accuracy": "35.25 %"} == dict(
        zip(epochs[0], epochs[1], strict=True)
    )
    assert found["Shares of normal at the end"][0] == ["edge", "skip_connect", "sep_conv_3x3"]
    assert found["Shares of normal at the end"][3] == ["0 -> 3", "14.0 %", "86.0 %"]


def test_settings_begin_with_those_that_are_not_the_default(tree):
    rows = tables(tree)["Settings, those first that differ from the default"]
    assert rows[0] == ["flag", "value", "default", "meaning"]
    # The table of the training has the same caption and stands last.
    assert [row[:3] for row in rows[1:3]] == [["--dataset", "digits", "default"], ["--epochs", "2", "600"]]
    assert all(row[1] == row[2] for row in rows[3:])


def test_pictures_are_told_in_words(tree):
    told = [picture.get("aria-label") for picture in tree.iter(f"{SVG}svg")]
    assert len(told) == len(set(told)) and all(each.get("role") == "img" for each in tree.iter(f"{SVG}svg"))
    accuracy = "Line chart, search, Accuracy by epoch. run, validation: 35.2% at 1, 45.2% at 2; run, training: "
    assert any(each.startswith(accuracy) for each in told)
    kept = "Heat map, run, normal, 0 -> 2, kept with skip_connect. In epoch 2: skip_connect 12.0%, sep_conv_3x3 88.0%."
    assert kept in told
    assert any("adversarial: 0.5 at 0, 1.75 at 0.3" in each for each in told)
    assert any("pruned 56.2%" in each for each in told)
    assert any(each.startswith("Map, Loss, run, epoch 2, over mixture") and "From 1 to 6.5" in each for each in told)
    kinds = ("Line chart", "Heat map", "Map", "Bar chart", "Color scale", "run. Found")
    assert {next(kind for kind in kinds if each.startswith(kind)) for each in told} == set(kinds)


def test_it_is_one_file_without_scripts_whose_links_lead_somewhere(write_run):
    html = render(write_run("a"), write_run("b"))
    tree = parse(html)
    ids = [element.get("id") for element in tree.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    for element in tree.iter():
        assert element.tag != f"{NAMESPACE}script" and not any(str(name).startswith("on") for name in element.attrib)
        for name, value in element.attrib.items():
            if str(name).rpartition("}")[2] in ("href", "src"):
                assert value.startswith("data:image/png;base64,") or value.removeprefix("#") in ids
            assert all(reference in ids for reference in re.findall(r"url\(#(.*?)\)", value))
    policy = tree.find(f".//{NAMESPACE}meta[@http-equiv]").get("content")
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    assert "http://" not in html and "https://" not in html and "@import" not in html
    assert len(html) < 1_200_000


def test_tables_have_captions_and_named_rows_and_columns(tree):
    for table in tree.iter(f"{NAMESPACE}table"):
        assert table.find(f"{NAMESPACE}caption") is not None
        assert {head.get("scope") for head in table.iter(f"{NAMESPACE}th")} == {"row", "col"}


def test_the_same_runs_give_the_same_page(write_run):
    folder = write_run()
    assert render(folder) == render(folder)


def test_runs_are_compared(write_run):
    folders = write_run("darts", method="darts"), write_run("adv", method="adv", seed=7)
    found = tables(parse(html := render(*folders)))
    assert found["The main figures"][0] == ["", "darts", "adv"]
    differing = [["", "darts", "adv"], ["method", "darts", "adv"], ["seed", "2", "7"]]
    assert found["Settings in which the searches differ"] == differing
    # A search without perturbation has no radius, whatever its records say.
    assert "Radius of the perturbation by epoch. adv: 0.03 at 1" in html
    # Several runs: their last checkpoints. A single one: the first and the last.
    assert "epoch 1, over" not in html and "epoch 1, over" in render(folders[0])


def test_landscapes_of_several_runs_have_one_scale(write_run):
    first, second = write_run("a"), write_run("b")

    def doubled(record):
        for each in record["checkpoints"]:
            each["landscapes"][0]["loss"] = [[2, 4, 6], [8, 10, 13]]
        return record

    def colors(html):
        """The image of every map, by its words."""
        maps = re.findall(r'aria-label="(Map, Loss.*?)".*?(data:image/png;base64,.*?)"', html, re.DOTALL)
        return dict(maps)

    alone = colors(render(first))
    rewrite(second / "analysis" / "analysis.json", doubled)
    together = colors(render(first, second))
    assert len(together) == 4
    changed = [words for words in together if words in alone and alone[words] != together[words]]
    assert [words.split(",")[4].split()[1] for words in changed] == ["mixture"]


def test_hostile_texts_stay_texts(write_run):
    evil = '<script>alert("x")</script><img src=x onerror=alert(1)>'
    folder = write_run("&lt;b&gt;<i onclick=x>$\\frac{1}{0}$")

    def poisoned(record):
        return record | {evil: 0.5}

    rewrite(
        folder / "config.json", lambda record: record | {"data_dir": evil, evil: evil, "space": "\ud800\x00" + evil}
    )
    rewrite(folder / "metrics.jsonl", poisoned)
    rewrite(folder / "retrain" / "result.json", poisoned)
    rewrite(folder / "retrain" / "evaluation.json", lambda record: record | {"class_accuracy": {evil: 0.5}})
    for file in ("genotype.json", "retrain/genotype.json"):
        edges = [[evil + "\x07$x$\ud800", 0, 2]]
        rewrite(folder / file, lambda record, edges=edges: record | {"cells": dict.fromkeys(record["cells"], edges)})
    rewrite(
        folder / "analysis" / "analysis.json",
        lambda record: json.loads(json.dumps(record).replace("random 1", json.dumps(evil)[1:-1])),
    )
    html = render(folder)
    html.encode()
    tree = parse(html)
    tags = {element.tag for element in tree.iter() if isinstance(element.tag, str)}
    assert not tags & {f"{NAMESPACE}{name}" for name in ("script", "img", "i", "b", "iframe", "object")}
    assert not tags & {f"{SVG}script", f"{SVG}foreignObject"}
    assert not any(str(name).lower().startswith("on") for element in tree.iter() for name in element.attrib)
    assert ["cat", "75.00 %"] not in tables(tree)["Accuracy of every class"]
    assert [evil, "50.00 %"] in tables(tree)["Accuracy of every class"]
    assert text(tree.find(f".//{NAMESPACE}h1")) == folder.name


def test_unknown_spaces_and_groups_are_numbered(write_run):
    folder = write_run()
    rewrite(
        folder / "mixtures.jsonl",
        lambda line: line | {"mixture": {**line["mixture"], "normal_edges_to_2": [[0.25, 0.75]]}},
    )
    assert tables(parse(render(folder)))["Shares of normal_edges_to_2 at the end"][1] == ["row 0", "25.0 %", "75.0 %"]


def test_unknown_figures_are_drawn_and_what_is_no_number_is_not(write_run):
    folder = write_run()
    rewrite(folder / "metrics.jsonl", lambda line: line | {"something_new": 3 * line["epoch"], "words": "a b"})
    html = render(folder)
    assert "something_new by epoch. run: 3 at 1, 6 at 2." in html and "words by epoch" not in html


def test_figures_that_are_not_finite_do_not_stop_it(write_run):
    folder = write_run()
    rewrite(folder / "metrics.jsonl", lambda line: line | {"valid_loss": float("nan")})

    def broken(record):
        record["checkpoints"][1]["landscapes"][0]["loss"][0] = [float("nan"), float("inf"), 1.0]
        return record

    rewrite(folder / "analysis" / "analysis.json", broken)
    parse(render(folder))
