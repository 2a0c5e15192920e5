"""usage: test_arena.py BUILD [FOLDER]

build/tests/bench/arena as a user calls it: what it packs is a packing (checked here by a sweep of
our own), what it cannot pack it refuses with nothing on stdout. FOLDER holds real instances: each
must be packed at the best top that is known by each of five seeds; processor times are printed, and
not judged: machines differ. Where a program `minimalloc` can be found, the eleven of 1,048,576 must take less than a
third of its time."""
import bisect
import gzip
import pathlib
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from programs import Failure, need

SEEDS = range(5)
HARD = [f'{letter}.1048576.csv' for letter in 'ABCDEFGHIJK']
# Others: the live peak, the best top known as a multiple of it (to four decimals), slots of the cycle.
KNOWN = {'somas_resnet50.csv': (1515472556, 1.0003, None),
         'somas_pangu_2.6B.csv': (5530099775, 1.0076, None),
         'iopddl_G_1.csv': (3030937746, 1, None), 'iopddl_S_1.csv.gz': (1498635932, 1.0018, None),
         'unet_keep.csv': (368803840, 1.0009, 1049), 'llama_keep.csv': (2319450112, 1.1429, 2809)}
HEAD = 'id,lower,upper,size\n'


class Arena:
    def __init__(self, build, scratch):
        self.program, self.scratch = build / 'tests' / 'bench' / 'arena', pathlib.Path(scratch)

    def run(self, path, capacity, *words):
        return subprocess.run([self.program, path, '--capacity', str(capacity), *map(str, words)],
                              capture_output=True, text=True, check=False, timeout=600)

    def file(self, rows):
        path = self.scratch / 'made.csv'
        path.write_text(HEAD + ''.join(f'{i},{a},{b},{size}\n' for i, (a, b, size) in enumerate(rows)))
        return path


def rows_of(text):
    return [[int(number) for number in line.split(',')] for line in text.splitlines()[1:]]


def lives_of(first, end, cycle):
    """The ranges of slots of a life, on a cycle: one, or two where it passes the end."""
    if cycle is None or end <= cycle:
        return [(first, end)]
    return [(0, cycle)] if end - first >= cycle else [(first, cycle), (0, end - cycle)]


def is_packing(rows, capacity, cycle):
    """By a sweep over time: who lives keeps to itself, so who comes is compared with neighbours."""
    events = []
    for _, first, end, size, offset in rows:
        if offset < 0 or offset + size > capacity:
            return False
        for begin, until in lives_of(first, end, cycle):
            events += [(until, 0, offset, size), (begin, 1, offset, size)]
    alive = []  # (offset, size), which end in the same order as they begin
    for _, comes, offset, size in sorted(events):
        if not comes:
            alive.pop(bisect.bisect_left(alive, (offset, size)))
            continue
        at = bisect.bisect_left(alive, (offset, size))
        below, above = alive[at - 1:at], alive[at:at + 1]
        if any(o + s > offset for o, s in below) or any(o < offset + size for o, _ in above):
            return False
        alive.insert(at, (offset, size))
    return True


def packs(arena, path, capacity, cycle=None, seed=0):
    """Packs, checks, and returns the seconds that stderr says."""
    words = ('--cycle', cycle) if cycle else ()
    done = arena.run(path, capacity, '--seed', seed, *words)
    need(done.returncode == 0, f'{path.name} at {capacity}: {done.returncode}, {done.stderr}')
    need(done.stdout.startswith('id,lower,upper,size,offset\n'), f'{path.name}: another head')
    rows = rows_of(done.stdout)
    need([row[:4] for row in rows] == rows_of(path.read_text()), f'{path.name}: not the same rows')
    need(is_packing(rows, capacity, cycle), f'{path.name} at {capacity}: no packing')
    found = re.search(r' ([0-9.]+) s$', done.stderr.strip().splitlines()[-1])
    need(found, f'{path.name}: no time in {done.stderr!r}')
    return float(found.group(1))


def the_sweep_finds_what_overlaps(_):
    """[0, 2) and [1, 3) share slot 1; [0, 2) and [2, 3) share none; [2, 5) of a cycle of 4 is there
    in slot 0 again."""
    need(is_packing([[0, 0, 2, 4, 0], [1, 1, 3, 4, 4]], 8, None), 'side by side')
    need(not is_packing([[0, 0, 2, 4, 0], [1, 1, 3, 4, 3]], 8, None), 'an overlap of one')
    need(not is_packing([[0, 0, 2, 4, 0], [1, 1, 3, 4, 0]], 8, None), 'the same place')
    need(is_packing([[0, 0, 2, 4, 0], [1, 2, 3, 4, 0]], 4, None), 'one after the other')
    need(not is_packing([[0, 0, 2, 4, 5]], 8, None), 'above the top')
    need(not is_packing([[0, 0, 2, 4, 0], [1, 2, 5, 4, 0]], 8, 4), 'round the end')
    need(is_packing([[0, 1, 2, 4, 0], [1, 2, 5, 4, 0]], 4, 4), 'round the end, one slot later')


def cut(number, slots, height, draw):
    """A rectangle of slots x height cut into `number` pieces: every slot is full."""
    pieces = [(0, slots, 0, height)]
    while len(pieces) < number:
        pieces.sort(key=lambda p: (p[1] - p[0]) * (p[3] - p[2]))
        a, b, low, high = pieces.pop()
        if b - a > 1 and (draw.random() < 0.5 or high - low < 2):
            t = draw.randrange(a + 1, b)
            pieces += [(a, t, low, high), (t, b, low, high)]
        else:
            y = draw.randrange(low + 1, high)
            pieces += [(a, b, low, y), (a, b, y, high)]
    draw.shuffle(pieces)
    return [(a, b, high - low) for a, b, low, high in pieces]


