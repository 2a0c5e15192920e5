#!/usr/bin/env python3
"""usage: run.py BUILD [--runs N] [--seconds S] [--only NAME,...] [--grown FOLDER]

Runs the fuzz targets of a build folder over tests/fuzz/corpus: N inputs or S seconds each (default
2000 inputs), whatever ends first. In a build of the preset `fuzz` libFuzzer drives them, looks for
new paths and keeps what finds one in FOLDER/NAME (BUILD/grown); elsewhere fuzz_main.c changes the
corpus blindly, by seed. Every input must end within a second and 200 MB (both more under
sanitizers). What fails is written to BUILD/failed. Prints a line per target, then how many passed."""
import argparse
import os
import pathlib
import re
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
NAMES = sorted(p.stem[5:] for p in HERE.glob('fuzz_*.c')
               if not p.stem.startswith(('fuzz_support', 'fuzz_main')))
# What was freed by one input need not be remembered for the next, nor be given back to the system.
ENVIRONMENT = {**os.environ, 'ASAN_OPTIONS':
               'quarantine_size_mb=1:allocator_release_to_os_interval_ms=-1'}
# Of this target every input takes thousands of edges: to weigh them all takes longer than to run it.
FLAGS = {'plan_run': ['-entropic=0', '-max_len=128']}


def corpus_of(name):
    return sorted((HERE / 'corpus' / name).iterdir())


def last(text, label):
    """The last number behind a label."""
    found = re.findall(re.escape(label) + r'\s*(\d+)', text)
    return found[-1] if found else '0'


def stat(text, name):
    return last(text, f'stat::{name}:')


def run_guided(args, name, program):
    """libFuzzer. Its memory limit has room for the sanitizers' own."""
    grown = pathlib.Path(args.grown or args.build / 'grown') / name
    grown.mkdir(parents=True, exist_ok=True)
    failed = args.build / 'failed'
    failed.mkdir(exist_ok=True)
    command = [program, f'-runs={args.runs}', f'-max_total_time={args.seconds}', '-timeout=10',
               '-rss_limit_mb=600', '-malloc_limit_mb=200', '-print_final_stats=1',
               '-report_slow_units=1', f'-artifact_prefix={failed}/{name}-', *FLAGS.get(name, [])]
    if (HERE / f'{name}.dict').exists():
        command.append(f'-dict={HERE / name}.dict')
    done = subprocess.run([*command, grown, HERE / 'corpus' / name], env=ENVIRONMENT,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    text = done.stdout.decode(errors='replace')
    slowest = int(stat(text, 'slowest_unit_time_sec'))
    line = (f"{stat(text, 'number_of_executed_units')} inputs, "
            f"{stat(text, 'average_exec_per_sec')} a second, {last(text, 'cov: ')} edges, "
            f"{len(list(grown.iterdir()))} kept, slowest {slowest} s, "
            f"{stat(text, 'peak_rss_mb')} MB")
    return done.returncode == 0 and slowest <= 5, line, text


def run_blind(args, name, program):
    files = corpus_of(name)
    rounds = max(1, args.runs // len(files))
    begin = time.monotonic()
    done = subprocess.run([program, str(rounds), *files], env=ENVIRONMENT, cwd=args.build,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    text = done.stdout.decode(errors='replace')
    n = (rounds + 1) * len(files)
    rate = n / max(1e-3, time.monotonic() - begin)
    return done.returncode == 0, f'{n} inputs, {rate:.0f} a second', text


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument('build', type=lambda text: pathlib.Path(text).resolve())
    parser.add_argument('--runs', type=int, default=2000)
    parser.add_argument('--seconds', type=int, default=600)
    parser.add_argument('--only', default=','.join(NAMES))
    parser.add_argument('--grown')
    args = parser.parse_args()
    is_guided = 'DMS_FUZZ:BOOL=ON' in (args.build / 'CMakeCache.txt').read_text()
    run = run_guided if is_guided else run_blind
    failed = 0
    for name in args.only.split(','):
        passed, line, text = run(args, name, args.build / 'tests' / f'fuzz_{name}')
        print(f'{name:10} {line}', flush=True)
        if not passed:
            failed += 1
            print(text[-4000:])
    n = len(args.only.split(','))
    print(f'{n - failed} passed, {failed} failed')
    sys.exit(failed > 0)


if __name__ == '__main__':
    main()
