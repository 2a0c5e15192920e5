"""usage: gpu.py BUILD BASE --profile NAME|FILE --card TEXT [--device cuda]
    [--tokens 1,2048,8192,16384] [--repeats 5] [--small]

Llama-2-shaped decoders in bf16 with random weights, made here, on the card: everything resident,
then at 50, 25 and 12.5 % of the weights, planned with the step times of the resident run. 13B whole,
beside PyTorch, Accelerate and diffusers where they are installed (gpu_peers.py); 70B at an eighth of
its weights with as many layers as the host's memory holds, beside a resident run of as many as the
card's holds. Writes BASE.json, BASE.md with every goal of the issue (gpu_goals.py), and
BASE-lanes.svg, a picture of when each queue was to work and when it did. Nothing is written that was
not measured here; what could not be run is named with the reason. --device cpu --small
--profile cpu tries this program out where there is no card."""
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
sys.path.insert(0, str(HERE))
from gpu_goals import goals_of, table_of  # noqa: E402
from gpu_peers import HOWS  # noqa: E402
from programs import Failure, Programs, floor_named  # noqa: E402

BUDGETS = ('50%', '25%', '12.5%')
PROFILES = HERE.parent.parent / 'planner' / 'profiles'
PAST = 2047             # tokens in the cache when one more is decoded
LANES = {'compute': '#3b6ea5', 'in': '#c4722f', 'out': '#6b9e4e', 'load': '#8a6bb0'}


def sizes(small):
    """The two models, largest sizes of what is measured: name and sizes each."""
    if small:
        tiny = {'width': 256, 'heads': 8, 'groups': 8, 'inner': 640, 'vocab': 512}
        return ('tiny', {'layers': 4} | tiny), ('tiny-large', {'layers': 6} | tiny)
    return (('llama2-13b', {'layers': 40, 'width': 5120, 'heads': 40, 'groups': 40, 'inner': 13824,
                            'vocab': 32000}),
            ('llama2-70b', {'layers': 80, 'width': 8192, 'heads': 64, 'groups': 8, 'inner': 28672,
                            'vocab': 32000}))


def layers_in(size, number):
    """How many layers of these sizes such memory holds, with a tenth to spare, and all but the
    embeddings."""
    w, head = size['width'], size['width'] // size['heads']
    layer = 2 * (2 * w * w + 2 * w * size['groups'] * head + 3 * w * size['inner'])
    rest = 4 * size['vocab'] * w
    return max(1, min(size['layers'], int((number * 0.9 - rest) // layer)))


def free_on_host():
    for line in pathlib.Path('/proc/meminfo').read_text().splitlines():
        if line.startswith('MemAvailable:'):
            return int(line.split()[1]) * 1024
    return 0


def profile_of(name):
    """The profile as a dict: of a file, or a data sheet's."""
    path = pathlib.Path(name)
    return json.loads((path if path.suffix == '.json' else PROFILES / f'{name}.json').read_text())


class Model:
    """One model in a folder, and the plans and runs of it."""

    def __init__(self, args, programs, name, size):
        from decoder import Shape
        from hollow import hollow_decoder
        self.args, self.programs, self.name, self.size = args, programs, name, size
        self.folder = programs.scratch / f"{name}-{size['layers']}"
        hollow_decoder(self.folder, Shape(**size))
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
                                 self.folder, '--random-weights', 1, '--digest', '--warmup', 3,
                                 '--iterations', self.args.repeats, *words)


def measure(model, tokens, budget, *words):
    """One row of the table."""
    row = {'model': model.name, 'tokens': tokens, 'device_mem': budget, 'layers': model.size['layers']}
    try:
        plan = model.compile(tokens, budget, *words)
        run = model.run()
    except (Failure, subprocess.TimeoutExpired) as why:
        return row | {'not_measured': str(why).strip().splitlines()[-1]}
    link, queues, median = profile_of(model.args.profile)['links']['in'][0], run['queues'], run['median_ns']
    row |= {'predicted_ns': plan['period_ns'], 'floor_bytes': plan['floor_bytes'], 'median_ns': median, 'p90_ns': run.get('p90_ns'),
            'digest': run.get('digest'), 'card': run.get('card'),
            'measured_over_predicted': median / plan['period_ns'],
            'launch_share': queues['compute']['commands']
            * profile_of(model.args.profile)['launch_ns'] / median,
            'link_of_time': queues['in']['bytes'] / link * 1e9 / median,
            'user_share': (queues['in']['busy_ns'] + queues['out']['busy_ns']) / median}
    if queues['in']['busy_ns']:
        row['in_of_link'] = queues['in']['bytes'] / queues['in']['busy_ns'] * 1e9 / link
    return row


def rows_of(model, tokens):
    """Resident, then each budget by the times of its steps, in one process of this program."""
    rows = [measure(model, tokens, '1000%')]
    resident, words = rows[0].get('median_ns'), ()
    if resident:
        kept = model.programs.scratch / 'resident.json'
        kept.write_bytes((model.programs.scratch / 'dmsrun.json').read_bytes())
        words = ('--measured', kept)
    rows += [measure(model, tokens, budget, *words) for budget in BUDGETS]
    digests = {r['digest'] for r in rows if r.get('digest')}
    for row in rows:
        row['same_digest'] = len(digests) <= 1
        if resident and 'median_ns' in row and row is not rows[0]:
            row['over_resident'] = row['median_ns'] / resident
    return rows


def large_rows(args, programs, name, size, lengths):
    """At an eighth of the weights, against the time of a layer of a resident run."""
    profile = profile_of(args.profile)
    whole = Model(args, programs, name, size | {'layers': layers_in(size, free_on_host())})
    part = Model(args, programs, name + ' resident',
                 size | {'layers': layers_in(size, profile['device_bytes'])})
    rows = []
    for n in lengths:
        resident, row = measure(part, n, '1000%'), measure(whole, n, '12.5%')
        if 'median_ns' in resident and 'median_ns' in row:
            row['over_resident'] = (row['median_ns'] / row['layers']) / (
                resident['median_ns'] / resident['layers'])
        rows += [resident | {'same_digest': True}, row | {'same_digest': True}]
    return rows


def difference(model, tokens, theirs):
    """How far what we compute is from what a peer does with the same weights: the length of the
    difference in lengths of theirs."""
    import numpy as np
    out = model.programs.scratch / 'out'
    model.compile(tokens, '1000%')
    model.run('--output', out)
    ours = (np.load(out / 'output_0.npy').astype(np.uint32) << 16).view(np.float32)
    theirs = np.load(theirs)
    return float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))


