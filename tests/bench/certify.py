#!/usr/bin/env python3
"""Compares the planner's certificates with an independent bound: certify.py BUILD VERIFY FILE.json...

BUILD is the folder of bench programs' build (build); VERIFY a program that prints `bound_ms NUMBER`
for `VERIFY FILE.json --mem BYTES --bound` (the placement prototype's verify.py does; it needs scipy,
so run this with a Python that has it). Every budget of every instance gives one row. The certificate
may be below the independent bound, never above it by more than 1e-6 of it: exit code 1 then.
"""
import re
import subprocess
import sys

TOLERANCE = 1e-6


def certificates(build, path):
    """(budget, certificate in ms) of every budget of an instance."""
    out = subprocess.run([f"{build}/tests/bench/placement", path], capture_output=True, text=True,
                         check=True).stdout
    rows = [line.split() for line in out.splitlines()[1:]]
    return [(int(row[1]), float(row[4])) for row in rows if len(row) >= 7]


def independent(verify, path, budget):
    """The other program's bound in ms, or None where it has none."""
    command = [sys.executable, verify, path, "--mem", str(budget), "--bound"]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"bound_ms ([0-9.]+)", out)
    return float(found.group(1)) if found else None


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    build, verify, paths = sys.argv[1], sys.argv[2], sys.argv[3:]
    above = 0
    print(f"{'instance':40} {'budget':>14} {'certificate':>14} {'independent':>14} {'difference':>11}")
    for path in paths:
        for budget, ours in certificates(build, path):
            theirs = independent(verify, path, budget)
            if theirs is None:
                continue
            difference = ours / theirs - 1
            above += difference > TOLERANCE
            name = path.rsplit("/", 1)[-1].removesuffix(".json")
            print(f"{name:40} {budget:14} {ours:14.4f} {theirs:14.4f} {difference:11.2e}", flush=True)
    print(f"{above} certificates above the independent bound")
    sys.exit(1 if above else 0)


if __name__ == "__main__":
    main()