def pieces_of_a_rectangle_fit_into_it(arena):
    for seed in range(3):
        path = arena.file(cut(60 + 20 * seed, 40, 5000, random.Random(seed)))
        packs(arena, path, 5000)


def what_turns_round_the_cycle_fits(arena):
    """Three that live for two thirds of a cycle: two in every slot, yet each two meet in one."""
    path = arena.file([(0, 4, 10), (2, 6, 10), (4, 8, 10)])
    packs(arena, path, 30, cycle=6)
    need(arena.run(path, 29, '--cycle', 6).returncode == 1, 'three of them lie in 29')


def what_does_not_fit_leaves_stdout_empty(arena):
    path = arena.file([(0, 2, 6), (1, 3, 6)])
    packs(arena, path, 12)
    done = arena.run(path, 11)
    need(done.returncode == 1 and done.stdout == '', f'{done.returncode}, {done.stdout!r}')
    need('nothing within the capacity' in done.stderr, done.stderr)


def files_that_are_none_are_refused(arena):
    path = arena.scratch / 'bad.csv'
    for text in ('', HEAD, HEAD + 'x\n', HEAD + '0,5,5,1\n', HEAD + '0,0,5,0\n', HEAD + '0,0,5\n',
                 HEAD + '0,0,5,1,7\n', HEAD + '0,0,5,9223372036854775807\n' * 2,
                 HEAD + '0,0,9999999999999999999,1\n', HEAD + '0,0,5,1e3\n'):
        path.write_text(text)
        done = arena.run(path, 100)
        need(done.returncode == 1 and done.stdout == '' and 'bad.csv' in done.stderr,
             f'{text!r}: {done.returncode}, {done.stdout!r}, {done.stderr!r}')
    path.write_text(HEAD + '0,7,8,1\n')
    need(arena.run(path, 100, '--cycle', 7).returncode == 1, 'a life that begins behind the cycle')
    need(arena.run(arena.scratch / 'nobody.csv', 5).returncode == 1, 'a file that is not there')
    need(arena.run(arena.scratch, 5).returncode == 1, 'a folder')


def calls_that_are_wrong_are_refused(arena):
    path = arena.file([(0, 2, 6)])
    for capacity in ('0', '-1', 'x', '1x', '', '9223372036854775808'):
        need(arena.run(path, capacity).returncode == 2, f'--capacity {capacity!r}')
    for words in (('--cycle', '0'), ('--cycle', 'x'), ('--seed', '-1'), ('--seed',), ('--what', '1'),
                  ('--without', 'luck')):
        need(arena.run(path, 100, *words).returncode == 2, f'{words}')
    with open('/dev/full', 'w', encoding='ascii') as full:
        done = subprocess.run([arena.program, path, '--capacity', '6'], stdout=full,
                              stderr=subprocess.PIPE, check=False)
    need(done.returncode == 1, 'a full stdout passes')


def plain(arena, path):
    if path.suffix != '.gz':
        return path
    out = arena.scratch / path.stem
    out.write_bytes(gzip.decompress(path.read_bytes()))
    return out


def every_known_instance_is_packed(arena, folder):
    known = {name: (1048576, None) for name in (*HARD, 'cut250_keep.csv')}
    for name, (peak, best, cycle) in KNOWN.items():
        known[name] = (int(peak * (best + 0.00005 * (best > 1))), cycle)
    found = {path.name for path in folder.glob('*.csv*')}
    need(found == set(known), f'instances {sorted(found ^ set(known))} are not known, or not there')
    for name, (capacity, cycle) in known.items():
        path = plain(arena, folder / name)
        times = [packs(arena, path, capacity, cycle, seed) for seed in SEEDS]
        median = statistics.median(times)
        print(f'{name:24} {capacity:12} {median:8.3f} s, at most {max(times):.3f} s')


def the_hard_ones_take_a_third_of_minimalloc(arena, folder):
    program = shutil.which('minimalloc')
    if program is None:
        return 'skipped'
    ours = theirs = 0
    for name in HARD:
        ours += packs(arena, folder / name, 1048576)
        begin = time.monotonic()
        subprocess.run([program, f'--input={folder / name}', '--capacity=1048576',
                        f'--output={arena.scratch / "theirs.csv"}'], check=True, capture_output=True)
        theirs += time.monotonic() - begin
    print(f'minimalloc {theirs:.2f} s, ours {ours:.2f} s')
    need(3 * ours < theirs, f'{ours:.2f} s, minimalloc {theirs:.2f} s')
    return None


def main():
    build = pathlib.Path(sys.argv[1])
    folder = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else None
    tests = [(test, ()) for test in (
        the_sweep_finds_what_overlaps, pieces_of_a_rectangle_fit_into_it,
        what_turns_round_the_cycle_fits, what_does_not_fit_leaves_stdout_empty,
        files_that_are_none_are_refused, calls_that_are_wrong_are_refused)]
    if folder is not None:
        tests += [(every_known_instance_is_packed, (folder,)),
                  (the_hard_ones_take_a_third_of_minimalloc, (folder,))]
    passed = failed = skipped = 0
    with tempfile.TemporaryDirectory() as scratch:
        for test, words in tests:
            try:
                if test(Arena(build, scratch), *words) == 'skipped':
                    skipped += 1
                else:
                    passed += 1
            except (Failure, subprocess.SubprocessError) as failure:
                print(f'{test.__name__}: {failure}')
                failed += 1
    print(f'{passed} passed, {failed} failed' + (f', {skipped} skipped' if skipped else ''))
    return failed != 0


if __name__ == '__main__':
    sys.exit(main())
