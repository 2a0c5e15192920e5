"""usage: test_cli.py BUILD MODELS [WORD]

The two programs as a user calls them: options, exit codes, messages, what is written and what is
not. MODELS holds what tests/models/make_models.py makes. WORD: only tests whose name has it."""
import json
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

import numpy as np
import onnx
from onnx import helper, numpy_helper

from programs import Failure, Programs, floor_named, input_words, need

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'models'))
import hollow  # noqa: E402
from decoder import Shape  # noqa: E402

TESTS = []
ENCODER = ('--dim', 'batch=1', '--dim', 'seq=9')
MLP = ('--dim', 'rows=5')


def test(function):
    TESTS.append(function)
    return function


class Bench(Programs):
    """Fresh copies of two models in a scratch folder: `encoder` and `mlp` (weights outside)."""

    def __init__(self, build, models, scratch):
        super().__init__(build, scratch)
        for name, source in (('encoder', 'encoder_opset14'), ('mlp', 'external_opset21')):
            shutil.copytree(models / source, self.scratch / name)
        self.encoder = self.scratch / 'encoder' / 'model.onnx'
        self.mlp = self.scratch / 'mlp' / 'model.onnx'
        self.encoder_set = self.scratch / 'encoder' / 'set0'
        self.mlp_set = self.scratch / 'mlp' / 'set1'

    def plan(self, model, *words):
        plan = model.parent / 'a.plan'
        self.compile(model, plan, *(ENCODER if model == self.encoder else MLP), *words)
        return plan

    def refused(self, program, *words, code, names=()):
        """Runs, wants this exit code and a short printable message that holds `names`."""
        done = getattr(self, program)(*words, expect=code)
        lines = done.stderr.splitlines()
        need(1 <= len(lines) <= 12 and max(map(len, lines)) <= 500,
             f'message of {len(lines)} lines: {done.stderr[:200]!r}')
        need(done.stderr.replace('\n', '').isprintable(), f'control characters: {done.stderr!r}')
        for name in names:
            need(name in done.stderr, f'{name!r} is not named in: {done.stderr.strip()}')
        return done


@test
def help_and_version_are_printed_on_stdout(b):
    for program in (b.dmsc, b.dmsrun):
        need('--device-mem' in program('--help').stdout or '--input' in program('--help').stdout,
             '--help lists no options')
        need('0.1' in program('--version').stdout, '--version prints no version')


@test
def a_wrong_call_is_refused_with_2_and_names_the_word(b):
    b.refused('dmsc', code=2)
    b.refused('dmsrun', code=2)
    b.refused('dmsc', b.encoder, '--no-such-option', code=2, names=['--no-such-option'])
    b.refused('dmsrun', 'x.plan', '--no-such-option', code=2, names=['--no-such-option'])
    b.refused('dmsc', b.encoder, *ENCODER, '--device-mem', '12q', code=2, names=['12q'])
    b.refused('dmsc', b.encoder, *ENCODER, '--device-mem', code=2, names=['--device-mem'])
    b.refused('dmsc', b.encoder, *ENCODER, '--profile', 'nosuch', code=(2, 4), names=['nosuch'])
    b.refused('dmsrun', 'x.plan', '--threads', 'many', code=2, names=['many'])


@test
def a_missing_dim_is_refused_with_a_command_that_works(b):
    done = b.refused('dmsc', b.encoder, '--dim', 'batch=1', code=2, names=['seq', '--dim seq='])
    need('--dim batch=' in done.stderr or 'batch' not in done.stderr, 'half a command')


@test
def a_dim_that_the_model_lacks_or_that_is_no_number_is_refused(b):
    b.refused('dmsc', b.encoder, *ENCODER, '--dim', 'nosuch=4', code=2, names=['nosuch'])
    b.refused('dmsc', b.encoder, '--dim', 'batch=1', '--dim', 'seq=-9', code=2, names=['seq'])
    b.refused('dmsc', b.encoder, '--dim', 'batch=1', '--dim', 'seq=nine', code=2, names=['nine'])


