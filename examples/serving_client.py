"""Classifies image files by an exported network that TensorFlow Serving serves.

    python examples/serving_client.py --server=localhost:8500 --model=digits image.png photo.jpg

It needs TensorFlow, grpcio and tensorflow-serving-api, and nothing of sdarts_tf.
"""

import argparse
import pathlib
import sys

import grpc
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc


def classify(channel: grpc.Channel, model: str, encoded_images: list[bytes], *, timeout=10.0):
    """Asks the server for the classes of images.

    Args:
        channel: to the server's gRPC port.
        model: the name that the server has given the model.
        encoded_images: contents of JPEG or PNG files.
        timeout: seconds to wait for the answer.

    Returns:
        For each image its label and that label's probability.

    Raises:
        grpc.RpcError: there is no server, or it does not know the model, or an image is damaged.
    """
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    request.model_spec.signature_name = "serve_encoded"
    request.inputs["encoded_images"].CopyFrom(tf.make_tensor_proto(encoded_images, tf.string))
    request.output_filter.extend(["label", "probabilities"])
    answer = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request, timeout)
    labels, probabilities = (tf.make_ndarray(answer.outputs[name]) for name in request.output_filter)
    return [(label.decode(), float(row.max())) for label, row in zip(labels, probabilities, strict=True)]


def main() -> None:
    """Prints a line for each file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", default="localhost:8500", help="host and gRPC port")
    parser.add_argument("--model", required=True, help="name of the model on the server")
    parser.add_argument("files", nargs="+", type=pathlib.Path, help="JPEG or PNG files")
    arguments = parser.parse_args()
    try:
        encoded = [path.read_bytes() for path in arguments.files]
        with grpc.insecure_channel(arguments.server) as channel:
            answers = classify(channel, arguments.model, encoded)
    except OSError as error:
        sys.exit(f"{error.filename} cannot be read: {error.strerror}.")
    except grpc.RpcError as error:
        sys.exit(f"{arguments.server} does not answer: {error.code().name}, {error.details()}")
    for path, (label, probability) in zip(arguments.files, answers, strict=True):
        print(f"{path}: {label} ({100 * probability:.1f} %)")


if __name__ == "__main__":
    main()
