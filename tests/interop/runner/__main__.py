"""Real peers of other implementations against our programs: sets up, runs, prints a table.

Called by `tests/interop/run`, in the root of the repository. Needs Python alone; the peers' packages go into
environments of their own under target/interop.
"""

import argparse
import os
import pathlib
import sys
import time

import environments
import plan
import programs
import table


def main():
    parser = argparse.ArgumentParser(prog="tests/interop/run", description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", help="runs whose line of the table has this in it")
    parser.add_argument("--list", action="store_true", help="the runs, without running them")
    arguments = parser.parse_args()

    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", "target")).absolute()
    cases = [case for case in plan.cases() if chosen(case, arguments.only)]
    if arguments.list:
        print("\n".join(" · ".join(case.columns()) for case in cases))
        return 0
    if not cases:
        parser.error("no run is called so; --list names them")

    begun = time.monotonic()
    needed = {case.needs for case in cases}
    setting_up = environments.start(target / "interop", needed)
    ours = programs.build(target)
    rows = []
    for case in cases:
        peer = setting_up[case.needs].result()
        row = programs.run(case, peer, ours, target / "interop")
        rows.append(row)
        print(table.progress(row), flush=True)
    print(table.text(rows))
    print(f"{time.monotonic() - begun:.0f} s; what each program said is in {target / 'interop' / 'logs'}")
    return any(row.failures for row in rows)


def chosen(case, only):
    line = " ".join(case.columns()).lower()
    return not only or any(part.lower() in line for part in only)


if __name__ == "__main__":
    sys.exit(main())
