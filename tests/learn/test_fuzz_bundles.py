"""A short run of the fuzzer, and proofs that it notices what it is for."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

from tests import fuzz_bundles as fuzz
from tests.crafted import Canary, canary_of
from tests.making import run_python


def test_damaged_and_hostile_bundles_are_refused_or_harmless(small_models: list[Path]) -> None:
    found = fuzz.fuzz_bundles(600, 20261121, small_models)
    assert found.faults == []
    assert found.mutations == 600 == sum(found.refused.values()) + found.unchanged + found.changed
    assert found.refused["DamagedFile"] > 400 and found.slowest < fuzz.LIMIT and found.largest < 500
    # Some reach the numbers.
    assert found.unchanged > 5 and found.changed > 5


def test_the_canary_can_be_set_off(tmp_path: Path) -> None:
    data = pickle.dumps(Canary(canary_of(tmp_path)))
    assert not canary_of(tmp_path).exists()
    pickle.loads(data)
    assert canary_of(tmp_path).is_dir()


# What must not happen, done on purpose in a fresh interpreter, for one that has threads may not fork.
HARM = """
import json, os, signal, sys, time
from pathlib import Path
from facefeat.learn import bundle
from tests import fuzz_bundles as fuzz
from tests.crafted import Whole

def killed(path): os.kill(os.getpid(), signal.SIGSEGV)
def hung(path): time.sleep(60)
def failed(path): return [][1]

fuzz.LIMIT = 1.0
whole = [Whole.of(Path(sys.argv[1]).read_bytes())]
for harm in (killed, hung, failed):
    bundle.read = harm
    for record in fuzz.batch(range(2), 1, whole, [""], Path(sys.argv[2])):
        print(json.dumps(record))
"""


def test_the_fuzzer_notices(small_models: list[Path], tmp_path: Path) -> None:
    found = fuzz.Fuzzed()
    for line in run_python(HARM, str(small_models[0]), str(tmp_path)).splitlines():
        found.add(json.loads(line))
    assert (len(found.crashes), len(found.hangs), len(found.unlisted)) == (1, 1, 2)
    assert "ended with -11" in found.crashes[0] and "IndexError: list index out of range" in found.unlisted[0]
    assert len(found.faults) == 4
