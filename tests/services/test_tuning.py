"""Tuning: what a process that does one job is set to; in a process of its own, for it is not taken back."""

import subprocess
import sys

from services.tuning import COLLECT_AFTER, SWITCH_SECONDS

ASKED = """
import gc, sys
from services.tuning import tune
tune()
print(gc.get_threshold(), round(sys.getswitchinterval(), 6), gc.get_freeze_count() > 0)
"""


def test_cycles_are_looked_for_seldom_and_threads_take_turns_often() -> None:
    answer = subprocess.run([sys.executable, "-c", ASKED], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == f"{COLLECT_AFTER} {SWITCH_SECONDS} True"


SETTLED = """
import gc
from services.tuning import settle
loop = []
loop.append(loop)
known = len(gc.get_objects())
settle()
print(len(gc.get_objects()) < known / 10, gc.get_freeze_count() > known / 2, gc.isenabled())
"""


def test_what_is_loaded_is_set_aside_and_what_comes_later_is_looked_at() -> None:
    answer = subprocess.run([sys.executable, "-c", SETTLED], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "True True True"
