"""Packaging of sdarts_tf."""

import pathlib

import setuptools

# One TensorFlow per extra: tensorflow and tensorflow-cpu own the same module and must not meet. tensorflow-cpu has
# wheels for x86-64 on Linux and Windows; elsewhere plain tensorflow is the CPU build.
HAS_CPU_WHEEL = "(platform_machine == 'x86_64' or platform_machine == 'AMD64') and sys_platform != 'darwin'"
HAS_NO_CPU_WHEEL = "(platform_machine != 'x86_64' and platform_machine != 'AMD64') or sys_platform == 'darwin'"

setuptools.setup(
    name="sdarts_tf",
    version="0.1.0",
    description="SmoothDARTS: differentiable architecture search stabilized by perturbation, for TensorFlow and Keras",
    long_description=pathlib.Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10",
    package_data={"sdarts_tf.reporting": ["templates/*"]},
    packages=setuptools.find_namespace_packages(include=["sdarts_tf", "sdarts_tf.*"]),
    install_requires=[
        "absl-py>=2.1",
        "importlib_resources>=6.0",  # tensorflow-datasets needs it and does not say so
        "jinja2>=3.1",
        "keras>=3.12",
        "markupsafe>=2.1",
        "matplotlib>=3.8",
        "numpy>=1.26",
        "packaging>=23.0",
        "pillow>=10.0",
        "protobuf>=4.25",
        "psutil>=5.9",
        "rich>=13.7",
        "scikit-learn>=1.4",
        "scipy>=1.11",
        "tensorboard>=2.20",
        "tensorflow-datasets>=4.9.7",
    ],
    extras_require={
        "cpu": [
            f"tensorflow-cpu>=2.20,<2.22; {HAS_CPU_WHEEL}",
            f"tensorflow>=2.20,<2.22; {HAS_NO_CPU_WHEEL}",
        ],
        "gpu": ["tensorflow[and-cuda]>=2.20,<2.22"],
        "tune": ["keras-tuner>=1.4.7"],  # its Bayesian tuner needs scikit-learn and does not say so
        "lite": ["ai-edge-litert>=2.0"],  # runs what TensorFlow's own converter makes
        "onnx": ["onnx>=1.17", "onnxruntime>=1.20", "tf2onnx>=1.17"],
        # The client of TensorFlow Serving also needs tensorflow-serving-api, which asks for tensorflow itself: beside
        # tensorflow-cpu it must be installed by pip install --no-deps.
        "serving": ["grpcio>=1.60"],
        "torch": ["torch>=2.2"],  # reads the official PyTorch weights
        # A new ruff may format otherwise, so its version is fixed here and in .pre-commit-config.yaml.
        "dev": ["html5lib>=1.1", "pytest>=8.0", "pytest-xdist>=3.5", "ruff~=0.17.6"],
    },
)
