"""usage: test_graphs.py BUILD GRAPHS [WORD]

What is promised of large graphs, whose weights are not there: floors, resident memory, bytes of the
plan, the curve. GRAPHS holds the exporters' graphs of Llama-2; a graph of 20,000 operators is made.
Processor times of one core are printed beside what is promised, and not judged: machines differ.
WORD: only tests whose name has it."""
import csv
import json
import pathlib
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / 'bench')]
from graphs import user_seconds  # noqa: E402
from large import random_graph  # noqa: E402
from programs import Failure, floor_named, need  # noqa: E402

PREFILL = {'batch': 1, 'seq': 2048, 'past': 0}
SMALL = ('llama2-7b-ts17', 'llama2-7b-dynamo18', 'llama2-7b-dynamo23')
LARGE = 'llama2-70b-ts17'
MOST_BYTES, MOST_PLAN = 300 * 10**6, 5 * 10**6
CURVE_POINTS = 25


class Graphs:
    def __init__(self, build, folder, scratch):
        self.dmsc, self.folder, self.scratch = build / 'dmsc', folder, pathlib.Path(scratch)

    def compile(self, path, dims, *words, profile='h100-pcie'):
        """(exit code, report or None, processor seconds, what was said)."""
        report = self.scratch / 'report.json'
        report.unlink(missing_ok=True)
        dim_words = [w for name, value in dims.items() for w in ('--dim', f'{name}={value}')]
        done, seconds = user_seconds([self.dmsc, path, '-q', '--json', report, '--profile', profile,
                                      '--host-mem', '1000GiB', *dim_words, *words])
        found = json.loads(report.read_text()) if done.returncode == 0 else None
        return done.returncode, found, seconds, done.stderr

    def llama(self, name, *words, profile='h100-pcie'):
        dims = dict(PREFILL, total=PREFILL['seq']) if name.endswith('ts17') else PREFILL
        return self.compile(self.folder / f'{name}.onnx', dims, *words, profile=profile)


def the_floor_of_7b_is_a_16th_of_its_weights_and_the_least_there_is(graphs):
    for name, profile in (*((name, 'h100-pcie') for name in SMALL), (SMALL[0], 'cpu')):
        code, report, *_ = graphs.llama(name, '--device-mem', 'floor', profile=profile)
        need(code == 0, f'{name}: {code}')
        floor = report['floor_bytes']
        need(16 * floor <= report['weights_bytes'], f'{name}: floor {floor}')
        need(floor == report['floor_lower_bound_bytes'], f'{name}: a smaller floor is not ruled out')
        need(report['device_arena_bytes'] <= floor, f'{name}: the plan takes more than the floor')
    code, _, _, said = graphs.llama(SMALL[0], '--device-mem', floor - 1, profile='cpu')
    need(code == 5 and floor_named(said) == floor, f'a byte less: {code}, {said}')


def is_small(title, code, report, seconds, most_seconds):
    need(code == 0, f'{title}: {code}')
    print(f'{title:28} {seconds:6.1f} of {most_seconds} s {report["peak_rss_bytes"] / 1e6:6.0f} MB '
          f'{report["plan_bytes"] / 1e6:6.2f} MB  period / bound '
          f'{report["period_ns"] / report["bound_ns"]:.4f}')
    need(report['peak_rss_bytes'] <= MOST_BYTES, f'{title}: {report["peak_rss_bytes"]} bytes resident')
    need(report['plan_bytes'] <= MOST_PLAN, f'{title}: a plan of {report["plan_bytes"]} bytes')


def a_whole_compile_of_70b_takes_little_memory(graphs):
    """62.5 % is the slowest of its budgets."""
    for percent in ('62.5%', '12.5%'):
        code, report, seconds, _ = graphs.llama(LARGE, '--device-mem', percent, '-o',
                                                graphs.scratch / 'a.plan')
        is_small(f'{LARGE}, {percent}', code, report, seconds, 10)


def so_do_twenty_thousand_operators(graphs):
    path = graphs.scratch / 'random.onnx'
    path.write_bytes(random_graph(20000, 1).SerializeToString())
    code, report, seconds, _ = graphs.compile(path, {}, '--device-mem', '50%')
    need(report is None or report['steps'] > 10000, 'that is no large graph')
    is_small('20,000 operators, 50%', code, report, seconds, 30)


def more_memory_is_never_slower_on_the_curve_of_70b(graphs):
    """A quarter of them, beside what a compile takes without."""
    path = graphs.scratch / 'curve.csv'
    code, _, alone, _ = graphs.llama(LARGE, '--device-mem', '12.5%')
    need(code == 0, f'{code}')
    code, _, seconds, _ = graphs.llama(LARGE, '--device-mem', '12.5%', '--curve', path,
                                       '--curve-points', CURVE_POINTS)
    need(code == 0, f'{code}')
    rows = [{key: int(value) for key, value in row.items()} for row in csv.DictReader(path.open())]
    need(len(rows) == CURVE_POINTS, f'{len(rows)} points')
    for less, more in zip(rows, rows[1:]):
        need(less['device_budget_bytes'] < more['device_budget_bytes'], 'budgets in no order')
        need(less['period_ns'] >= more['period_ns'], f'slower with more: {less}, {more}')
        need(less['bound_ns'] >= more['bound_ns'], f'a bound rises: {less}, {more}')
    need(all(row['bound_ns'] <= row['period_ns'] for row in rows), 'a bound above its plan')
    need(rows[0]['device_budget_bytes'] == rows[0]['floor_bytes'], 'it does not begin at the floor')
    hundred = alone + (seconds - alone) * 100 / CURVE_POINTS
    print(f'{CURVE_POINTS} points of {LARGE}: {seconds:.1f} s, a hundred: {hundred:.0f} of 60 s')


TESTS = (the_floor_of_7b_is_a_16th_of_its_weights_and_the_least_there_is,
         a_whole_compile_of_70b_takes_little_memory, so_do_twenty_thousand_operators,
         more_memory_is_never_slower_on_the_curve_of_70b)


def main():
    build, folder = map(pathlib.Path, sys.argv[1:3])
    word = sys.argv[3] if len(sys.argv) > 3 else ''
    passed = failed = 0
    with tempfile.TemporaryDirectory(dir=build) as scratch:
        for test in TESTS:
            if word not in test.__name__:
                continue
            try:
                test(Graphs(build, folder, scratch))
                passed += 1
            except Failure as failure:
                print(f'{test.__name__}: {failure}')
                failed += 1
    print(f'{passed} passed, {failed} failed')
    return failed != 0


if __name__ == '__main__':
    sys.exit(main())
