"""usage: test_certificate.py BUILD MODELS

tools/check_certificate.py beside dmsc: what dmsc certifies it accepts, to the ns; a larger claim, a
larger budget, prices that contradict each other and broken files it refuses. MODELS holds what
tests/models/make_models.py makes."""
import json
import pathlib
import subprocess
import sys
import tempfile

from programs import Failure, Programs, need

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHECK = ROOT / 'tools' / 'check_certificate.py'
SLOW_LINKS = ('--profile', 'h100-pcie')
LINK, ARRIVAL_TIME, MEMORY, DUE = 1, 4, 6, 11  # columns of a group; DUE: of its first pace
BUDGETS = (('100%',), ('50%',), ('25%',), ('12.5%',), ('25%', '--host-mem', '50%'))


def check(problem, certificate, code, word=''):
    done = subprocess.run([sys.executable, CHECK, problem, certificate], capture_output=True,
                          text=True, check=False)
    need(done.returncode == code, f'exit code {done.returncode}, not {code}: '
                                  f'{done.stdout}{done.stderr}')
    need(word in done.stdout + done.stderr, f'{word!r} is not in {done.stdout}{done.stderr}')


def certify(programs, model, words, budget):
    """(problem, certificate, report) of a compilation; the paths of the first two."""
    problem, certificate = programs.scratch / 'problem.json', programs.scratch / 'prices.json'
    for path in (problem, certificate):
        path.unlink(missing_ok=True)
    _, report = programs.compile(model, programs.scratch / 'a.plan', *words, '--device-mem',
                                 *budget, '--dump-problem', problem, '--certificate', certificate)
    return problem, certificate, report


def changed(programs, certificate, change):
    """A copy of a certificate after change(root)."""
    root = json.loads(certificate.read_text())
    change(root)
    path = programs.scratch / 'changed.json'
    path.write_text(json.dumps(root))
    return path


def groups_of(root):
    return [group for case in root['cases'] for group in case['groups']]


def every_bound_is_proven(programs, cases):
    for model, words in cases:
        checked = 0
        for budget in BUDGETS:
            try:
                problem, certificate, report = certify(programs, model, words, budget)
            except Failure as failure:
                need('floor' in str(failure), str(failure))
                continue
            check(problem, certificate, 0, f'a period below {report["bound_ns"]} ns')
            checked += 1
        need(checked >= 2, f'only {checked} budgets of {model} have a plan')


def absurd_links_have_proven_bounds(programs, model, words):
    """A byte a second has prices that the form cannot hold; what is printed is proven all the same,
    and is more than the sum of the steps."""
    for link, host in (('in', ()), ('out', ()), ('load', ('--host-mem', '40%'))):
        profile = json.loads((ROOT / 'planner' / 'profiles' / 'h100-pcie.json').read_text())
        profile['links'][link] = [1, 0]
        path = programs.scratch / 'slow.json'
        path.write_text(json.dumps(profile))
        problem, certificate, report = certify(programs, model, (*words, '--profile', path),
                                               ('30%', *host))
        check(problem, certificate, 0, f'a period below {report["bound_ns"]} ns')
        need(report['bound_ns'] > 2 * report['compute_ns'], f'{link}: {report["bound_ns"]} ns')


def a_larger_claim_is_refused(programs, model, words):
    problem, certificate, _ = certify(programs, model, words, ('25%',))
    check(problem, certificate, 0)

    def claim(root):
        root['bound_ns'] += 3
    check(problem, changed(programs, certificate, claim), 1, 'are claimed')

    def budget(root):
        root['device_bytes'] += root['device_bytes'] // 100
    check(problem, changed(programs, certificate, budget), 1, 'are claimed')


def prices_that_contradict_each_other_are_refused(programs, model, words):
    problem, certificate, _ = certify(programs, model, words, ('25%',))

    def cheap_memory(root):
        for group in groups_of(root):
            group[MEMORY] = group[MEMORY] * 9 // 10
    check(problem, changed(programs, certificate, cheap_memory), 1, 'not proven')

    def dear_link(root):
        for group in groups_of(root):
            group[LINK] = group[LINK] * 3 + 10**15
    check(problem, changed(programs, certificate, dear_link), 1, 'contradict')

    def dear_due(root):
        for group in groups_of(root):
            group[DUE] = group[ARRIVAL_TIME] + 1
    check(problem, changed(programs, certificate, dear_due), 1, 'contradict')


def steps_that_are_not_short_are_refused(programs, model, words):
    problem, certificate, _ = certify(programs, model, words, ('25%', '--host-mem', '50%'))

    def asks_too_much(root):
        root['cases'][0]['short'] += 1
        root['cases'][0]['short_bytes'] = 2**62
    check(problem, changed(programs, certificate, asks_too_much), 2, 'lacks a block')

    def dear(root):
        root['cases'][0]['short'] += 10**15
    check(problem, changed(programs, certificate, dear), 1, 'not proven')