def peers_of(args, model, tokens):
    """(how, tokens) -> ns, or why not; difference: of the shortest prefill, or why it is not known."""
    times, words = {}, [w for k, v in model.size.items() for w in (f'--{k}', str(v))]
    shortest, scores = min(n for n in tokens if n > 1), model.programs.scratch / 'peer.npy'
    for how in HOWS:
        for n in tokens:
            command = [sys.executable, HERE / 'gpu_peers.py', how, *words, '--tokens', str(n), '--past',
                       str(PAST if n == 1 else 0), '--repeats', str(args.repeats), '--device',
                       args.device, '--model', model.folder / 'model.onnx']
            if (how, n) == (HOWS[0], shortest):
                command += ['--scores', scores]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            line = (done.stdout.strip() or done.stderr.strip() or 'ended').splitlines()[-1]
            times[how, n] = int(line) if done.returncode == 0 else line
    far = times[HOWS[0], shortest]
    try:
        far = difference(model, shortest, scores) if scores.exists() else far
    except (Failure, OSError, subprocess.TimeoutExpired) as why:
        far = str(why).strip().splitlines()[-1]
    return {'model': model.name, 'times': times, 'shortest': shortest, 'difference': far}


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
    lines = ['| model | layers | tokens | `--device-mem` | ms | / resident | / predicted | same bits |',
             '|---|---|---|---|---|---|---|---|']
    for r in rows:
        head = f"| {r['model']} | {r['layers']} | {r['tokens']} | {r['device_mem']} | "
        if 'not_measured' in r:
            lines.append(f"{head}- | - | - | {r['not_measured']} |")
            continue
        over = r.get('over_resident')
        lines.append(f"{head}{r['median_ns'] / 1e6:.2f} | {f'{over:.3f}' if over else 1} | "
                     f"{r['measured_over_predicted']:.3f} | {'yes' if r['same_digest'] else 'NO'} |")
    return '\n'.join(lines)


def write(base, facts, rows, goals, peers):
    times = [{'how': how, 'tokens': n, 'median_ns': ns} if isinstance(ns, int) else
             {'how': how, 'tokens': n, 'not_measured': ns} for (how, n), ns in peers['times'].items()]
    everything = facts | {'goals': goals, 'rows': rows, 'peers': times}
    pathlib.Path(f'{base}.json').write_text(json.dumps(everything, indent=1) + '\n')
    pathlib.Path(f'{base}.md').write_text(
        f"# {facts['card']}\n\n{facts['date']}, {facts['host']}, profile {facts['profile']}, medians "
        f"of {facts['repeats']} turns, seeded random weights. Printed by `tests/gpu.sh`.\n\n"
        f"{table_of(goals)}\n\n{table(rows)}\n")


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument('build', type=pathlib.Path)
    parser.add_argument('base')
    parser.add_argument('--profile', required=True)
    parser.add_argument('--card', required=True)
    parser.add_argument('--device', default='cuda')
    parser.add_argument('--tokens', default='1,2048,8192,16384')
    parser.add_argument('--repeats', type=int, default=5)
    parser.add_argument('--small', action='store_true')
    args = parser.parse_args()
    tokens, rows = [int(t) for t in args.tokens.split(',')], []
    lengths = [n for n in tokens if n > 2048] or [max(tokens)]
    (name, size), (large_name, large_size) = sizes(args.small)
    with tempfile.TemporaryDirectory() as scratch:
        programs = Programs(args.build, scratch)
        model = Model(args, programs, name, size)
        for n in tokens:
            rows += rows_of(model, n)
            print(table(rows[-4:]), flush=True)
        draw(model, tokens[-1], args.base)
        rows += large_rows(args, programs, large_name, large_size, lengths)
        peers = peers_of(args, model, tokens)
    goals = goals_of(rows, peers, large_name, lengths)
    print(table_of(goals), flush=True)
    facts = {'card': args.card, 'date': datetime.date.today().isoformat(),
             'host': platform.platform(), 'profile': args.profile, 'repeats': args.repeats}
    write(args.base, facts, rows, goals, peers)
    return 0 if any('median_ns' in r for r in rows) else 1


if __name__ == '__main__':
    sys.exit(main())
