#!/usr/bin/env python3
"""usage: certify.py BUILD VERIFY FILE.json... [--host PCT]

Compares the planner's certificates with an independent bound. BUILD is the folder of the build,
VERIFY a program that prints `bound_ms NUMBER` for `VERIFY FILE.json --mem BYTES --bound` (the
placement prototype's verify.py does; it needs scipy, so run this with a Python that has it). Every
budget of every instance gives one row; --host 50: with a host of half the weights.

The independent program has one row for each step of link, arrival, memory and what is written back.
It knows none of what the planner's program has beside these: the wait for inputs, every copy of a
turn in one sum, stocks told apart by the pace of their blocks, what waits on the host, latencies and
the ring of what is read from storage, large blocks that are being read, blocks on their way, steps
short of their own blocks. So every certificate is proven by tools/check_certificate.py, and where it
is above the independent bound by more than 1e-6 of it, it must have a price on one of these, which
are named. Exit code 1: a certificate is not proven, or above without such a price.
"""
import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile

TOLERANCE = 1e-6
CHECK = pathlib.Path(__file__).resolve().parents[2] / 'tools' / 'check_certificate.py'


def budgets(path):
    """The floor and below have no certificate; the file names what is worth a look."""
    return json.loads(path.read_text())['budgets']


def certificate(build, path, budget, out):
    """The bound in ms, None below the floor; its certificate goes to `out`."""
    done = subprocess.run([build / 'tests' / 'bench' / 'placement', path, '--budget', str(budget),
                           '--certificate', out], capture_output=True, text=True, check=True)
    row = done.stdout.splitlines()[1].split()
    return float(row[4]) if len(row) >= 7 and 'below' not in row else None


def is_proven(path, out):
    done = subprocess.run([sys.executable, CHECK, path, out], capture_output=True, text=True,
                          check=False)
    if done.returncode != 0:
        print(done.stdout + done.stderr)
    return done.returncode == 0


def newer_rows(out):
    """What has a price that the independent program does not know."""
    root = json.loads(out.read_text())
    common = root['columns'].split(';')[0].split(', ')  # the paces' own columns stand behind these
    cases, groups = root['cases'], [g for c in root['cases'] for g in c['groups']]
    found = {'paces': any(len(c['cut_bytes']) > 1 for c in cases) and
                      any(any(g[len(common):]) for g in groups)}
    for name in ('inputs', 'away', 'busy'):
        found[name] = any(g[common.index(name)] for g in groups)
    for name in ('host', 'storage', 'large', 'link_total', 'short', 'pair', 'apart'):
        found[name] = any(c[name] != 0 for c in cases)
    return [name for name, binds in found.items() if binds]


def independent(verify, path, budget):
    """The other program's bound in ms, or None where it has none."""
    command = [sys.executable, verify, path, '--mem', str(budget), '--bound']
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r'bound_ms ([0-9.]+)', out)
    return float(found.group(1)) if found else None


def with_host(path, percent, scratch):
    """The instance, or one like it whose host is this share of its weights."""
    if percent is None:
        return path
    problem = json.loads(path.read_text())
    problem['host_mem'] = problem['weight_bytes'] * percent // 100
    copy = scratch / path.name
    copy.write_text(json.dumps(problem))
    return copy


def compare(args, path, budget, out):
    """One row; whether the certificate holds and may be where it is, and whether it is above."""
    ours = certificate(args.build, path, budget, out)
    theirs = independent(args.verify, path, budget) if ours is not None else None
    if theirs is None:
        return True, False
    proven, by = is_proven(path, out), newer_rows(out)
    difference = ours / theirs - 1
    is_above = difference > TOLERANCE
    holds = proven and (not is_above or by != [])
    print(f'{path.stem:40} {budget:14} {ours:14.4f} {theirs:14.4f} {difference:11.2e}  '
          f'{"proven" if proven else "NOT PROVEN"}{", by " + ", ".join(by) if is_above and by else ""}'
          f'{"" if holds else "  WRONG"}', flush=True)
    return holds, is_above


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument('build', type=pathlib.Path)
    parser.add_argument('verify', type=pathlib.Path)
    parser.add_argument('files', type=pathlib.Path, nargs='+')
    parser.add_argument('--host', type=int)
    args = parser.parse_args()
    print(f'{"instance":40} {"budget":>14} {"certificate":>14} {"independent":>14} {"difference":>11}')
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for file in args.files:
            path = with_host(file, args.host, pathlib.Path(folder))
            rows += [compare(args, path, budget, pathlib.Path(folder) / 'certificate.json')
                     for budget in budgets(path)]
    wrong = sum(not holds for holds, _ in rows)
    print(f'{len(rows)} certificates, {sum(above for _, above in rows)} above the independent bound '
          f'by rows that it has not, {wrong} wrong')
    sys.exit(1 if wrong else 0)


if __name__ == '__main__':
    main()
