"""Own images: what is read off them, how they are parted, and what a user reads when they cannot be used."""

import numpy as np
import pytest
from PIL import Image

from sdarts_tf.data import own, pictures, prepared, sources
from sdarts_tf.data.folders import parted
from sdarts_tf.errors import InputError


def images(count=20, shape=(9, 7, 1), seed=0):
    return np.random.RandomState(seed).randint(0, 256, (count, *shape)).astype(np.uint8)


def write_npz(tmp_path, **arrays):
    np.savez(tmp_path / "own.npz", **arrays)
    return f"npz:{tmp_path / 'own.npz'}"


def write_folder(folder, shape, mode, count=5, classes=("ant", "bee")):
    """PNG files of noise; returns their pixels by path."""
    written = {}
    for label, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            path = folder / name / f"{number}.png"
            noise = images(1, shape, 10 * label + number)[0]
            Image.fromarray(noise if shape[-1] == 3 else noise[..., 0], mode).save(path)
            written[str(path)] = noise
    return written


# Statistics.


def test_statistics_are_those_of_all_pixels_whatever_the_batches():
    pixels = images(30, (4, 5, 2))
    mean, std = pictures.statistics([pixels[:7], pixels[7:]])
    np.testing.assert_allclose(mean, (pixels / 255).mean(axis=(0, 1, 2)), atol=5e-5)
    np.testing.assert_allclose(std, (pixels / 255).std(axis=(0, 1, 2)), atol=5e-5)
    assert (mean, std) == pictures.array_statistics(pixels)


def test_images_of_one_color_have_a_deviation_that_can_divide():
    assert pictures.statistics([np.full((2, 3, 3, 1), 51, np.uint8)]) == ((0.2,), (0.0039,))


def test_a_fifth_of_each_class_is_tested():
    labels = np.array([0] * 50 + [1] * 5 + [2])
    train, test = parted(labels)
    assert np.bincount(labels[test]).tolist() == [10, 1] and np.bincount(labels[train]).tolist() == [40, 4, 1]
    assert sorted([*train, *test]) == list(range(56))
    np.testing.assert_array_equal(test, parted(labels)[1])


# npz.


LABELS = np.arange(20) % 2
TRAIN = {"x_train": images(), "y_train": LABELS}


def test_npz_with_splits_of_any_shape(tmp_path):
    parts = {f"x_{split}": images(seed=seed) for seed, split in enumerate(("train", "valid", "test"))}
    labels = {f"y_{split}": np.arange(20)[:, None] % 3 for split in ("train", "valid", "test")}
    name = write_npz(tmp_path, **parts, **labels, label_names=np.array(["a", "b", "c"]))
    source = sources.get(name)
    assert (source.image_shape, source.label_names, source.splits) == ((9, 7, 1), ("a", "b", "c"), source.splits)
    assert set(source.splits) == {"train", "valid", "test"} and (source.crop_padding, source.cutout_length) == (0, 3)
    for split in source.splits:
        examples = source.load(split)
        # Mixed: every image still has its label.
        pixels = {image.tobytes(): label for image, label in zip(parts[f"x_{split}"], np.arange(20) % 3, strict=True)}
        assert [pixels[image.tobytes()] for image in examples.images] == examples.labels.tolist()
        assert examples.labels.tolist() != (np.arange(20) % 3).tolist()
    assert source.mean == pictures.array_statistics(parts["x_train"])[0]
    assert source.description == sources.get(name).description


def test_npz_without_splits_and_with_numbers_of_0_to_1(tmp_path):
    pixels = images(20, (6, 6))
    source = sources.get(write_npz(tmp_path, images=pixels / 255, labels=np.arange(20) % 2))
    assert (source.image_shape, source.label_names, source.splits) == ((6, 6, 1), ("0", "1"), ("train", "test"))
    train, test = source.load("train"), source.load("test")
    assert (len(train), np.bincount(test.labels).tolist()) == (16, [2, 2])
    found = sorted(image.tobytes() for part in (train, test) for image in part.images)
    assert found == sorted(image.tobytes() for image in pixels)


