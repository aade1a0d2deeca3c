"""What a person types to train the network, and what comes back."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from facefeat import plugins
from tests.cli.test_commands import document, refused, run
from tests.making import write_people

TINY = ["--backbone", "twoblocks", "--faces", "none", "--epochs", 2, "--batch-size", 8, "--augment", 1, "--workers", 1]


@pytest.fixture(autouse=True)
def twoblocks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Bring the backbone twoblocks, as another package would."""
    point = EntryPoint("twoblocks", "tests.tune.finetuning.twoblocks", plugins.GROUPS["backbone"])
    monkeypatch.setattr(plugins, "entry_points", lambda group: [point] if group == point.group else [])
    plugins._others.cache_clear()
    yield
    plugins._others.cache_clear()


def test_the_table_the_plot_and_what_comes_next(tmp_path: Path) -> None:
    data = write_people(tmp_path / "people", {"ada": 6, "bob": 6}, size=40)
    output, plot = tmp_path / "tuned.npz", tmp_path / "curve.svg"
    found = run("finetune", data, "--unfreeze", "block2", "-o", output, "--plot", plot, *TINY)
    assert found.exit_code == 0, found.stderr
    assert max(map(len, found.stdout.splitlines())) <= 100
    for word in ("trained from block2 on", "frozen", "tuned", "McNemar's exact test", "Fine-tuning", "compare --test"):
        assert word in " ".join(found.stdout.split())
    assert "epoch 2 of 2: loss" in found.stderr and found.stderr.splitlines()[-1].startswith("Next: facefeat extract ")
    assert plot.read_text().startswith("<svg")
    made = document("extract", data, "-o", tmp_path / "f.h5", *TINY[:4], "--weights", output, "--engine", "keras")
    assert (made["recipe"]["weights"], made["rows"]) == ("file", 12)
    message = (
        f"{output} holds a network that was tuned otherwise (random_state is 0 there and 1 now); write to another "
    )
    words = ["finetune", data, "--unfreeze", "block2", "-o", output, "--random-state", 1, *TINY]
    assert refused(2, *words).startswith(message)


def test_a_mistake_is_one_sentence(tmp_path: Path) -> None:
    data = write_people(tmp_path / "people", {"ada": 3, "bob": 3})
    words = ["finetune", data, "-o", tmp_path / "t.npz"]
    assert "There is no block of twoblocks to unfreeze 'block3'" in refused(2, *words, "--unfreeze", "block3", *TINY)
    assert (
        refused(2, *words, "--unfreeze", "block2", *TINY, "--epochs", 0) == "--epochs must be 1 or more; 0 was given."
    )
    assert "cannot be fine-tuned" in refused(2, *words, "--unfreeze", "block2", "--backbone", "thumb")
