"""The examples in the documentation run, and give what they show."""

import doctest
import importlib
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parent.parent


def modules_with_examples():
    for path in sorted((ROOT / "sdarts_tf").rglob("*.py")):
        if ">>> " in path.read_text(encoding="utf-8"):
            yield ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@pytest.mark.parametrize("name", list(modules_with_examples()))
def test_examples(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # an example that writes may write here
    report, runner = [], doctest.DocTestRunner(verbose=False)
    examples = [test for test in doctest.DocTestFinder().find(importlib.import_module(name)) if test.examples]
    for test in examples:
        runner.run(test, out=report.append)
    assert runner.failures == 0, "".join(report)
    assert runner.tries == sum(len(test.examples) for test in examples) > 0
