"""The example client against a PredictionService on loopback, which serves an exported SavedModel."""

import concurrent.futures
import importlib.util
import pathlib
import re
import subprocess
import sys

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from sdarts_tf.config import ExportConfig
from sdarts_tf.data import sources
from sdarts_tf.export import export
from sdarts_tf.interop import version_folder

ROOT = pathlib.Path(__file__).parents[1]
CLIENT = ROOT / "examples" / "serving_client.py"


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """What TensorFlow Serving's Predict does with a model folder, by its protocol: the latest version is served.

    Source: `predict.proto`, `model.proto` and `predict_util.cc` of TensorFlow Serving.
    """

    def __init__(self, name, folder):
        self.name, self.path = name, version_folder.latest(folder)
        self.model = tf.saved_model.load(self.path)

    def Predict(self, request, context):  # noqa: N802 - gRPC's name
        if request.model_spec.name != self.name:
            context.abort(grpc.StatusCode.NOT_FOUND, f"Servable not found for request: {request.model_spec.name}")
        signature_name = request.model_spec.signature_name or "serving_default"
        if signature_name not in self.model.signatures:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f'Serving signature name: "{signature_name}" not found')
        signature = self.model.signatures[signature_name]
        expected = set(signature.structured_input_signature[1])
        if set(request.inputs) != expected:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"input must be {expected}, got {set(request.inputs)}")
        try:
            inputs = {name: tf.constant(tf.make_ndarray(proto)) for name, proto in request.inputs.items()}
            outputs = signature(**inputs)
        except (tf.errors.InvalidArgumentError, TypeError) as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        response = predict_pb2.PredictResponse()
        response.model_spec.name, response.model_spec.signature_name = self.name, signature_name
        response.model_spec.version.value = int(self.path.name)
        for name in request.output_filter or outputs:
            response.outputs[name].CopyFrom(tf.make_tensor_proto(outputs[name]))
        return response


@pytest.fixture(scope="module")
def server(trained_run, tmp_path_factory):
    """Address of a server of the model "digits"."""
    out = tmp_path_factory.mktemp("served") / "digits"
    export(ExportConfig(run_dir=str(trained_run), out=str(out), compared_images=20))
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        server = grpc.server(pool)
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(PredictionService("digits", out), server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        yield f"127.0.0.1:{port}"
        server.stop(None).wait()


@pytest.fixture(scope="module")
def client():
    """The example as a module."""
    specification = importlib.util.spec_from_file_location("serving_client", CLIENT)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def digits():
    """Test images, and the files that hold them."""
    images = sources.get("digits").load("test").images[:12]
    return images, [tf.io.encode_png(image).numpy() for image in images]


def predict(server, images, **model_spec):
    """Asks for pixels instead of files, with nothing but the protocol."""
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "digits"
    for name, value in model_spec.items():
        setattr(request.model_spec, name, value)
    request.inputs["images"].CopyFrom(tf.make_tensor_proto(images))
    with grpc.insecure_channel(server) as channel:
        return prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request, 30)


def test_files_and_pixels_get_the_same_answer(server, client, digits):
    images, files = digits
    answer = predict(server, images)
    assert (answer.model_spec.version.value, answer.model_spec.signature_name) == (1, "serving_default")
    assert sorted(answer.outputs) == ["class_index", "label", "logits", "probabilities"]
    with grpc.insecure_channel(server) as channel:
        classified = client.classify(channel, "digits", files)
    assert [label.encode() for label, _ in classified] == tf.make_ndarray(answer.outputs["label"]).tolist()
    probabilities = tf.make_ndarray(answer.outputs["probabilities"])
    np.testing.assert_allclose([share for _, share in classified], probabilities.max(axis=1), atol=1e-6)


def test_most_digits_are_read_rightly(server, client, digits):
    labels = sources.get("digits").load("test").labels[:12]
    with grpc.insecure_channel(server) as channel:
        classified = client.classify(channel, "digits", digits[1])
    assert sum(int(name) == label for (name, _), label in zip(classified, labels, strict=True)) >= 9


@pytest.mark.parametrize(
    ("model_spec", "code"),
    [({"name": "letters"}, grpc.StatusCode.NOT_FOUND), ({"signature_name": "train"}, grpc.StatusCode.INVALID_ARGUMENT)],
)
def test_what_is_not_served(server, digits, model_spec, code):
    with pytest.raises(grpc.RpcError) as failure:
        predict(server, digits[0], **model_spec)
    assert failure.value.code() == code


def test_a_damaged_file_is_the_clients_error(server, client, digits):
    with grpc.insecure_channel(server) as channel, pytest.raises(grpc.RpcError) as failure:
        client.classify(channel, "digits", [digits[1][0][:30]])
    assert failure.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def run(*arguments):
    command = [sys.executable, str(CLIENT), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_the_command(server, digits, tmp_path):
    paths = [tmp_path / f"{number}.png" for number in range(2)]
    for path, content in zip(paths, digits[1], strict=False):
        path.write_bytes(content)
    done = run(f"--server={server}", "--model=digits", *paths)
    assert done.returncode == 0
    assert re.fullmatch(rf"{paths[0]}: \d \(\d+\.\d %\)\n{paths[1]}: \d \(\d+\.\d %\)\n", done.stdout)
    missing = run(f"--server={server}", "--model=digits", tmp_path / "none.png")
    assert missing.returncode == 1 and missing.stderr.endswith("none.png cannot be read: No such file or directory.\n")