@test
def sizes_are_binary_or_decimal_by_their_letters(b):
    for text, size in (('7340032', 7340032), ('7M', 7 << 20), ('7MiB', 7 << 20),
                       ('7MB', 7000000), ('7168KiB', 7 << 20), ('1GiB', 1 << 30)):
        _, report = b.compile(b.encoder, b.scratch / 'size.plan', *ENCODER, '--device-mem', text)
        need(report['device_budget_bytes'] == size,
             f'{text} became {report["device_budget_bytes"]} bytes')


@test
def a_percentage_is_of_the_weights(b):
    _, report = b.compile(b.encoder, b.scratch / 'size.plan', *ENCODER, '--device-mem', '50%')
    off = abs(report['device_budget_bytes'] - report['weights_bytes'] // 2)
    need(off <= 256, f'50 % became {report["device_budget_bytes"]} of {report["weights_bytes"]}')


@test
def without_o_a_summary_is_printed_and_no_plan_written(b):
    before = sorted(b.encoder.parent.iterdir())
    done = b.dmsc(b.encoder, *ENCODER, '--device-mem', '50%')
    need(sorted(b.encoder.parent.iterdir()) == before, 'files were written')
    first = done.stdout.splitlines()[0]
    need('profile cpu' in first and 'budget' in first, f'first line: {first}')
    need('floor' in done.stdout, 'the summary names no floor')


@test
def a_budget_below_the_floor_is_refused_with_5_and_the_floor_works(b):
    plan = b.scratch / 'floor.plan'
    done = b.refused('dmsc', b.encoder, '-o', plan, *ENCODER, '--device-mem', '64KiB', code=5)
    need(not plan.exists(), 'a plan was written')
    b.compile(b.encoder, plan, *ENCODER, '--device-mem', floor_named(done.stderr))
    b.refused('dmsc', b.encoder, *ENCODER, '--device-mem', '0', code=5)


@test
def a_model_that_is_none_is_refused_and_named(b):
    b.refused('dmsc', b.scratch / 'nosuch.onnx', code=4, names=['nosuch.onnx'])
    b.refused('dmsc', b.scratch, code=(3, 4))
    text = b.scratch / 'text.onnx'
    text.write_text('this is no model\n' * 40)
    b.refused('dmsc', text, code=3, names=['text.onnx'])
    cut = b.scratch / 'cut.onnx'
    cut.write_bytes(b.encoder.read_bytes()[:-1000])
    b.refused('dmsc', cut, *ENCODER, code=3, names=['cut.onnx'])


@test
def unknown_operators_are_listed_all_at_once(b):
    nodes = [helper.make_node('Fancy', ['x'], ['y'], name='one', domain='odd'),
             helper.make_node('Odder\x1b[31m', ['y'], ['z'], name='two', domain='odd')]
    value = [helper.make_tensor_value_info(n, 1, [4]) for n in 'xz']
    graph = helper.make_graph(nodes, 'g', value[:1], value[1:])
    path = b.scratch / 'odd.onnx'
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17),
                                                      helper.make_opsetid('odd', 1)]), path)
    b.refused('dmsc', path, code=3, names=['Fancy', 'Odder'])


@test
def missing_weights_are_a_warning_when_planning_and_4_when_running(b):
    (b.mlp.parent / 'weights.bin').rename(b.scratch / 'away.bin')
    plan = b.mlp.parent / 'a.plan'
    done, _ = b.compile(b.mlp, plan, *MLP)
    need('weights.bin' in done.stderr, f'no warning names the file: {done.stderr!r}')
    b.refused('dmsrun', plan, code=4, names=['weights.bin'])
    one, two = (b.run(plan, '--random-weights', 7)['digest'] for _ in range(2))
    need(one == two, '--random-weights gives other bits each time')


@test
def weights_outside_the_folder_are_not_opened(b):
    secret = b.scratch / 'weights.bin'
    (b.mlp.parent / 'weights.bin').rename(secret)
    for kind in ('symlink', 'hardlink', 'dotdot'):
        weights = b.mlp.parent / 'weights.bin'
        weights.unlink(missing_ok=True)
        if kind == 'symlink':
            weights.symlink_to(secret)
        elif kind == 'hardlink':
            weights.hardlink_to(secret)
        else:
            b.mlp.write_bytes(b.mlp.read_bytes().replace(b'weights.bin', b'../weights.'))
            secret.rename(b.scratch / 'weights.')
        b.refused('dmsc', b.mlp, *MLP, code=(3, 4), names=['weights.'])


