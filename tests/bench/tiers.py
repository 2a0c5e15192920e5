"""usage: tiers.py BUILD [FOLDER] [--pairs 5] [--iterations 4] [--host-mem 64MiB] [--device-mem 12.5%]

A decoder with 608 MB of weights, most of which stay in their file, as it is and packed, one thread:
peak resident memory against its limit; the rate at which the queue `load` reads beside a plain
O_DIRECT reader of the same file in the same minute; what is left in the page cache; and how much of
the time compute, in and load were at work, from the trace of a run. FOLDER holds model.onnx and
set0/ or ref0/; without it the model is made in build/large."""
import argparse
import json
import mmap
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from statistics import median

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parent / 'e2e'))
from memory import MIB, model_folder  # noqa: E402
from programs import Programs, dim_words, input_words, io_bytes  # noqa: E402

PIECE = 4 * MIB


def plain_rate(path):
    """Bytes per second of pread with O_DIRECT, 4 MiB at a time, over the whole file."""
    place = mmap.mmap(-1, PIECE)
    fd = os.open(path, os.O_RDONLY | os.O_DIRECT)
    begin, at = time.perf_counter(), 0
    while got := os.preadv(fd, [place], at):
        at += got
    spent = time.perf_counter() - begin
    os.close(fd)
    return at / spent


def cached_bytes(path):
    done = subprocess.run(['fincore', '-nb', '-o', 'RES', path], capture_output=True, text=True,
                          check=True)
    return int(done.stdout.split()[0])


def drop_cache(path):
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(fd)


def largest_file(folder):
    return max((p for p in folder.iterdir() if p.is_file()), key=lambda p: p.stat().st_size)


def busy_shares(trace):
    """Shares of the traced time: of each queue, and of compute, in and load pairwise at once."""
    events = json.loads(pathlib.Path(trace).read_text())
    events = events['traceEvents'] if isinstance(events, dict) else events
    spans = {}
    for e in events:
        if e['ph'] == 'X' and e['tid'] in (1, 2, 4):
            spans.setdefault(e['tid'], []).append((e['ts'], e['ts'] + e['dur']))
    every = [s for several in spans.values() for s in several]
    total = max(end for _, end in every) - min(begin for begin, _ in every)

    def overlap(*queues):
        edges = sorted((t, step, q) for q in queues for begin, end in spans.get(q, [])
                       for t, step in ((begin, 1), (end, -1)))
        open_in, since, both = dict.fromkeys(queues, 0), 0, 0
        for t, step, q in edges:
            both += t - since if all(open_in.values()) else 0
            open_in[q] += step
            since = t
        return both / total
    return {name: overlap(*queues) for name, queues in (
        ('compute', (1,)), ('in', (2,)), ('load', (4,)), ('compute + load', (1, 4)),
        ('compute + in', (1, 2)), ('compute + in + load', (1, 2, 4)))}


def show(name, runs, plain, source, limit):
    rates = [r['queues']['load']['bytes'] / r['queues']['load']['busy_ns'] for r in runs]
    shares = [rate * 1e9 / p for rate, p in zip(rates, plain)]
    peak = max(r['peak_rss_bytes'] for r in runs)
    cached = cached_bytes(source)
    print(f'{name:9} {runs[0]["device_arena_bytes"] / MIB:8.1f} '
          f'{runs[0]["host_arena_bytes"] / MIB:8.1f} {peak / MIB:8.1f} {limit / MIB:8.1f} '
          f'{"within" if peak <= limit else "ABOVE":>7} '
          f'{runs[0]["queues"]["load"]["bytes"] / MIB:9.1f} {median(rates):7.2f} '
          f'{median(plain) / 1e9:7.2f} {median(shares):7.2f} {cached:9} '
          f'{median(r["median_ns"] for r in runs) / 1e6:9.1f}')
    return peak <= limit and cached == 0


def main():
    parser = argparse.ArgumentParser(usage=__doc__.replace('%', '%%'))
    parser.add_argument('build')
    parser.add_argument('folder', nargs='?', type=pathlib.Path)
    parser.add_argument('--pairs', type=int, default=5)
    parser.add_argument('--iterations', type=int, default=4)
    parser.add_argument('--host-mem', default='64MiB')
    parser.add_argument('--device-mem', default='12.5%')
    args = parser.parse_args()
    folder = model_folder(args)
    model, data = folder / 'model.onnx', next(folder.glob('*0/'))
    with tempfile.TemporaryDirectory(dir=args.build) as scratch:
        programs = Programs(args.build, scratch)
        plans = {name: programs.scratch / f'{name}.plan' for name in ('as it is', 'packed')}
        sources = {'as it is': largest_file(folder), 'packed': programs.scratch / 'model.dmspack'}
        for name, plan in plans.items():
            pack = ('--pack', scratch) if name == 'packed' else ()
            _, report = programs.compile(model, plan, '--device-mem', args.device_mem,
                                         '--host-mem', args.host_mem, *pack,
                                         *dim_words(model, data))
            tiers = ', '.join(f'{t} {n / MIB:.0f}' for t, n in report['weights_by_tier'].items())
            print(f'{name}: MiB of weights by tier: {tiers}; predicted '
                  f'{report["period_ns"] / 1e6:.1f} ms, bound {report["bound_ns"] / 1e6:.1f} ms, '
                  f'compiled in {report["compile_ms"]} ms')
            drop_cache(sources[name])
        runs, plain = {n: [] for n in plans}, {n: [] for n in plans}
        words = (*input_words(model, data), '--threads', 1, '--warmup', 1)
        for _ in range(args.pairs):
            for name, plan in plans.items():
                plain[name].append(plain_rate(sources[name]))
                runs[name].append(programs.run(plan, '--model-dir', folder, *words,
                                               '--iterations', args.iterations))
        print(f'{"MiB":9} {"device":>8} {"host":>8} {"peak":>8} {"limit":>8} {"":7} {"read/turn":>9} '
              f'{"GB/s":>7} {"plain":>7} {"ratio":>7} {"cached":>9} {"ms":>9}')
        limit = (sum(runs['packed'][0][f'{t}_arena_bytes'] for t in ('device', 'host'))
                 + 2 * io_bytes(data) + 52 * MIB)
        good = all([show(name, runs[name], plain[name], sources[name], limit) for name in plans])
        for name, plan in plans.items():
            trace = programs.scratch / 'trace.json'
            programs.dmsrun(plan, '--model-dir', folder, *words, '--iterations', 3, '--trace', trace)
            shares = ', '.join(f'{q} {100 * s:.1f} %' for q, s in busy_shares(trace).items())
            print(f'{name}: at work, of the time of three turns: {shares}')
    same = len({r['digest'] for several in runs.values() for r in several}) == 1
    print('same bits' if same else 'THE DIGESTS DIFFER')
    sys.exit(not (same and good))


if __name__ == '__main__':
    main()
