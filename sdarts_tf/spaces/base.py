"""What every search space offers, and the architecture variables of a search."""

import abc
import dataclasses

import keras
import numpy as np
import tensorflow as tf

from sdarts_tf.errors import InputError
from sdarts_tf.genotypes.genotype import Genotype

Mixture = dict[str, tf.Tensor]


@dataclasses.dataclass(frozen=True)
class Choices:
    """What is to be decided in a group of alpha: for each row one candidate, then for each node two of its edges.

    Args:
        candidates: for each row the candidates among which is chosen, column -> name.
        nodes: for each node with more than two edges the rows of those that arrive.
    """

    candidates: tuple[dict[int, str], ...]
    nodes: tuple[tuple[int, ...], ...] = ()


class SearchSpace(abc.ABC):
    """Which candidate operations may sit on which edge of which cell. Concrete spaces are final."""

    name: str
    # Whether its supernets are called with `drop_rate=`, the probability of dropping a mixed edge in training.
    drops_edges = False
    # Whether its supernets are built with `edges_at_once=`, the most edges that one kernel computes; 0 is all.
    divides_edges = False

    @abc.abstractmethod
    def alpha_shapes(self) -> dict[str, tuple[int, int]]:
        """Group of alpha -> (rows, candidates)."""

    @abc.abstractmethod
    def discretize(self, mixture: dict[str, np.ndarray], *, max_skips: int | None = None) -> Genotype:
        """The genotype of the strongest edges and operations.

        Args:
            mixture: the shares, and the weights of edges if they have any.
            max_skips: largest number of skip connections in the normal cell; None is any.

        Raises:
            InputError: the space knows no such limit.
        """

    @abc.abstractmethod
    def kept(self, genotype: Genotype) -> dict[str, np.ndarray]:
        """Which shares of a mixture a genotype of this space keeps.

        Returns:
            Group -> bool `[rows, candidates]`, for every group that a mixture of the space may have.
        """

    def one_hot(self, mixture: Mixture, genotype: Genotype) -> Mixture:
        """The mixture, in which every row that has one kept share is that candidate alone; other rows stay mixed."""
        rounded = {}
        for group, shares in mixture.items():
            kept = tf.constant(self.kept(genotype)[group], shares.dtype)
            rounded[group] = tf.where(tf.reduce_sum(kept, axis=-1, keepdims=True) == 1, kept, shares)
        return rounded

    def pruned(self, mixture: Mixture, genotype: Genotype) -> Mixture:
        """The genotype's network inside the supernet: rows without a kept share are zero, the others divided evenly."""
        rounded = {}
        for group, shares in mixture.items():
            kept = tf.constant(self.kept(genotype)[group], shares.dtype)
            rounded[group] = tf.math.divide_no_nan(kept, tf.reduce_sum(kept, axis=-1, keepdims=True))
        return rounded

    def choices(self) -> dict[str, "Choices"]:
        """Group of alpha -> what is to be decided there when a genotype is selected edge by edge.

        Raises:
            InputError: the space has no such choices.
        """
        raise InputError(f"The space {self.name!r} cannot be selected by perturbation; use --select=argmax.")

    def rows(self) -> dict[str, list[tuple[str, tuple[str, ...]]]]:
        """For each group of alpha and each of its rows a label and the names of its candidates; by default numbers."""
        return {
            group: [(f"row {row}", tuple(map(str, range(columns)))) for row in range(count)]
            for group, (count, columns) in self.alpha_shapes().items()
        }

    def complete(self, mixture: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The mixture over all candidates of `spaces.rows`: those that a stage of the search has dropped have 0."""
        return mixture


class ImageSpace(SearchSpace):
    """A space of cells that classify images."""

    # Whether its networks can have a second classifier.
    has_auxiliary = False
    # Cells of its supernets: the usual number, and the smallest one, of its networks too.
    supernet_cells = 8, 3
    # Channels and cells of its networks: the usual numbers.
    network_size = 36, 20

    def edge_shapes(self) -> dict[str, tuple[int, int]]:
        """Group of alpha that weighs whole edges -> (1, edges that arrive at its node); PC-DARTS's edge normalization.

        A supernet weighs its edges where its mixture has these groups, and all by 1 where it has not.

        Raises:
            InputError: the space knows no edge weights.
        """
        raise InputError(f"The space {self.name!r} has no edge weights; leave 'pc' out of --method.")

    @abc.abstractmethod
    def build_supernet(
        self,
        num_classes: int,
        channels: int,
        cells: int,
        *,
        channel_divisor: int = 1,
        dropped_skips: bool = False,
        image_channels: int = 3,
    ) -> keras.Model:
        """The network that holds all candidates.

        Args:
            num_classes: number of logits.
            channels: channels of the first cells; even.
            cells: number of cells, at least as many as `supernet_cells` says.
            channel_divisor: K of PC-DARTS: only the first of K parts of the channels passes through the candidates.
            dropped_skips: skip connections of stride 1 have a dropout in training, as in P-DARTS. The supernet is
                called with `skip_dropout=`, its rate, then.
            image_channels: channels of the images.

        A space that `divides_edges` takes `edges_at_once=` too, as `layers.mixed.MixedOperation` does.

        Raises:
            InputError: the channels cannot be divided, or the space knows no partial channels.

        Returns:
            A model called as `supernet(images, mixture, training=False, seed=None, prepared=None)` -> logits
            `[N, num_classes]`; images are `[N, H, W, image_channels]`. `seed` (int32 `[2]`) keys the draws of
            random candidates. `prepared` is what `supernet.prepare(images, training, seed)` returned: all that does not
            depend on the mixture, for calls with many mixtures.
        """

    @abc.abstractmethod
    def build_network(
        self,
        genotype: Genotype,
        num_classes: int,
        channels: int,
        cells: int,
        *,
        auxiliary: bool = False,
        large_images: bool = False,
        image_channels: int = 3,
    ) -> keras.Model:
        """The network of a genotype, to be trained from scratch.

        Args:
            genotype: the architecture; of this space or of another with the same cells.
            num_classes: number of logits.
            channels: channels of the first cells; even.
            cells: number of cells, at least as many as `supernet_cells` says.
            auxiliary: whether training has a second classifier at two thirds of the depth.
            large_images: a stem for ImageNet's sizes, which reduces three times before the first cell.
            image_channels: channels of the images.

        Returns:
            A model called as `network(images, training=False, drop_rate=None, seed=None)` -> logits
            `[N, num_classes]`; images are `[N, H, W, image_channels]`. In training with `auxiliary`, it returns the
            pair of logits and auxiliary logits. `drop_rate` is the probability of dropping a path, a scalar tensor, and
            needs a `seed`, int32 `[2]`.

        Raises:
            InputError: the genotype has another kind of cells, an unknown operation, or an impossible edge.
        """


class Architecture(tf.Module):
    """The free architecture variables alpha: one trainable variable per group, apart from every weight.

    Args:
        shapes: group -> (rows, candidates).
        seed: of the start, 1e-3 * N(0, 1), as in the official code.

    Example:
        >>> architecture = Architecture({"normal": (14, 7), "reduce": (14, 7)}, seed=2)
        >>> mixture = architecture.mixture()
        >>> bool(tf.reduce_all(abs(tf.reduce_sum(mixture["normal"], axis=-1) - 1) < 1e-6))
        True
    """

    def __init__(self, shapes, *, seed):
        super().__init__(name="architecture")
        self.alpha = {
            group: tf.Variable(1e-3 * tf.random.stateless_normal(shape, seed=(seed, index)), name=f"alpha_{group}")
            for index, (group, shape) in enumerate(shapes.items())
        }

    def constrained(self, mixture: Mixture) -> Mixture:
        """What a mixture, also a perturbed one, is allowed to be: here anything."""
        return mixture

    def mixture(self) -> Mixture:
        """The shares of all candidates: the only softmax over alpha in the package."""
        return self.mixture_and_pullback()[0]

    def mixture_and_pullback(self, alpha=None):
        """The mixture, and the function that turns a gradient by the mixture into one by alpha.

        Args:
            alpha: group -> tensor, to be used instead of the variables.
        """
        alpha = alpha or {group: tf.convert_to_tensor(variable) for group, variable in self.alpha.items()}
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(alpha)
            mixture = self.constrained({group: tf.nn.softmax(values) for group, values in alpha.items()})

        def pullback(mixture_gradient: Mixture) -> Mixture:
            return tape.gradient(mixture, alpha, output_gradients=mixture_gradient)

        return mixture, pullback
