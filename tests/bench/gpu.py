"""usage: gpu.py BUILD BASE --profile NAME|FILE --card TEXT [--device cuda] [--layers 40,80]
    [--tokens 1,8192,16384] [--repeats 5] [--small]

Llama-2-shaped decoders in bf16 with random weights, made here, on the card: everything resident,
then at 50, 25 and 12.5 % of the weights, the same process each time. Writes BASE.json, BASE.md and
BASE-lanes.svg, a picture of when each queue was to work and when it did. Nothing is written that was
not measured here; what could not be run is named with the reason. --device cpu --small tries this
program out where there is no card."""
import argparse
import datetime
import json
import pathlib
import platform
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / 'e2e'))
sys.path.insert(0, str(HERE.parent / 'models'))
from programs import Failure, Programs, floor_named  # noqa: E402

BUDGETS = ('50%', '25%', '12.5%')
ALLOWED = 1.05          # of the resident time
PAST = 2047             # tokens in the cache when one more is decoded
LANES = {'compute': '#3b6ea5', 'in': '#c4722f', 'out': '#6b9e4e', 'load': '#8a6bb0'}


def shapes(small):
    """name -> (layers, shape), largest sizes of the models that are measured."""
    from decoder import Shape
    if small:
        return {'tiny': Shape(layers=4, width=256, heads=8, groups=8, inner=640, vocab=512)}
    return {
        'llama2-13b': Shape(layers=40, width=5120, heads=40, groups=40, inner=13824, vocab=32000),
        'llama2-70b': Shape(layers=80, width=8192, heads=64, groups=8, inner=28672, vocab=32000),
    }


class Model:
    """One model in a folder, and the plans and runs of it."""

    def __init__(self, args, programs, name, shape):
        from hollow import hollow_decoder
        self.args, self.programs, self.name = args, programs, name
        self.folder = programs.scratch / name
        hollow_decoder(self.folder, shape)
        self.plan = programs.scratch / f'{name}.plan'

    def compile(self, tokens, budget, *words):
        """The report of dmsc; a Failure that names the floor where the budget is below it."""
        done, report = self.programs.compile(
            self.folder / 'model.onnx', self.plan, '--dim', 'batch=1', '--dim', f'seq={tokens}',
            '--dim', f'past={PAST if tokens == 1 else 0}', '--profile', self.args.profile, '--device-mem', budget, *words, expect=(0, 5))
        if report is None:
            raise Failure(f'below the floor of {floor_named(done.stderr)} bytes')
        return report

    def run(self, *words):
        return self.programs.run(self.plan, '--device', self.args.device, '--model-dir',
                                 self.folder, '--random-weights', 1, '--digest', '--warmup', 2,
                                 '--iterations', self.args.repeats, *words)


def measure(model, tokens, budget, resident_ns):
    """One row of the table."""
    row = {'model': model.name, 'tokens': tokens, 'device_mem': budget}
    try:
        plan = model.compile(tokens, budget)
        run = model.run()
    except (Failure, subprocess.TimeoutExpired) as why:
        return row | {'not_measured': str(why).strip().splitlines()[-1]}
    row |= {'predicted_ns': plan['period_ns'], 'median_ns': run['median_ns'],
            'p90_ns': run.get('p90_ns'), 'digest': run.get('digest')}
    row['measured_over_predicted'] = row['median_ns'] / row['predicted_ns']
    if resident_ns:
        row['over_resident'] = row['median_ns'] / resident_ns
    return row


def rows_of(model, tokens):
    """Resident, then each budget, in one process of this program."""
    rows = [measure(model, tokens, '1000%', None)]
    resident = rows[0].get('median_ns')
    rows += [measure(model, tokens, budget, resident) for budget in BUDGETS]
    digests = {r['digest'] for r in rows if r.get('digest')}
    for row in rows:
        row['same_digest'] = len(digests) <= 1
    return rows


# ---- the lanes


def spans(trace):
    """(queue, start, end) in microseconds of the events of a trace, from its first event on."""
    events = trace['traceEvents'] if isinstance(trace, dict) else trace
    names = {e['tid']: e['args']['name'] for e in events
             if e.get('ph') == 'M' and e.get('name') == 'thread_name'}
    found = [(names.get(e['tid'], ''), e['ts'], e['ts'] + e.get('dur', 0)) for e in events
             if e.get('ph') == 'X']
    found = [s for s in found if s[0] in LANES]
    first = min((s[1] for s in found), default=0)
    return [(q, a - first, b - first) for q, a, b in found]


