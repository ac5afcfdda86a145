"""Killed at any moment, its API server too, `certlet controller` loses and repeats nothing."""

import random

import pytest

from support.cluster_kills import kill_controller_at_random

pytestmark = pytest.mark.kube


def test_killed_at_random_nothing_is_lost_and_nothing_is_finalized_twice(
    binary, cluster, bind, tmp_path
):
    """hack/faults --cluster does the same a thousand times."""
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    tally = kill_controller_at_random(binary, tmp_path, cluster, bind, 30, 20, seed)
    assert (tally.kills, tally.certificates) == (30, 20) and tally.pairs >= 20
    assert tally.faults() == {}, f"seed {seed}: {tally}"
