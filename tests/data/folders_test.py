"""Photos in class folders: what is found, what a user reads when it is not, and what a network sees."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from sdarts_tf.data import decoding, folders, sources
from sdarts_tf.data.folders import Distortion
from sdarts_tf.data.streams import Stream, sweep
from sdarts_tf.errors import InputError, RunError

RED, BLUE = (200, 40, 40), (30, 60, 220)


def identity(images, seed):
    return images


def photo(width=60, height=40):
    """Left half red, right half blue."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : width // 2], pixels[:, width // 2 :] = RED, BLUE
    return Image.fromarray(pixels)


def write(folder, split="train", classes=("cat", "dog"), count=3):
    """Photos `<split>/<class>/<number>.png` whose gray level is their number, the class in the width."""
    for label, name in enumerate(classes):
        (folder / split / name).mkdir(parents=True)
        for number in range(count):
            gray = Image.new("L", (40 + 10 * label, 40), number)
            gray.save(folder / split / name / f"{number}.png")


@pytest.fixture
def data_dir(tmp_path):
    """Two classes, three training and two validation photos each."""
    write(tmp_path)
    write(tmp_path, "val", count=2)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "channels", "mean", "std"),
    [
        ("imagenet", 3, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        # Gray levels 0, 1 and 2 of 255; a deviation is not below one level.
        ("folder", 1, (0.0039,), (0.0039,)),
    ],
)
def test_a_folder_is_a_source(data_dir, name, channels, mean, std):
    source = sources.get(name, str(data_dir), image_size=32)
    assert (source.name, source.image_shape, source.label_names) == (name, (32, 32, channels), ("cat", "dog"))
    assert source.mean == mean and source.std == std
    assert (source.flip, source.crop_padding, source.cutout_length) == (True, 0, 0)
    assert sources.get(name, str(data_dir)).image_shape == (224, 224, channels)
    assert len(source.load("train", str(data_dir))) == 6 and len(source.load("test", str(data_dir))) == 4


def test_labels_belong_to_their_folders_and_the_order_is_mixed_and_fixed(tmp_path):
    write(tmp_path, count=20)
    examples = folders.read("train", tmp_path, image_size=8)
    for path, label in zip(examples.paths, examples.labels, strict=True):
        assert path.split("/")[-2] == ("cat", "dog")[label]
    assert sorted(examples.paths) == sorted(str(path) for path in tmp_path.glob("train/*/*"))
    # The first half of 40 mixed photos has between 5 and 15 of each class, but for one order in a thousand.
    assert 5 <= examples.labels[:20].sum() <= 15
    np.testing.assert_array_equal(folders.read("train", tmp_path, image_size=8).paths, examples.paths)


def test_a_checksum_tells_files_and_labels_but_not_where_they_lie(data_dir, tmp_path_factory):
    examples = folders.read("train", data_dir, image_size=8)
    moved = folders.read("train", data_dir.rename(tmp_path_factory.mktemp("moved") / "photos"), image_size=8)
    assert moved.paths[0] != examples.paths[0] and moved.checksum() == examples.checksum()
    renamed = np.array([path.replace("/dog/1.png", "/dog/7.png") for path in examples.paths])
    others = [{"paths": renamed}, {"paths": examples.paths[::-1]}, {"labels": 1 - examples.labels}]
    checksums = {dataclasses.replace(examples, **other).checksum() for other in others}
    assert len(checksums | {examples.checksum(), examples.part(0, 5).checksum()}) == 5


def test_the_test_folder_comes_before_val_if_it_has_classes(data_dir):
    (data_dir / "test").mkdir()
    (data_dir / "test" / "1.jpg").write_bytes(b"of ImageNet's test set, without a label")
    assert "/val/" in folders.read("test", data_dir, image_size=8).paths[0]
    (data_dir / "test" / "1.jpg").unlink()
    write(data_dir, "test", count=1)
    assert len(folders.read("test", data_dir, image_size=8)) == 2


def test_hidden_files_are_passed_over(data_dir):
    (data_dir / "train" / ".cache").mkdir()
    (data_dir / "train" / "cat" / ".DS_Store").write_bytes(b"x")
    assert len(folders.read("train", data_dir, image_size=8)) == 6


def _empty_class(folder):
    for path in (folder / "train" / "cat").iterdir():
        path.unlink()


