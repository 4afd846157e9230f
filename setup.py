"""Packaging of sdarts_tf."""

import pathlib

import setuptools

# One TensorFlow per extra: tensorflow and tensorflow-cpu own the same module and must not meet. Where tensorflow-cpu
# has no wheels, plain tensorflow is the CPU build.
CPU = [
    "tensorflow-cpu>=2.20,<2.22; platform_machine == 'x86_64' or platform_machine == 'AMD64'",
    "tensorflow>=2.20,<2.22; platform_machine != 'x86_64' and platform_machine != 'AMD64'",
]

setuptools.setup(
    name="sdarts_tf",
    version="0.1.0",
    description="SmoothDARTS: differentiable architecture search stabilised by perturbation, for TensorFlow and Keras",
    long_description=pathlib.Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=setuptools.find_packages(include=["sdarts_tf", "sdarts_tf.*"]),
    install_requires=[
        "absl-py>=2.1",
        "importlib_resources>=6.0",  # tensorflow-datasets needs it and does not say so
        "keras>=3.12",
        "matplotlib>=3.8",
        "numpy>=1.26",
        "rich>=13.7",
        "scikit-learn>=1.4",
        "scipy>=1.11",
        "tensorboard>=2.20",
        "tensorflow-datasets>=4.9.7",
    ],
    extras_require={
        "cpu": CPU,
        "gpu": ["tensorflow[and-cuda]>=2.20,<2.22"],
        "dev": ["pytest>=8.0", "pytest-xdist>=3.5", "ruff>=0.8"],
    },
)
