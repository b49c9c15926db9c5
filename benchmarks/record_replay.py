"""What recording keeps and what it removes: `python -m benchmarks.record_replay`.

Records 200 lives of the contract suite's reference server and its variants, replays them on the
virtual clock, and compares each response; then records lives in which 20 secrets are planted, and
searches the files for them. Exits with 1 if a response differs or a secret is found.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "contract_tests"))

from self_tests.recording_trials import leaks, plant, replay_trial

LIVES = 200


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        found = replay_trial(LIVES, Path(folder))
        print(
            f"{found.lives} lives, {found.responses} responses, {found.values} values: "
            f"{len(found.differences)} differ; {found.removed_texts} texts were removed"
        )
        print(*found.differences, sep="\n")
    with tempfile.TemporaryDirectory() as folder:
        secrets = plant(Path(folder))
        leaked = leaks(Path(folder), secrets)
    print(f"{len(leaked)} of {len(secrets)} planted secrets are in the files {leaked or ''}")
    return 1 if found.differences or leaked else 0


if __name__ == "__main__":
    sys.exit(main())