def picture(predicted, measured, title):
    """Both as lanes one above the other, to one scale, as SVG."""
    wide, high, left = 1000, 22, 150
    length = max((s[2] for s in predicted + measured), default=1) or 1
    out = [f'<text x="4" y="16">{title}; {length / 1000:.1f} ms from left to right</text>']
    y = 26
    for what, lanes in (('predicted', predicted), ('measured', measured)):
        for queue, colour in LANES.items():
            out.append(f'<text x="4" y="{y + 15}">{what} {queue}</text>')
            out += [f'<rect x="{left + a / length * (wide - left):.2f}" y="{y}" height="{high - 4}" '
                    f'width="{max((b - a) / length * (wide - left), 0.2):.2f}" fill="{colour}"/>'
                    for q, a, b in lanes if q == queue]
            y += high
        y += 8
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{y}" '
            f'font-family="sans-serif" font-size="12">\n' + '\n'.join(out) + '\n</svg>\n')


def draw(model, tokens, base):
    """The smallest budget that can be planned."""
    scratch = model.programs.scratch
    for budget in reversed(BUDGETS):
        try:
            model.compile(tokens, budget, '--trace', scratch / 'plan.trace')
        except Failure:
            continue
        model.run('--trace', scratch / 'run.trace')
        both = [spans(json.loads((scratch / f).read_text())) for f in ('plan.trace', 'run.trace')]
        title = f'{model.name}, {tokens} tokens, --device-mem {budget}'
        pathlib.Path(f'{base}-lanes.svg').write_text(picture(*both, title))
        return


# ---- what is written


def table(rows):
    lines = ['| model | tokens | `--device-mem` | ms | / resident | / predicted | same bits | |',
             '|---|---|---|---|---|---|---|---|']
    for r in rows:
        head = f"| {r['model']} | {r['tokens']} | {r['device_mem']} | "
        if 'not_measured' in r:
            lines.append(f"{head}- | - | - | - | {r['not_measured']} |")
            continue
        over = r.get('over_resident')
        missed = over is not None and r['tokens'] > 1 and over > ALLOWED
        lines.append(f"{head}{r['median_ns'] / 1e6:.2f} | {f'{over:.3f}' if over else 1} | "
                     f"{r['measured_over_predicted']:.3f} | {'yes' if r['same_digest'] else 'NO'} | "
                     f"{'above 1.05' if missed else ''} |")
    return '\n'.join(lines)


def write(base, facts, rows):
    pathlib.Path(f'{base}.json').write_text(json.dumps(facts | {'rows': rows}, indent=1) + '\n')
    pathlib.Path(f'{base}.md').write_text(
        f"# {facts['card']}\n\n{facts['date']}, {facts['host']}, profile {facts['profile']}, medians "
        f"of {facts['repeats']} turns, seeded random weights. Printed by `tests/gpu.sh`.\n\n"
        f"{table(rows)}\n\nNot measured here: PyTorch, Accelerate and diffusers beside it; memory by "
        f"the driver's count.\n")


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument('build', type=pathlib.Path)
    parser.add_argument('base')
    parser.add_argument('--profile', required=True)
    parser.add_argument('--card', required=True)
    parser.add_argument('--device', default='cuda')
    parser.add_argument('--tokens', default='1,8192,16384')
    parser.add_argument('--repeats', type=int, default=5)
    parser.add_argument('--small', action='store_true')
    args = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        programs = Programs(args.build, scratch)
        tokens = [int(t) for t in args.tokens.split(',')]
        for name, shape in shapes(args.small).items():
            model = Model(args, programs, name, shape)
            for n in tokens:
                rows += rows_of(model, n)
                print(table(rows[-4:]), flush=True)
            if not pathlib.Path(f'{args.base}-lanes.svg').exists():
                draw(model, tokens[-1], args.base)
    facts = {'card': args.card, 'date': datetime.date.today().isoformat(),
             'host': platform.platform(), 'profile': args.profile, 'repeats': args.repeats}
    write(args.base, facts, rows)
    return 0 if any('median_ns' in r for r in rows) else 1


if __name__ == '__main__':
    sys.exit(main())
