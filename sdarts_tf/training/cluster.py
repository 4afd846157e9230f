"""The processes that share one run, as `--strategy` and TF_CONFIG name them. Imports no TensorFlow."""

import dataclasses
import json
import os
import re
import socket
import sys
import time

from sdarts_tf.errors import InputError, RunError

_EXAMPLE = '{"cluster": {"worker": ["host0:2222", "host1:2222"]}, "task": {"type": "worker", "index": 0}}'


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The processes of a run, and which of them this is.

    Args:
        addresses: `host:port` of each.
        index: of this process; process 0 is the chief, who alone writes the run's folder.
    """

    addresses: tuple[str, ...] = ("localhost",)
    index: int = 0

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the run's folder."""
        return self.index == 0


def read(strategy: str, environment=None) -> Cluster:
    """The cluster of a run.

    Args:
        strategy: the value of `--strategy`; all but `multi_worker` have one process.
        environment: where TF_CONFIG is looked for; default the process's.

    Raises:
        InputError: `multi_worker` without a TF_CONFIG, or with one that is damaged.

    Example:
        >>> config = '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 1}}'
        >>> read("multi_worker", {"TF_CONFIG": config}).is_chief
        False
    """
    if strategy != "multi_worker":
        return Cluster()
    text = (os.environ if environment is None else environment).get("TF_CONFIG")
    if not text:
        raise InputError(
            f"--strategy=multi_worker finds its machines in the environment variable TF_CONFIG; set it to {_EXAMPLE}."
        )
    try:
        config = json.loads(text)
        addresses, task = config["cluster"]["worker"], config["task"]
        kinds, index = {task["type"], *config["cluster"]}, task["index"]
    except (TypeError, ValueError, LookupError, AttributeError) as error:
        raise InputError(f"TF_CONFIG={text} cannot be read ({error!r}); its form is {_EXAMPLE}.") from error
    if not isinstance(addresses, list) or not all(re.fullmatch(r"\S+:\d+", str(a)) for a in addresses):
        raise InputError(f"TF_CONFIG names the workers {addresses}; list a host:port for each, as in {_EXAMPLE}.")
    if kinds != {"worker"} or type(index) is not int or not 0 <= index < len(addresses):
        raise InputError(
            f"TF_CONFIG={text} is not that of a worker with an index from 0 to {len(addresses) - 1}; give every "
            f"process its own index, and no other kind of task, as in {_EXAMPLE}."
        )
    return Cluster(tuple(addresses), index)


def roll_call(cluster: Cluster, *, seconds: float = 600.0) -> None:
    """Waits until every process of the cluster listens at its address. This one does so while it waits.

    TensorFlow would wait for the others in native code, without end, and deaf to signals.

    Raises:
        InputError: this process's address belongs to another program, or to no device of this machine.
        RunError: somebody did not come within `seconds`.
    """
    port = int(cluster.addresses[cluster.index].rpartition(":")[2])
    missing = [address for number, address in enumerate(cluster.addresses) if number != cluster.index]
    began, told = time.monotonic(), False
    try:
        door = socket.create_server(("", port), backlog=len(cluster.addresses))
    except OSError as error:
        raise InputError(
            f"Port {port} of worker {cluster.index} is not free ({error.strerror}); change TF_CONFIG."
        ) from error
    with door:
        while missing := [address for address in missing if not _listens(address)]:
            waited = time.monotonic() - began
            if waited > seconds:
                raise RunError(
                    f"{', '.join(missing)} did not come within {seconds:.0f} seconds; start all "
                    f"{len(cluster.addresses)} workers of TF_CONFIG together."
                )
            if waited > 5 and not told:
                print(f"Worker {cluster.index} waits for {', '.join(missing)}.", file=sys.stderr, flush=True)
                told = True
            time.sleep(0.1)


def _listens(address):
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return True
