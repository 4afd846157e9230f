"""The candidates between the blocks of the recurrent cell. Imports no TensorFlow.

Source: `sota/rnn/genotypes.py` of the official code; Liu et al., "DARTS", ICLR 2019, section 3.2.
"""

from sdarts_tf.spaces.discretize import edge_rows

NAME = GROUP = "recurrent"
NUM_BLOCKS = 8
# (source, target) of each row of alpha: blocks 1 to 8, each from all earlier states; state 0 is made of input and
# hidden state.
EDGES = edge_rows(1, NUM_BLOCKS)
CANDIDATES = ("none", "tanh", "relu", "sigmoid", "identity")
OUTPUTS = tuple(range(1, 1 + NUM_BLOCKS))