@pytest.mark.parametrize("name", ["valid", "val", "validation"])
def test_images_to_judge_epochs_by_have_three_names(tmp_path, name):
    source = sources.get(write_npz(tmp_path, **TRAIN, **{f"x_{name}": images(6), f"y_{name}": LABELS[:6]}))
    assert [len(source.load(split)) for split in ("train", "valid", "test")] == [16, 6, 4]


def test_npz_is_also_looked_for_in_data_dir(tmp_path):
    write_npz(tmp_path, images=images(), labels=np.arange(20) % 2)
    assert len(sources.get("npz:own.npz", str(tmp_path)).load("train")) == 16


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x_train": images()}, "has the arrays x_train, but it must hold x_train and y_train with x_test"),
        (TRAIN | {"x_test": images()}, "has the arrays x_train, y_train, x_test, but it must hold"),
        (TRAIN | {"x_dev": images(), "y_dev": LABELS}, "x_dev, y_dev, but it must .* and nothing else"),
        (TRAIN | {"images": images(), "labels": LABELS}, "images, labels, but it must hold"),
        (
            TRAIN | {f"{a}_{s}": b for s in ("val", "valid") for a, b in (("x", images()), ("y", LABELS))},
            "x_valid, y_va",
        ),
        ({"images": images()[..., :0], "labels": LABELS}, r"holds images uint8 \[20, 9, 7, 0\], but images must be"),
        ({"images": images(), "labels": np.arange(20)}, "No class has more than one image, so that none of the 20 can"),
        ({"images": 2.0 * images(), "labels": np.zeros(20, int)}, r"holds images float64 \[20, 9, 7, 1\], but images"),
        ({"images": images(), "labels": np.zeros(20)}, r"holds labels float64 \[20\], but labels must be integers"),
        ({"images": images(), "labels": np.arange(19) % 2}, "20 images in images and 19 labels in labels, but each"),
        ({"images": images(), "labels": np.zeros(20, int)}, "has 1 class, but there must be at least two"),
    ],
)
def test_a_wrong_npz_is_one_sentence(tmp_path, arrays, message):
    with pytest.raises(InputError, match=message):
        sources.get(write_npz(tmp_path, **arrays))


def test_labels_out_of_range_are_found_when_they_are_loaded(tmp_path):
    arrays = {"x_train": images(), "y_train": np.arange(20) % 2, "x_test": images(), "y_test": np.arange(20)}
    source = sources.get(write_npz(tmp_path, **arrays))
    with pytest.raises(InputError, match="has labels from 0 to 19, but they must be 0 to 1"):
        source.load("test")


def test_a_missing_file_and_a_size_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.npz is missing"):
        sources.get("npz:nowhere.npz")
    name = write_npz(tmp_path, images=images(), labels=np.arange(20) % 2)
    with pytest.raises(InputError, match="--image_size=16 is for photos in files"):
        sources.get(name, image_size=16)


# Folders.


@pytest.mark.parametrize(("shape", "mode"), [((9, 7, 1), "L"), ((12, 12, 3), "RGB")])
def test_small_images_of_one_size_stay_as_they_are(tmp_path, shape, mode):
    written = write_folder(tmp_path, shape, mode)
    source = sources.get("folder", str(tmp_path))
    assert (source.image_shape, source.photos, source.splits) == (shape, False, ("train", "test"))
    train, test = source.load("train"), source.load("test")
    assert (len(train), len(test)) == (8, 2)
    pixels = {image.tobytes(): path.split("/")[-2] for path, image in written.items()}
    for part in (train, test):
        names = [source.label_names[label] for label in part.labels]
        assert [pixels[image.tobytes()] for image in part.images] == names


def test_with_a_size_or_when_they_differ_they_are_photos(tmp_path):
    write_folder(tmp_path / "train", (12, 12, 3), "RGB")
    write_folder(tmp_path / "test", (12, 12, 3), "RGB", count=2)
    assert sources.get("folder", str(tmp_path), image_size=8).image_shape == (8, 8, 3)
    Image.new("RGB", (30, 20)).save(tmp_path / "train" / "ant" / "large.png")
    source = sources.get("folder", str(tmp_path), photo_size=16)
    assert source.photos and source.image_shape == (16, 16, 3)
    assert (len(source.load("train", str(tmp_path))), len(source.load("test", str(tmp_path)))) == (11, 4)


