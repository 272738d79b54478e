"""A work that is always the same, to tell what grows from a machine that grows slower."""

from __future__ import annotations

import json
import time

import numpy as np


def time_same_work() -> float:
    """Return the CPU time of objects, text and arrays, of which quanta are made too: some 10 ms."""
    start = time.process_time()
    facts = {f"name {number}": {"number": number, "half": number / 2} for number in range(4000)}
    json.loads(json.dumps(facts))
    np.sort(np.random.default_rng(1).random(100_000))
    return time.process_time() - start
