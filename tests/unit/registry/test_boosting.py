"""LightGBM where its system library is missing."""

from __future__ import annotations

import subprocess
import sys


def test_a_missing_library_of_the_system_is_one_sentence() -> None:
    """As on a Debian without libgomp1."""
    broken = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name == "lightgbm":
            raise OSError("libgomp.so.1: cannot open shared object file")
sys.meta_path.insert(0, Missing())
from scorer.cli.main import main
sys.exit(main(["evaluate", "sepsis", "--outcomes"]))
"""
    done = subprocess.run([sys.executable, "-c", broken], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.strip() == (
        "scorer: LightGBM cannot be loaded (libgomp.so.1: cannot open shared object file); install what it needs: on Debian, "
        "apt install libgomp1."
    )
