"""What all tests share."""

import pathlib


def pytest_addoption(parser):
    parser.addoption(
        "--golden-dir",
        type=pathlib.Path,
        default=pathlib.Path(__file__).parent / "golden",
        help="folder with golden numbers of the official code; tests/reference runs every case that it finds there",
    )
