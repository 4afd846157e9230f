"""What is said of a data set: every kind of oddity is planted once, and a good data set has none."""

import numpy as np
from PIL import Image

from sdarts_tf.data import inspection, own, sources


def noise(count, seed, shape=(6, 6, 3)):
    return np.random.RandomState(seed).randint(0, 256, (count, *shape)).astype(np.uint8)


def inspect(train, test, names=("a", "b")):
    return inspection.inspect(own.measured("own", {"train": train, "test": test}, names), None)


def test_nothing_is_odd_about_good_data():
    labels = np.arange(40) % 2
    found = inspect((noise(40, 0), labels), (noise(20, 1), labels[:20]))
    assert found.oddities == () and found.usable and str(found).endswith("Odd:\nnothing")
    assert found.facts[:2] == ("train: 40 images of 6 x 6 x 3, 2 classes", "  a 20, b 20")


def test_every_oddity_is_said():
    train, test = noise(40, 0), noise(20, 1)
    labels = np.where(np.arange(40) < 6, 1, 0)
    test_labels = np.zeros(20, int)
    train[7] = 9  # one color
    train[3] = train[2]  # twice, with the same label
    train[10] = train[4]  # with two labels
    test[:3] = train[20:23]
    found = inspect((train, labels), (test, test_labels))
    assert found.oddities == (
        "train has fewer than 10 images of b (6).",
        "train is unbalanced: 34 images of a, 6 of b, 5.7 times as many.",
        "1 image has one color only in train: number 7.",
        "test has no image of b.",
        "2 images are in train more than once.",
        "3 images are both in train and in test.",
        "1 image has more than one label.",
    )


def test_grey_images_in_three_channels_and_labels_out_of_range():
    gray = noise(40, 0, (6, 6, 1)).repeat(3, axis=-1)
    found = inspect((gray, np.arange(40) % 2), (noise(20, 1), np.arange(20)))
    assert not found.usable
    assert found.oddities == (
        "All images are grey but stored in three channels in train; one channel would do.",
        "own has labels from 0 to 19, but they must be 0 to 1; correct the file or name another data set.",
    )


def test_channels_first_dark_pixels_and_names_of_two_classes():
    labels = np.arange(40) % 2
    found = inspect((noise(40, 0, (3, 9, 9)) // 128, labels), (noise(20, 1, (3, 9, 9)), labels[:20]), ("a", "a"))
    assert found.usable and found.oddities == (
        "The brightest pixel is 1 of 255 in train; multiply by 255 what counts from 0 to 1.",
        "Images of 3 x 9 x 9 look like [channels, H, W]; channels must come last.",
        "Several classes are called a.",
    )


def test_photos(tmp_path):
    """Mixed sizes, a small one, a copy in the other split, a broken one."""
    for split in ("train", "test"):
        for label, name in enumerate("ab"):
            (tmp_path / split / name).mkdir(parents=True)
            for number in range(10):
                pixels = noise(1, 100 * label + number + 50 * (split == "test"), (40, 40 + number, 3))[0]
                Image.fromarray(pixels).save(tmp_path / split / name / f"{number}.png")
    Image.fromarray(noise(1, 7, (16, 90, 3))[0]).save(tmp_path / "train" / "a" / "small.png")
    copy = (tmp_path / "train" / "a" / "3.png").read_bytes()
    (tmp_path / "test" / "a" / "copy.png").write_bytes(copy)
    source = sources.get("folder", str(tmp_path), image_size=32)
    broken = tmp_path / "test" / "b" / "5.png"
    broken.write_bytes(broken.read_bytes()[:200])
    dangling = tmp_path / "test" / "b" / "link.png"
    dangling.symlink_to(tmp_path / "nowhere.png")
    found = inspection.inspect(source, str(tmp_path))
    assert found.facts[0] == "train: 21 photos, of which 32 x 32 x 3 is cut out, 2 classes" and found.usable
    mixed = "Sizes are mixed of 21 of 21 photos in train: from 16 x 40 to 40 x 90 pixels."
    assert found.oddities[:2] == (
        mixed,
        "Some are smaller than the 32 pixels that a network sees of 21 of 21 photos in train: 16.",
    )
    undecoded = sorted(line.partition(" (")[0] for line in found.oddities[2:4])
    assert undecoded == [f"{broken} cannot be decoded", f"{dangling} cannot be decoded"]
    # What cannot be decoded has neither size nor color.
    assert found.oddities[4] == "Sizes are mixed of 22 of 22 photos in test: from 40 x 40 to 40 x 49 pixels."
    assert found.oddities[5:] == ("1 image is both in train and in test.",)
