"""A cluster of three nodes on this machine: a head that only leads, and two that work."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

STORE = 100 * 1024**2  # bytes of a node's object store
# A lost node refuses every question at once, so asking often finds it soon. One that is only slow has 10 s for each answer, as
# always.
ASKED_OFTEN = {"health_check_period_ms": 500}


class Cluster:
    """Ray's own, whose nodes can be lost and added; S3 is what a folder of their own tells them."""

    def __init__(self, own: Path) -> None:
        from ray.cluster_utils import Cluster as RayCluster

        head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": STORE, "_system_config": ASKED_OFTEN}
        self._own = own
        self._cluster = RayCluster(initialize_head=True, head_node_args=head)
        self.nodes = [self.add(), self.add()]

    @property
    def address(self) -> str:
        return f"ray:{self._cluster.address}"

    def add(self, **options: Any) -> Any:
        with pytest.MonkeyPatch.context() as patch:
            for name in [name for name in os.environ if name.startswith("AWS_")]:
                patch.delenv(name)
            patch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(self._own / "credentials"))
            patch.setenv("AWS_CONFIG_FILE", str(self._own / "config"))
            patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
            return self._cluster.add_node(num_cpus=1, object_store_memory=STORE, **options)

    def tell_of_s3(self, endpoint: str, *, credentials: bool = True) -> None:
        """Let S3 be what is at an address, for the nodes."""
        (self._own / "config").write_text(f"[default]\nregion = us-east-1\nendpoint_url = {endpoint}\n")
        secret = "[default]\naws_access_key_id = nodes\naws_secret_access_key = nodes\n"
        (self._own / "credentials").write_text(secret if credentials else "")

    def lose(self) -> None:
        """Kill a node as a power cut does; another than the driver's, who would go with it."""
        import ray

        own = ray.get_runtime_context().get_node_id()
        lost = next(node for node in self.nodes if node.node_id != own)
        self.nodes.remove(lost)
        self._cluster.remove_node(lost, allow_graceful=False)

    def mend(self) -> None:
        """Add what is missing, and wait until all know of it and of what was lost."""
        import ray

        while len(self.nodes) < 2:
            self.nodes.append(self.add())
        with suppress(RuntimeError):
            ray.init(self._cluster.address, log_to_driver=False, logging_level="ERROR")
        until = time.monotonic() + 60
        while {one["NodeID"] for one in ray.nodes() if one["Alive"] and one["Resources"].get("CPU")} != {
            node.node_id for node in self.nodes
        }:
            assert time.monotonic() < until
            time.sleep(0.2)
        ray.shutdown()

    def end(self) -> None:
        self._cluster.shutdown()


@pytest.fixture(scope="session")
def cluster(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Give a cluster, whose two working nodes are there before and after each test."""
    pytest.importorskip("ray", reason="the extra 'cluster' is not installed")
    root = Path(__file__).resolve().parents[3]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("PYTHONPATH", os.pathsep.join([str(root), *filter(None, [os.environ.get("PYTHONPATH")])]))
        made = Cluster(tmp_path_factory.mktemp("nodes"))
        yield made
        made.end()
