"""Uses a found cell as a layer of one's own Keras model, and trains it with `fit`.

python examples/cell_in_my_model.py --genotype=runs/rs-s5-svhn-2/genotype.json
"""

import argparse
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import keras

from sdarts_tf.data import sources
from sdarts_tf.errors import InputError
from sdarts_tf.genotypes import published
from sdarts_tf.spaces.darts_network import Cell, check_cells


def build(genotype, image_shape, num_classes: int, channels: int, blocks: int) -> keras.Model:
    """A residual network whose blocks are the genotype's normal cell: so many at full size, as many at half of it."""
    check_cells(genotype)
    edges, outputs = genotype.cells["normal"], genotype.outputs["normal"]
    images = keras.Input(image_shape)
    x = keras.layers.Rescaling(1 / 255)(images)
    for width in (channels, 2 * channels):
        x = keras.layers.Conv2D(width, 3, padding="same", strides=1 if width == channels else 2)(x)
        for _ in range(blocks):
            # A cell reads the two cells before it; here it reads the same map twice.
            cell = Cell(edges, outputs, (width, width), width, reduction=False, previous_reduction=False)
            y = keras.layers.Conv2D(width, 1)(cell(x, x))
            x = keras.layers.add([x, y])
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(images, keras.layers.Dense(num_classes)(x))


def main() -> None:
    """Trains on scikit-learn's digits and prints the test accuracy."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--genotype", default="c10_s2_pgd", help="a genotype.json, or the name of a published cell")
    parser.add_argument("--channels", type=int, default=8)
    parser.add_argument("--blocks", type=int, default=2, help="cells at each size")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--out", help="where the trained model is saved, model.keras")
    arguments = parser.parse_args()
    keras.utils.set_random_seed(0)
    source = sources.get("digits")
    train, test = source.load("train"), source.load("test")
    try:
        genotype = published.find(arguments.genotype)
        model = build(genotype, source.image_shape, source.num_classes, arguments.channels, arguments.blocks)
    except InputError as error:
        sys.exit(str(error))
    model.compile(
        optimizer=keras.optimizers.Adam(3e-3),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.fit(train.images, train.labels, batch_size=64, epochs=arguments.epochs, verbose=2)
    _, accuracy = model.evaluate(test.images, test.labels, batch_size=128, verbose=0)
    print(f"Test accuracy: {accuracy:.1%}")
    if arguments.out:
        model.save(arguments.out)


if __name__ == "__main__":
    main()