BROKEN = {
    "an empty class": (_empty_class, r"/train/cat holds no images, but every class needs one"),
    "no image": (lambda folder: (folder / "train/dog/notes.txt").write_text("x"), r"/train/dog/notes\.txt is no image"),
    "a class missing in val": (
        lambda folder: write(folder, classes=["emu"]),
        r"/val/emu is missing, but train/ and val/ must have the same classes",
    ),
    "a class missing in train": (
        lambda folder: write(folder, "val", classes=["emu"]),
        r"/train/emu is missing, but train/ and val/ must have the same classes",
    ),
    "no val": (
        lambda folder: (folder / "val").rename(folder / "held_out"),
        r"has no class folders in test/ or val/; name the folder that holds train/<class>/<image>",
    ),
    "no train": (
        lambda folder: (folder / "train").rename(folder / "cats"),
        r"--data_dir=\S+ has no folder train/; name the folder that holds train/<class>/<image>",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_wrong_layout_is_one_sentence_that_names_the_place(data_dir, name):
    damage, message = BROKEN[name]
    damage(data_dir)
    with pytest.raises(InputError, match=message) as caught:
        for split in ("train", "test"):
            folders.read(split, data_dir, image_size=8)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("data_dir", "message"), [(None, "--data_dir is missing"), ("/nowhere", "is not a folder")])
def test_without_a_folder_the_layout_is_explained(data_dir, message):
    with pytest.raises(InputError, match=rf"{message}; name the folder that holds train/<class>/<image>"):
        sources.get("folder", data_dir)


def test_an_image_size_is_for_photos_only():
    assert sources.get("cifar10", image_size=32).image_shape == (32, 32, 3)
    with pytest.raises(InputError, match="--image_size=64 is for photos in files, but the images of cifar10 have"):
        sources.get("cifar10", image_size=64)


# Decoding.


@pytest.mark.parametrize(
    ("mode", "ending", "colored"),
    [
        *[("RGB", "jpg", True), ("CMYK", "jpg", True), ("L", "jpg", False)],
        *[("RGB", "png", True), ("RGBA", "png", True), ("P", "png", True), ("L", "png", False), ("LA", "png", False)],
        *[("RGB", "gif", True), ("RGB", "webp", True), ("RGBA", "webp", True)],
    ],
)
def test_every_kind_of_image_becomes_rgb(tmp_path, mode, ending, colored):
    photo().convert(mode).save(tmp_path / f"photo.{ending}")
    image = decoding.decode(tf.io.read_file(str(tmp_path / f"photo.{ending}"))).numpy()
    assert image.shape == (40, 60, 3) and image.dtype == np.uint8
    # A palette of the web's colors is coarse; gray levels are Pillow's .299 R + .587 G + .114 B.
    for column, color in ((10, RED), (50, BLUE)):
        expected = color if colored else [np.dot(color, (0.299, 0.587, 0.114))] * 3
        np.testing.assert_allclose(image[20, column], expected, atol=30 if mode == "P" else 4)


def test_bmp_is_refused(data_dir):
    """TensorFlow decodes a palette's image to wrong colors, without an error."""
    photo().convert("P").save(data_dir / "train" / "cat" / "3.bmp")
    with pytest.raises(InputError, match=r"/train/cat/3\.bmp is no image; remove it, or give it the ending \.jpg, "):
        folders.read("train", data_dir, image_size=8)


def test_evaluation_sees_the_middle():
    """Of 512x640 pixels the shorter side becomes 256, and of 256x320 the rows 16 to 239, the columns 48 to 271 stay."""
    rows, columns = np.mgrid[:512, :640]
    image = np.stack([rows // 4, columns // 4, rows * 0], axis=-1).astype(np.uint8)
    middle = decoding.center(tf.constant(image), 224).numpy().astype(int)
    assert middle.shape == (224, 224, 3)
    np.testing.assert_allclose(middle[:, 0, 0], (16 + np.arange(224)) / 2, atol=1)
    np.testing.assert_allclose(middle[0, :, 1], (48 + np.arange(224)) / 2, atol=1)


@pytest.mark.parametrize("shape", [(20, 90), (90, 20), (5, 5), (37, 41)])
def test_evaluation_of_any_shape(shape):
    assert decoding.center(tf.fill([*shape, 3], tf.constant(7, tf.uint8)), 32).numpy().tolist() == [[[7] * 3] * 32] * 32


@pytest.mark.parametrize("shape", [(40, 50), (97, 41), (24, 24), (25, 33), (375, 500), (28, 28)])
def test_evaluation_resizes_the_photo_and_cuts_out_the_middle(shape):
    """Enlarged, reduced, and at a scale of 1."""
    image = tf.constant(np.random.RandomState(0).randint(0, 256, (*shape, 3), np.uint8))
    sides = [round(side * 32 / min(shape)) for side in shape]
    top, left = ((side - 28) // 2 for side in sides)
    resized = tf.image.resize(image, sides, antialias=True)[top : top + 28, left : left + 28]
    np.testing.assert_allclose(decoding.center(image, 28), resized, atol=1)


@pytest.mark.parametrize("axis", [0, 1])
def test_evaluation_of_a_line_enlarges_its_middle_alone(axis):
    """Of 4000 pixels, enlarged to 256 each, 224 around the border of the middle two are seen; all would be 3 GB."""
    line = np.zeros(4000, np.uint8)
    line[2000:] = 200
    image = np.expand_dims(np.stack([line] * 3, axis=-1), 1 - axis)
    middle = decoding.center(tf.constant(image), 224).numpy()
    ramp = 200 * (0.5 + (np.arange(224) + 0.5 - 112) / 256)
    np.testing.assert_allclose(middle.take(100, axis=1 - axis), np.stack([ramp] * 3, axis=-1), atol=1)
    assert (middle == middle.take([0], axis=1 - axis)).all()


def test_random_cuts_have_the_area_and_ratio_of_the_recipe():
    """Of a ramp, a cut shows where it was taken: area 8 to 100 %, ratio 3/4 to 4/3 but for what does not fit."""
    rows, columns = np.mgrid[:100, :100]
    ramp = tf.constant(np.stack([2 * rows, 2 * columns, rows * 0], axis=-1).astype(np.uint8))
    cut = tf.function(lambda seed: decoding.distorted(ramp, 50, seed, Distortion(jitter=False)))
    areas, ratios, starts = [], [], set()
    for number in range(200):
        image = cut(tf.constant([1, number])).numpy().astype(float)
        height, width = ((image[-1, -1, axis] - image[0, 0, axis]) / 2 / 49 * 50 for axis in (0, 1))
        areas.append(height * width / 100**2)
        ratios.append(width / height)
        starts.add(tuple(image[0, 0]))
    assert 0.07 < min(areas) < 0.15 and 0.85 < max(areas) < 1.03
    assert 0.7 < min(ratios) < 0.85 and 1.2 < max(ratios) < 1.42
    assert np.mean(areas) == pytest.approx(0.38, abs=0.05) and len(starts) > 150


def test_jitter_stays_within_its_strength():
    """On gray nothing but brightness shows: factors of .6 to 1.4, evenly spread."""
    gray = tf.fill([8, 8, 3], tf.constant(100, tf.uint8))
    jitter = tf.function(lambda seed: decoding.distorted(gray, 8, seed, Distortion(min_area=1.0)))
    levels = np.array([jitter(tf.constant([0, number])).numpy() for number in range(200)])
    assert (np.ptp(levels, axis=(1, 2, 3)) <= 1).all()
    levels = levels[:, 0, 0, 0] / 100
    assert 0.59 <= levels.min() < 0.65 and 1.35 < levels.max() <= 1.41
    assert levels.mean() == pytest.approx(1.0, abs=0.05)


def test_jitter_changes_colors_but_not_without_being_asked():
    image = tf.constant(np.asarray(photo(40, 40)))
    plain = decoding.distorted(image, 40, (0, 0), Distortion(min_area=1.0, jitter=False))
    np.testing.assert_array_equal(plain, image)
    hues = {tuple(decoding.distorted(image, 40, (0, n), Distortion(min_area=1.0)).numpy()[20, 5]) for n in range(8)}
    assert len(hues) == 8


# Streams.


def stream(data_dir, distortion=None):
    """Of photos of noise, no two parts of which are alike."""
    noise = np.random.RandomState(0)
    for path in sorted(data_dir.glob("train/*/*")):
        Image.fromarray(noise.randint(0, 256, (40, 50, 3), np.uint8)).save(path)
    examples = folders.read("train", data_dir, image_size=16)
    examples = examples if distortion is None else examples.distorted(distortion)
    return Stream(examples, 4, identity, seed=3, purpose="training")


def test_a_sweep_decodes_every_photo_once(data_dir):
    examples = folders.read("train", data_dir, image_size=16)
    batches = list(sweep(examples, 4, identity, seed=(0, 0)))
    assert [images.shape for images, _, _ in batches] == [(4, 16, 16, 3)] * 2
    images, labels, counts = (np.concatenate([batch[place] for batch in batches]) for place in range(3))
    assert counts.tolist() == [1] * 6 + [0] * 2 and images.dtype == np.uint8
    numbers = [int(path.split("/")[-1].removesuffix(".png")) for path in examples.paths]
    assert images[:6, 0, 0, 0].tolist() == numbers
    np.testing.assert_array_equal(labels[:6], examples.labels)


@pytest.mark.parametrize("distortion", [None, Distortion()], ids=["middle", "distorted"])
def test_random_access_equals_sequential(data_dir, distortion):
    sequential = list(stream(data_dir, distortion).batches(0, 6))[3:]
    for batch, expected in zip(stream(data_dir, distortion).batches(3, 6), sequential, strict=True):
        tf.nest.map_structure(np.testing.assert_array_equal, batch, expected)


def test_every_step_distorts_anew(data_dir):
    batches = list(stream(data_dir, Distortion()).batches(0, 8))
    assert len({image.numpy().tobytes() for images, _ in batches for image in images}) > 28


def truncate(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


@pytest.mark.parametrize("damage", [truncate, lambda path: path.write_bytes(b"no image"), lambda path: path.unlink()])
def test_a_broken_file_is_named(data_dir, damage):
    path = data_dir / "train" / "cat" / "1.png"
    photo().save(path.with_suffix(".jpg"))
    path.unlink()
    path = path.with_suffix(".jpg")
    examples = folders.read("train", data_dir, image_size=16)
    batches = Stream(examples, 2, identity, seed=0, purpose="training")
    damage(path)
    for consumer in (batches.batches(1, 5), sweep(examples, 2, identity, seed=(0, 0))):
        with pytest.raises(RunError, match=rf"^{path} cannot be decoded \(.*\); put a whole image in its") as caught:
            list(consumer)
        assert "\n" not in str(caught.value) and "[Op" not in str(caught.value)