def streamed(folder):
    """A problem of 12 steps, each with a block of its own; the host has 5 places. Two homes fewer
    than that leave 9 blocks to be read; one fewer 8, each after the copy of the one before."""
    block, n = 12 * 4096, 12
    links = {'h2d': [10**9, 0], 'd2h': [10**9, 0], 'load': [10**9 // 4, 0], 'store': [10**9, 0]}
    path = folder / 'streamed.json'
    path.write_text(json.dumps({
        'format': 'dms-problem', 'version': 1, 'name': 'streamed', 'budgets': [block],
        'weight_bytes': n * block, 'host_mem': 5 * block, 'links': links,
        'steps': [[1000, 0]] * n, 'tensors': [['w', block, -1, [t]] for t in range(n)]}))
    return path, block, 9 * 4 * block


def cases_that_leave_schedules_out_are_refused(programs):
    """A certificate of two cases, of which one alone would prove more, or leave schedules out."""
    problem, budget, least_ns = streamed(programs.scratch)
    certificate = programs.scratch / 'prices.json'
    placement = programs.build / 'tests' / 'bench' / 'placement'
    subprocess.run([placement, problem, '--budget', str(budget), '--certificate', certificate],
                   capture_output=True, check=True)
    root = json.loads(certificate.read_text())
    need(len(root['cases']) == 2, 'no proof by cases')
    need(0.999 * least_ns < root['bound_ns'] <= least_ns, f'{root["bound_ns"]}, not {least_ns}')
    check(problem, certificate, 0, f'a period below {root["bound_ns"]} ns')

    def first(root):
        root['cases'].pop()
        root['cases'][0]['pair'] += 1
    check(problem, changed(programs, certificate, first), 2, 'another case')

    def last(root):
        root['cases'].pop(0)
        root['cases'][0]['apart'] += 1
    check(problem, changed(programs, certificate, last), 2, 'another case')

    def exchanged(root):
        root['cases'][0]['pair'] += 1
        root['cases'].reverse()
    check(problem, changed(programs, certificate, exchanged), 2, 'another case')

    def three(root):
        root['cases'].insert(1, {**root['cases'][0], 'apart': 1})
    check(problem, changed(programs, certificate, three), 2, 'another case')

    def none(root):
        root['cases'].clear()
    check(problem, changed(programs, certificate, none), 2)

    def smaller(root):  # a pair of larger blocks would leave less to homes
        root['large_bytes'] *= 2
    check(problem, changed(programs, certificate, smaller), 1, 'not proven')


def broken_files_are_refused(programs, model, words):
    problem, certificate, _ = certify(programs, model, words, ('25%',))

    def negative(root):
        root['cases'][0]['groups'][0][MEMORY] = -1
    check(problem, changed(programs, certificate, negative), 2, 'not a number')

    def short(root):
        root['cases'][-1]['groups'].pop()
    check(problem, changed(programs, certificate, short), 2, 'do not end with the cycle')

    def paceless(root):
        root['cases'][0]['cut_bytes'].append(2**60)
    check(problem, changed(programs, certificate, paceless), 2, 'other paces')
    check(certificate, problem, 2, 'not a dms-problem')
    check(problem, programs.scratch / 'missing.json', 2, 'missing.json')
    (programs.scratch / 'changed.json').write_text('{"format": ')
    check(problem, programs.scratch / 'changed.json', 2)


def main():
    build, models = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    encoder = models / 'encoder_opset14' / 'model.onnx'
    encoder_words = ('--dim', 'batch=1', '--dim', 'seq=9', *SLOW_LINKS)
    mlp = models / 'external_opset21' / 'model.onnx'
    cases = [(encoder, encoder_words), (encoder, encoder_words[:4]),
             (mlp, ('--dim', 'rows=5', *SLOW_LINKS)), (mlp, ('--dim', 'rows=5'))]
    tests = [(every_bound_is_proven, (cases,)),
             (absurd_links_have_proven_bounds, (encoder, encoder_words[:4])),
             (a_larger_claim_is_refused, (encoder, encoder_words)),
             (prices_that_contradict_each_other_are_refused, (encoder, encoder_words)),
             (steps_that_are_not_short_are_refused, (encoder, encoder_words)),
             (cases_that_leave_schedules_out_are_refused, ()),
             (broken_files_are_refused, (encoder, encoder_words))]
    failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        for test, words in tests:
            try:
                test(Programs(build, scratch), *words)
            except Failure as failure:
                failed += 1
                print(f'{test.__name__}: {failure}')
    print(f'{len(tests) - failed} passed, {failed} failed')
    return failed != 0


if __name__ == '__main__':
    sys.exit(main())