@test
def a_changed_plan_is_refused_with_6(b):
    plan = b.plan(b.encoder, '--device-mem', '50%')
    good, bad = plan.read_bytes(), plan.with_name('bad.plan')
    for at in range(0, len(good), max(1, len(good) // 60)):
        changed = bytearray(good)
        changed[at] ^= 1 << at % 8
        bad.write_bytes(changed)
        b.refused('dmsrun', bad, code=6)
    bad.write_bytes(good[:len(good) // 2])
    b.refused('dmsrun', bad, code=6)
    b.refused('dmsc', '--verify', bad, code=6)


@test
def a_changed_model_is_refused_with_6_and_a_missing_one_with_4(b):
    plan = b.plan(b.encoder)
    model = onnx.load(b.encoder)
    table = numpy_helper.to_array(model.graph.initializer[0]).copy()
    table.flat[0] += 1
    model.graph.initializer[0].CopyFrom(
        numpy_helper.from_array(table, model.graph.initializer[0].name))
    onnx.save(model, b.encoder)
    b.refused('dmsrun', plan, code=6, names=['model.onnx'])
    b.encoder.unlink()
    b.refused('dmsrun', plan, code=(4, 6), names=['model.onnx'])


@test
def a_wrong_input_is_refused_with_7_and_named(b):
    plan = b.plan(b.mlp)
    for wrong in (np.zeros((5, 511), np.float32), np.zeros((5, 512), np.float64),
                  np.zeros((5, 512, 1), np.float32)):
        np.save(b.scratch / 'wrong.npy', wrong)
        b.refused('dmsrun', plan, '--input', f'x={b.scratch}/wrong.npy', code=7, names=['x'])
    b.refused('dmsrun', plan, '--input', f'nosuch={b.scratch}/wrong.npy', code=(2, 7),
              names=['nosuch'])
    b.refused('dmsrun', plan, '--input', f'x={b.scratch}/none.npy', code=4, names=['none.npy'])
    (b.scratch / 'text.npy').write_text('no array')
    b.refused('dmsrun', plan, '--input', f'x={b.scratch}/text.npy', code=(4, 7),
              names=['text.npy'])


@test
def an_index_outside_its_table_ends_the_run_with_7(b):
    out = b.scratch / 'out'
    ids, words = (np.load(b.encoder_set / f'input_{i}.npy') for i in range(2))
    for budget in ('100%', 'floor'):  # the table of 1,500 words comes in parts
        plan = b.plan(b.encoder, '--device-mem', budget)
        for index in (10 ** 9, 1500, -1501):
            ids[0, 3] = index
            np.save(b.scratch / 'ids.npy', ids)
            np.save(b.scratch / 'words.npy', words)
            b.refused('dmsrun', plan, '--input', f'ids={b.scratch}/ids.npy', '--input',
                      f'words={b.scratch}/words.npy', '--output', out, code=7)
            need(not out.exists() or not list(out.iterdir()),
                 'outputs of a failed run were written')


@test
def inputs_are_read_from_npy_npz_and_pb_alike(b):
    plan = b.plan(b.mlp)
    x = np.load(b.mlp_set / 'input_0.npy')
    np.savez(b.scratch / 'x.npz', x=x)
    (b.scratch / 'x.pb').write_bytes(numpy_helper.from_array(x, 'x').SerializeToString())
    digests = {b.run(plan, '--input', f'x={path}')['digest']
               for path in (b.mlp_set / 'input_0.npy', b.scratch / 'x.npz', b.scratch / 'x.pb')}
    need(len(digests) == 1, 'the digests differ')


@test
def compare_passes_on_the_reference_and_gives_9_on_another(b):
    plan = b.plan(b.mlp)
    words = input_words(b.mlp, b.mlp_set)
    report = b.run(plan, *words, '--compare', b.mlp_set)
    need(0 <= report['outputs'][0]['max_abs_err'] < 1e-3, 'no error is reported')
    want = np.load(b.mlp_set / 'output_0.npy')
    want[2, 100] += 1
    np.save(b.mlp_set / 'output_0.npy', want)
    done = b.dmsrun(plan, *words, '--compare', b.mlp_set, expect=9)
    need('y' in done.stdout + done.stderr, 'the output is not named')
    b.dmsrun(plan, *words, '--compare', b.mlp_set, '--rtol', 0, '--atol', 2)


@test
def compare_finds_the_inputs_of_its_folder(b):
    b.dmsrun(b.plan(b.mlp), '--compare', b.mlp_set)


@test
def made_inputs_are_announced_and_follow_the_seed(b):
    plan = b.plan(b.mlp)
    done = b.dmsrun(plan, '--digest')
    need('seed' in done.stdout + done.stderr, 'nothing says that inputs were made')
    one, same, other = (b.run(plan, '--seed', n)['digest'] for n in (1, 1, 2))
    need(one == same, 'the same seed gives other bits')
    need(one != other, 'the seed has no effect')


@test
def digest_prints_the_digest_of_the_report(b):
    plan = b.plan(b.mlp)
    report = b.run(plan)
    need(report['digest'] in b.dmsrun(plan, '--digest').stdout, 'two digests of the same run')


@test
def the_last_of_several_iterations_is_the_first_again(b):
    plan = b.plan(b.mlp, '--device-mem', 'floor')
    words = input_words(b.mlp, b.mlp_set)
    once = b.run(plan, *words)
    often = b.run(plan, *words, '--iterations', 5, '--warmup', 2)
    need(once['digest'] == often['digest'], 'other bits in a later turn')
    need(often['median_ns'] <= often['p90_ns'] <= often['p99_ns'], 'quantiles out of order')


@test
def an_unknown_device_is_refused_with_8(b):
    b.refused('dmsrun', b.plan(b.mlp), '--device', 'cuda', code=8)
    b.refused('dmsrun', b.plan(b.mlp), '--device', 'abacus', code=(2, 8), names=['abacus'])


@test
def a_plan_is_dumped_and_verified(b):
    plan = b.plan(b.encoder, '--device-mem', '50%')
    text = b.dmsc('--dump', plan).stdout
    need(len(text.splitlines()) > 50 and 'compute' in text, 'the dump shows no commands')
    b.dmsc('--verify', plan)
    b.dmsc('--verify', plan, b.encoder)
    b.refused('dmsc', '--verify', plan, b.mlp, code=6)


@test
def operators_and_profiles_are_listed(b):
    operators = b.dmsc('--list-ops').stdout
    need('Conv' in operators and 'MatMul' in operators, 'operators are missing')
    profiles = b.dmsc('--list-profiles').stdout
    need('cpu' in profiles and 'h100-pcie' in profiles, 'profiles are missing')


@test
def the_picture_is_one_that_dot_can_draw(b):
    picture = b.scratch / 'plan.dot'
    b.dmsc(b.encoder, *ENCODER, '--device-mem', '50%', '--dot', picture)
    done = subprocess.run(['dot', '-Tsvg', picture], capture_output=True, check=False)
    need(done.returncode == 0 and b'<svg' in done.stdout, done.stderr[:300])


def lanes_of(trace):
    """Per lane the events of a trace file in time; none begins before the one in front ended."""
    events = json.loads(trace.read_text())['traceEvents']
    name = {e['tid']: e['args']['name'] for e in events if e['name'] == 'thread_name'}
    lanes = {lane: [] for lane in name.values()}
    for e in sorted((e for e in events if e['ph'] == 'X'), key=lambda e: e['ts']):
        lane = lanes[name[e['tid']]]
        need(not lane or e['ts'] >= lane[-1]['ts'] + lane[-1]['dur'] - 1e-3,
             f'{e["name"]} begins inside {lane[-1]["name"] if lane else ""}')
        lane.append(e)
    return lanes, events


@test
def predicted_and_measured_traces_have_the_same_lanes_and_names(b):
    plan, out = b.scratch / 'trace.plan', [b.scratch / 'p.json', b.scratch / 'm.json']
    _, report = b.compile(b.encoder, plan, *ENCODER, '--device-mem', 'floor', '--trace', out[0])
    b.dmsrun(plan, '--model-dir', b.encoder.parent, '--iterations', '4', '--trace', out[1])
    names = []
    for trace in out:
        lanes, events = lanes_of(trace)
        names.append({lane: [e['name'] for e in found] for lane, found in lanes.items()})
        for tier in ('device', 'host'):
            live = [e['args']['live bytes'] for e in events
                    if e['ph'] == 'C' and e['name'] == f'{tier} arena']
            need(0 < max(live) <= report[f'{tier}_arena_bytes'], f'{tier}: {max(live)} bytes live')
    need(set(names[0]) == {'compute', 'in', 'out', 'load'}, f'lanes {set(names[0])}')
    need(len(names[0]['compute']) == 3 * report['steps'], 'not three turns')
    need(names[0] == names[1], 'the measured trace shows other commands than the predicted one')


@test
def readings_from_storage_have_a_lane_beside_compute(b):
    out = [b.scratch / 'p.json', b.scratch / 'm.json']
    plan = b.mlp.parent / 'storage.plan'
    _, report = b.compile(b.mlp, plan, *MLP, '--device-mem', '25%', '--host-mem', '25%',
                          '--trace', out[0])
    b.dmsrun(plan, '--iterations', '4', '--trace', out[1])
    for trace in out:
        lanes, events = lanes_of(trace)
        need(len(lanes['load']) > 3 and len(lanes['in']) > 3, 'nothing was read from storage')
        need(all(e['args']['bytes'] > 0 for e in lanes['load']), 'a reading of no bytes')
    lanes, events = lanes_of(out[0])
    seams = [e['ts'] * 1000 for e in events if e['ph'] == 'i']
    need(abs(seams[2] - seams[1] - report['period_ns']) <= 0.02 * report['period_ns'],
         f'period {report["period_ns"]}, seams at {seams}')
    overlap = sum(max(0, min(a['ts'] + a['dur'], c['ts'] + c['dur']) - max(a['ts'], c['ts']))
                  for a in lanes['load'] for c in lanes['compute'])
    need(overlap > 0, 'no reading runs beside a step')


@test
def the_problem_is_dumped_as_numbers(b):
    path = b.scratch / 'problem.json'
    b.dmsc(b.encoder, *ENCODER, '--dump-problem', path)
    need(json.loads(path.read_text())['steps'], 'the problem has no steps')


@test
def a_cut_of_llama2_7b_runs_on_made_up_weights(b):
    """A layer in bf16, 0.4 GB of weights that are not there; a smaller table of words. Under the
    sanitizers it has a sixteenth of the weights: no byte of them is new to a kernel."""
    part = 4 if b.is_sanitized() else 1
    folder, plan = b.scratch / 'cut', b.scratch / 'cut' / 'a.plan'
    weights = hollow.hollow_decoder(folder, Shape(layers=1, width=4096 // part, heads=32 // part,
                                                  groups=32 // part, inner=11008 // part,
                                                  vocab=1000))
    need(weights > 400_000_000 / part ** 2, f'{weights} bytes of weights')
    digests = {}
    for case, budget, seed in (('prefill', '50%', 7), ('prefill', 'floor', 7),
                               ('prefill', 'floor', 8), ('decode', '25%', 7)):
        dims = {'prefill': (16, 0), 'decode': (1, 15)}[case]
        b.dmsc(folder / 'model.onnx', '-o', plan, '-q', '--dim', 'batch=1', '--dim',
               f'seq={dims[0]}', '--dim', f'past={dims[1]}', '--device-mem', budget,
               '--host-mem', '2GiB')
        run = b.run(plan, '--random-weights', seed, '--threads', 2 if seed == 7 else 1)
        digests.setdefault((case, seed), set()).add(run['digest'])
    need(all(len(found) == 1 for found in digests.values()), f'budgets differ: {digests}')
    need(len(set.union(*digests.values())) == 3, f'seeds and cases are alike: {digests}')
    b.refused('dmsrun', plan, code=4, names=[hollow.MISSING])


@test
def an_output_that_cannot_be_written_gives_4(b):
    b.refused('dmsc', b.encoder, *ENCODER, '-o', b.scratch / 'none' / 'a.plan', code=4,
              names=['a.plan'])
    b.refused('dmsrun', b.plan(b.mlp), '--output', '/dev/null/out', code=4, names=['/dev/null'])


def wait_until_busy(running):
    """Returns when the process has used 0.2 s of processor time: it is in its loop by then."""
    ticks = 0
    while ticks < 20:
        need(running.poll() is None, 'the run ended before it was interrupted')
        fields = pathlib.Path(f'/proc/{running.pid}/stat').read_text().rpartition(')')[2].split()
        ticks = int(fields[11]) + int(fields[12])


@test
def an_interrupted_run_ends_with_130_and_writes_nothing(b):
    plan, out = b.plan(b.encoder, '--device-mem', 'floor'), b.scratch / 'out'
    words = [b.build / 'dmsrun', plan, '--iterations', 10 ** 6, '--output', out]
    with subprocess.Popen([str(w) for w in words], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        wait_until_busy(running)
        running.send_signal(signal.SIGINT)
        try:
            running.communicate(timeout=10)
        except subprocess.TimeoutExpired as e:
            running.kill()
            raise Failure('still running 10 s after SIGINT') from e
    need(running.returncode == 130, f'exit code {running.returncode}')
    need(not out.exists() or not list(out.iterdir()), 'outputs were written')


PROFILE_KEYS = ('format', 'version', 'name', 'kind', 'source', 'device_bytes', 'host_bytes', 'flops',
                'memory_bytes_per_s', 'cache', 'launch_ns', 'links', 'families', 'contention',
                'lead_ns')


def numbers_of(value):
    """All numbers of a JSON value but latencies and times per result or row, which may be 0."""
    if isinstance(value, dict):
        return [n for key, v in value.items() if not key.endswith('_ps') for n in numbers_of(v)]
    if isinstance(value, list):
        return [value[0]]
    return [value] if isinstance(value, (int, float)) else []


@test
def a_calibrated_profile_is_whole(b):
    if b.is_sanitized():
        return  # minutes of kernels that are slow there; test_calibrate measures in that build
    profile, scratch = b.scratch / 'here.json', b.scratch / 'storage'
    scratch.mkdir()
    table = b.dmsrun('--calibrate', '-o', profile, '--threads', 1, '--scratch', scratch).stdout
    need('launch' in table and 'load' in table, table)
    need(not list(scratch.iterdir()), 'the file that was read is still there')
    found = json.loads(profile.read_text())
    need(set(found) == set(PROFILE_KEYS), f'keys: {sorted(found)}')
    need(all(n > 0 for n in numbers_of(found)), f'not positive: {found}')
    need(min(f for inner in found['contention'].values() for f in inner.values()) >= 1, 'a gain')
    b.plan(b.encoder, '--profile', profile)


@test
def a_run_refines_its_plan(b):
    plan = b.plan(b.encoder)
    report = b.scratch / 'run.json'
    b.dmsrun(plan, '--json', report, '--iterations', 3)
    _, refined = b.compile(b.encoder, plan, *ENCODER, '--measured', report, '--device-mem', 'floor')
    need(refined['compute_ns'] == sum(json.loads(report.read_text())['steps_ns']),
         'the plan does not count with what the steps took')
    b.refused('dmsc', b.encoder, '--dim', 'batch=1', '--dim', 'seq=8', '-o', plan, '--measured',
              report, code=6, names=('meaning', 'run.json'))
    b.refused('dmsc', b.mlp, *MLP, '-o', plan, '--measured', report, code=6, names=('run.json',))


@test
def an_interrupted_calibration_writes_no_profile(b):
    profile = b.scratch / 'here.json'
    words = [b.build / 'dmsrun', '--calibrate', '-o', profile, '--scratch', b.scratch]
    before = set(b.scratch.iterdir())
    with subprocess.Popen([str(w) for w in words], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        wait_until_busy(running)
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=60)
    need(running.returncode == 130, f'exit code {running.returncode}')
    need(set(b.scratch.iterdir()) == before, 'something was left behind')


def main():
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    build, models = (pathlib.Path(p).resolve() for p in sys.argv[1:3])
    chosen = [t for t in TESTS if len(sys.argv) < 4 or sys.argv[3] in t.__name__]
    failed = 0
    for function in chosen:
        with tempfile.TemporaryDirectory() as scratch:
            try:
                function(Bench(build, models, scratch))
            except Exception as e:  # whatever went wrong is a failure of this test alone
                failed += 1
                kind = '' if isinstance(e, Failure) else f'{type(e).__name__}: '
                print(f'FAILED {function.__name__}\n    {kind}{e}', flush=True)
    print(f'{len(chosen) - failed} passed, {failed} failed')
    sys.exit(failed > 0)


if __name__ == '__main__':
    main()
