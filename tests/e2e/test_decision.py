"""usage: test_decision.py BUILD MODELS

check_decision.py beside dmsc: what --dump-problem says was decided is possible and takes the period
that is claimed; a decision with one fault in it is refused. MODELS holds what
tests/models/make_models.py makes."""
import copy
import json
import pathlib
import sys
import tempfile

from check_decision import Decision, Wrong
from programs import Failure, Programs, need

BUDGETS = (('100%',), ('50%',), ('25%',), ('12.5%',), ('floor',), ('25%', '--host-mem', '50%'))
SLOW_LINKS = ('--profile', 'h100-pcie')


def decide(programs, model, words, budget):
    """What was dumped, or None below the floor."""
    dump = programs.scratch / 'dump.json'
    dump.unlink(missing_ok=True)
    try:
        programs.compile(model, programs.scratch / 'a.plan', *words, '--device-mem', *budget,
                         '--dump-problem', dump)
    except Failure as failure:
        need('floor' in str(failure), str(failure))
        return None
    return json.loads(dump.read_text())


def every_decision_is_possible(programs, cases):
    for model, words in cases:
        checked = 0
        for budget in BUDGETS:
            root = decide(programs, model, words, budget)
            if root is not None:
                Decision(root).check()
                checked += 1
        need(checked >= 3, f'only {checked} budgets of {model} have a plan')


def faults(root):
    """(name, decision) with one fault each."""
    plan = root['plan']

    def changed(name, change):
        other = copy.deepcopy(root)
        change(other['plan'])
        return name, other
    yield changed('a load is missing', lambda p: p['h2d'].pop())
    yield changed('a load comes twice', lambda p: p['h2d'].append(p['h2d'][0]))
    yield changed('a load begins too late', lambda p: p['h2d'][-1].__setitem__(2, len(root['steps'])))
    yield changed('the period is shorter', lambda p: p.__setitem__('period_ns',
                                                                  p['period_ns'] * 99 // 100))
    yield changed('a place is not aligned', lambda p: p['addr'][0].__setitem__(2, 8))
    yield changed('a place is missing', lambda p: p['addr'].pop())
    yield changed('all lie in one place', lambda p: [a.__setitem__(2, 0) for a in p['addr']])
    yield changed('the memory is smaller', lambda p: p.__setitem__(
        'device_mem', max(a[2] for a in plan['addr'])))
    yield 'the host is smaller', {**root, 'host_mem': 1}
    yield 'nobody says for which budget', {**root, 'budgets': []}
    yield changed('outputs stay', lambda p: p.__setitem__('d2h', []))


def one_fault_is_found(programs, model, words, budget):
    root = decide(programs, model, words, (budget,))
    need(root is not None, 'no plan to change')
    for name, other in faults(root):
        try:
            Decision(other).check()
        except (Wrong, IndexError):
            continue
        raise Failure(f'not found: {name}')


def main():
    build, models = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    encoder = models / 'encoder_opset14' / 'model.onnx'
    encoder_words = ('--dim', 'batch=1', '--dim', 'seq=9')
    mlp = models / 'external_opset21' / 'model.onnx'
    cases = [(encoder, (*encoder_words, *SLOW_LINKS)), (encoder, encoder_words),
             (mlp, ('--dim', 'rows=5', *SLOW_LINKS)), (mlp, ('--dim', 'rows=5'))]
    passed = failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        programs = Programs(build, scratch)
        for test, words in ((every_decision_is_possible, (cases,)),
                            (one_fault_is_found, (*cases[0], '25%')),
                            (one_fault_is_found, (*cases[2], '50%'))):
            try:
                test(programs, *words)
                passed += 1
            except (Failure, Wrong) as failure:
                print(f'{test.__name__}: {failure}')
                failed += 1
    print(f'{passed} passed, {failed} failed')
    return failed != 0


if __name__ == '__main__':
    sys.exit(main())