def test_valid_beside_test_is_a_split_of_its_own(tmp_path):
    for split, count in (("train", 5), ("valid", 3), ("test", 2)):
        write_folder(tmp_path / split, (12, 12, 3), "RGB", count)
    source = sources.get("folder", str(tmp_path))
    assert [len(source.load(split)) for split in ("train", "valid", "test")] == [10, 6, 4]


def test_one_of_another_size_after_the_sample_is_named(tmp_path, monkeypatch):
    write_folder(tmp_path, (12, 12, 3), "RGB")
    monkeypatch.setattr(pictures, "SAMPLE", 1)
    Image.new("RGB", (30, 20)).save(tmp_path / "ant" / "large.png")
    with pytest.raises(InputError, match=r"/(ant|bee)/\w+\.png has \d+ x \d+ pixels, but the others .*--image_size"):
        sources.get("folder", str(tmp_path))


def test_what_does_not_fit_into_memory_is_refused(tmp_path, monkeypatch):
    write_folder(tmp_path, (12, 12, 3), "RGB")
    monkeypatch.setattr(own, "MEMORY", 100)
    with pytest.raises(InputError, match=r"has 10 images of 12 x 12 x 3, .*add --image_size=12"):
        sources.get("folder", str(tmp_path))


# tensorflow-datasets.


@pytest.fixture
def tfds_dir(tmp_path):
    """Two prepared data sets, `own_digits` with images of one size and `own_photos` with others, of three classes."""
    import tensorflow_datasets as tfds

    def store(name, shape, splits):
        classes = tfds.features.ClassLabel(names=["a", "b", "c"])
        features = tfds.features.FeaturesDict({"image": tfds.features.Image(shape=shape), "label": classes})
        tfds.dataset_builders.store_as_tfds_dataset(
            name=name, version="1.0.0", features=features, split_datasets=splits, data_dir=tmp_path
        )

    def records(count, seed):
        return [(str(i), {"image": image, "label": i % 3}) for i, image in enumerate(images(count, (8, 8, 1), seed))]

    store("own_digits", (8, 8, 1), {"train": records(12, 0), "validation": records(6, 1)})
    photos = [(str(i), {"image": images(1, (20 + i, 15, 3), i)[0], "label": i % 3}) for i in range(15)]
    store("own_photos", (None, None, 3), {"train": photos})
    return tmp_path


def test_prepared_data_of_one_size_are_read_and_others_are_found_in_their_files(tfds_dir):
    assert sources.is_present("tfds:own_digits", str(tfds_dir)) and sources.is_present("tfds:own_photos", str(tfds_dir))
    source = sources.get("tfds:own_digits", str(tfds_dir))
    assert (source.image_shape, source.label_names, source.photos) == ((8, 8, 1), ("a", "b", "c"), False)
    train, test = source.load("train"), source.load("test")
    pixels = {image.tobytes(): i % 3 for i, image in enumerate(images(12, (8, 8, 1), 0))}
    assert [pixels[image.tobytes()] for image in train.images] == train.labels.tolist() and len(test) == 6
    source = sources.get("tfds:own_photos", str(tfds_dir), photo_size=16)
    assert (source.image_shape, source.photos) == ((16, 16, 3), True)
    train, test = source.load("train"), source.load("test")
    assert (len(train), np.bincount(test.labels).tolist()) == (12, [1, 1, 1])
    for part in (train, test):
        for place, label in enumerate(part.labels):
            image = pictures.pixels(part, place, 3)
            number = image.shape[0] - 20
            np.testing.assert_array_equal(image, images(1, image.shape, number)[0])
            assert label == number % 3


def test_names_that_are_no_data_set(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="--dataset=tfds:no_such_thing is no data set of tensorflow-datasets, nor"):
        sources.get("tfds:no_such_thing", str(tmp_path))
    monkeypatch.setattr(prepared.files, "reachable", lambda url: False)
    with pytest.raises(InputError, match=r"--dataset=tfds:mnist is not prepared in .* there is no network"):
        sources.get("tfds:mnist", str(tmp_path))
    with pytest.raises(InputError, match=r"choose from .*folder, npz:FILE, tfds:NAME\[/CONFIG\]"):
        sources.get("npz:")
