"""usage: test_report.py BUILD MODELS [SHARED]

dmsc --report over real models: each page is read as XML and as HTML, and every figure in it is
checked against --json, --trace, --curve and --dump-problem of the same compile. Where a browser is
(Debian package chromium), the script of the page runs in it: axes, hover, zoom. SHARED: a folder
with models/ and graphs/ of more models."""
import csv
import html
import json
import pathlib
import re
import sys
import tempfile

import onnx

from page import CLASSES, COPY, STEP, Page, browser, number, probed, show
from programs import Failure, Programs, dim_words, need, sets_of

MIB = 1 << 20
SMALL = ('branches_opset18', 'cnn_opset13', 'decoder_cache_opset18', 'encoder_opset18',
         'external_opset9', 'light_resnet50', 'quantised_opset17', 'random_03', 'streaming_opset22')
LARGER = ('light_resnet50', 'mobilenet_v3', 'unet-tiny')  # whose compiles take seconds
SHARED_MODELS = ('bert-tiny', 'gpt2-tiny', 'llama-tiny', 'mobilenet_v3', 't5_decoder', 'unet-tiny')
FLAT = ('cnn_opset13', 'decoder_cache_opset18', 'encoder_opset18')  # without graphs inside nodes
LLAMA = ('--dim', 'batch=1', '--dim', 'past=0', '--profile', 'h100-pcie')
UNET = ('--dim', 'batch=2', '--dim', 'height=64', '--dim', 'width=64', '--dim', 'enc_seq=77',
        '--profile', 'h100-pcie')
RULES = ('on-demand', 'double-buffer', 'keep-first', 'even', 'belady')


class Case:
    """One compile with all views."""

    def __init__(self, programs, model, words, budget, *more):
        self.name = f'{model.parent.name if model.name == "model.onnx" else model.name} at {budget}'
        path = programs.scratch / 'page.html'
        files = {view: programs.scratch / f'view.{view}' for view in ('trace', 'problem')}
        views = ('--report', path, '--trace', files['trace'], '--dump-problem', files['problem'])
        self.command = (model, '--device-mem', budget, *words, *more)
        done, self.json = programs.compile(model, programs.scratch / 'a.plan', *self.command[1:],
                                           *views, expect=(0, 5))
        self.fits = done.returncode == 0
        if not self.fits:
            return
        self.page = Page(path)
        self.trace = json.loads(files['trace'].read_text())
        self.problem = json.loads(files['problem'].read_text())

    def verdict(self, key):
        return number(self.page.by_id('verdict'), key)


def the_verdict_is_that_of_the_json(case):
    for key, wanted in (('device-budget-bytes', 'device_budget_bytes'),
                        ('device-peak-bytes', 'device_arena_bytes'),
                        ('weight-bytes', 'weights_bytes'), ('period-ns', 'period_ns'),
                        ('resident-ns', 'compute_ns'), ('bound-ns', 'bound_ns'),
                        ('floor-bytes', 'floor_bytes'), ('fits', None)):
        want = 1 if wanted is None else case.json[wanted]
        need(case.verdict(key) == want, f'data-{key} is {case.verdict(key)}, not {want}')
    device = case.page.having('data-peak-bytes', 'r-device')[0]
    need(number(device, 'peak-bytes') == case.json['live_peak_bytes'], 'another peak')
    need(number(device, 'budget-bytes') == case.json['device_budget_bytes'], 'another budget')


def time_adds_up(case):
    causes = case.json['stall_ns']
    need(case.verdict('stall-ns') == sum(causes.values()), 'stalls differ from their causes')
    need(case.verdict('resident-ns') + case.verdict('stall-ns') == case.verdict('period-ns'),
         'resident and stall are not the period')
    if case.verdict('stall-ns') == 0:
        return
    cause = case.page.having('data-link-ns')[0]
    for key, name in (('link', 'link_full'), ('room', 'no_room'), ('save', 'save_first')):
        need(number(cause, key + '-ns') == causes[name], f'another sum of {name}')
    rows = case.page.having('data-count', 'stalls')
    total = sum(number(row, 'stall-ns') for row in rows)
    need(len(rows) <= 8 and total <= case.verdict('stall-ns'), 'rows exceed all stalls')
    need(len(rows) == 8 or total == case.verdict('stall-ns'), 'the rows are not all stalls')
    hits = case.page.having('data-cause', 'r-compute')
    need(len(hits) == min(200, sum(number(row, 'count') for row in rows)) or len(rows) == 8,
         f'{len(hits)} stalls are elements')


def the_data_is_one_turn(case):
    page, unit = case.page, case.page.data['unit']
    need(number(page.by_id('time'), 'period') == page.data['P'], 'two periods')
    need(number(page.by_id('time'), 'unit-ns') == unit, 'two units')
    need(unit == 1 or 10**5 <= page.data['P'] < 10**6, f'{page.data["P"]} units of {unit} ns')
    need(abs(page.data['P'] * unit - case.json['period_ns']) <= unit, 'P is not the period')
    steps, at = page.rows('steps', STEP), 0
    need(len(steps) == case.json['steps'], f'{len(steps)} steps')
    for opens, stall, ns, name, *_ in steps:
        need(opens == at and stall >= 0 and ns >= 0, f'a step at {opens}, not {at}')
        need(0 <= name < len(page.data['names']), 'a step without a name')
        at += stall + ns
    need(at == page.data['P'], f'the steps end at {at} of {page.data["P"]}')
    for step, given in zip(steps, case.problem['steps'], strict=True):
        ns = given['ns'] if isinstance(given, dict) else given[0]
        need(abs(step[2] * unit - ns) <= unit, f'a step of {ns} ns takes {step[2]} units')
    layers = page.data['layers']
    need([l[1] for l in layers[1:]] == [l[2] for l in layers[:-1]], 'layers leave gaps')
    need(layers[0][1] == 0 and layers[-1][2] == page.data['P'], 'layers are not the turn')


def memory_stays_within_the_height(case):
    data = case.page.data
    need(data['order'] == ['kept', 'act', 'work', 'present', 'loading', 'wait'], 'another order')
    fullest = 0
    for row in case.page.rows('mem', CLASSES):
        need(min(row) >= 0 and sum(row) <= 4096, f'a step holds {row}')
        fullest = max(fullest, sum(row))
    need(abs(fullest / 4096 * data['M'] - case.json['live_peak_bytes']) <= data['M'] / 2048,
         f'the fullest step is {fullest} of 4096, the peak {case.json["live_peak_bytes"]} bytes')


def blocks_are_those_of_the_problem(case):
    data, kept = case.page.data, case.page.data['kept']
    blocks = [t for t in case.problem['tensors'] if t[0] in 'wi']
    need(len(kept) == len(blocks), f'{len(kept)} rows of {len(blocks)} blocks')
    need(len(data['blocks']) == 2 * len(kept), 'rows without a name')
    need(len(set(data['names'])) == len(data['names']), 'a name stands twice')
    need(any(kept) == (case.json['weights_by_tier']['device'] > 0), 'kept rows, or none')


def copies_are_those_of_the_trace(case):
    """The lane `in` of the last turn that --trace predicts is as busy as the page says."""
    events = [e for e in case.trace['traceEvents'] if e.get('ph') == 'X']
    lanes = {e['tid']: e['args']['name'] for e in case.trace['traceEvents']
             if e.get('name') == 'thread_name'}
    busy = {}
    for e in events:
        if e['args']['turn'] == 2:
            lane = lanes[e['tid']]
            busy[lane] = busy.get(lane, 0) + e['dur']
    unit, data = case.page.data['unit'], case.page
    copies = sum(length for _, length, *_ in data.rows('copies', COPY)) * unit
    slack = unit * (1 + len(data.data['copies']))
    need(abs(copies - 1000 * busy.get('in', 0)) <= slack + 1000,
         f'copies take {copies} ns, in the trace {1000 * busy.get("in", 0):.0f}')
    computes = sum(row[2] for row in data.rows('steps', STEP)) * unit
    need(abs(computes - 1000 * busy['compute']) <= unit * (1 + case.json['steps']) + 1000,
         f'steps take {computes} ns, in the trace {1000 * busy["compute"]:.0f}')
    last = -1
    for start, length, name, _, step in data.rows('copies', COPY):
        need(start >= last and start + length <= data.data['P'], 'copies overlap')
        need(0 <= name < len(data.data['names']) and 0 <= step < case.json['steps'], 'no copy')
        last = start + length


def candidates_are_those_of_the_json(case):
    shown = {e.get('data-candidate'): number(e, 'period-ns')
             for e in case.page.having('data-candidate', 'candidates')}
    wanted = dict(case.json['candidates'], **{'this plan': case.json['period_ns'],
                                              'lower bound': case.json['bound_ns'],
                                              'resident': case.json['compute_ns']})
    if case.json['unpacked_ns'] * 1.0005 < case.json['period_ns']:
        wanted['before addresses'] = case.json['unpacked_ns']
    need(shown == wanted, f'candidates {shown}, not {wanted}')
    rules = [ns for name, ns in case.json['candidates'].items() if name in RULES]
    need(not rules or min(rules) >= case.json['period_ns'], 'a rule beats the plan')


def the_curve_falls_through_this_plan(case):
    points = [(number(e, 'budget-bytes'), number(e, 'period-ns'), number(e, 'bound-ns'))
              for e in case.page.having('data-bound-ns', 'curve')]
    need(points == sorted(points) and len({p[0] for p in points}) == len(points), 'no order')
    others = [p for p in points if p[0] != case.json['device_budget_bytes']]
    need(all(a[1] >= b[1] for a, b in zip(others, others[1:])), f'the curve rises: {points}')
    need(all(bound <= period for _, period, bound in points), 'a bound above its plan')
    mine = (case.json['device_budget_bytes'], case.json['period_ns'], case.json['bound_ns'])
    need(mine in points or mine[0] > points[-1][0], f'this plan {mine} is not among {points}')
    need(points[0][0] == case.json['floor_bytes'], 'the curve does not begin at the floor')


def the_page_fetches_nothing(case):
    found = re.search(r'http|://|@import|url\(|\ssrc=|href=', case.page.text, re.I)
    need(not found, f'the page holds {found and found.group(0)!r}')
    need(len(case.page.bytes) < 2 * MIB * max(1, case.json['steps'] / 6000),
         f'{len(case.page.bytes)} bytes')


PAGE_TESTS = (the_verdict_is_that_of_the_json, time_adds_up, the_data_is_one_turn,
              memory_stays_within_the_height, blocks_are_those_of_the_problem,
              copies_are_those_of_the_trace, candidates_are_those_of_the_json,
              the_curve_falls_through_this_plan, the_page_fetches_nothing)


# ---- one compile against another ---------------------------------------------------------------

def the_same_bytes_twice(programs, case):
    again = programs.scratch / 'again.html'
    programs.dmsc(*case.command, '-q', '--report', again)
    need(again.read_bytes() == case.page.bytes, 'two compiles give two pages')


def the_curve_of_the_page_is_that_of_the_file(programs, case):
    path = programs.scratch / 'curve.csv'
    programs.dmsc(*case.command, '-q', '--curve', path)
    wanted = {int(row['device_budget_bytes']): row for row in csv.DictReader(path.open())}
    shared = 0
    for e in case.page.having('data-bound-ns', 'curve'):
        row = wanted.get(number(e, 'budget-bytes'))
        if row is None:
            continue
        shared += 1
        need(number(e, 'period-ns') <= int(row['period_ns']), 'slower than in the file')
        need(number(e, 'bound-ns') == int(row['bound_ns']), 'another bound')
    need(shared >= 1, 'no budget is in both')


def the_summary_names_the_same_stalls(programs, case):
    text = programs.dmsc(*case.command).stdout
    line = next(l for l in text.splitlines() if l.startswith('  STALL'))
    share = 100 * case.verdict('stall-ns') / case.verdict('period-ns')
    need(f'{share:.1f} %' in line, f'{share:.1f} % is not in {line!r}')
    for cause, name in (('link full', 'link_full'), ('no room', 'no_room'),
                        ('save first', 'save_first')):
        ns, found = case.json['stall_ns'][name], re.search(cause + r' ([\d.]+)(?: (.?s))?', line)
        need(case.verdict('stall-ns') == 0 or found, f'{cause} is not in {line!r}')
        unit = {'ns': 1, 'us': 1e3, 'µs': 1e3, 'ms': 1e6, 's': 1e9, None: 1}
        need(not found or abs(float(found[1]) * unit[found[2]] - ns) <= 0.006 * ns + 1,
             f'{cause} is {ns} ns, not {line!r}')


def no_half_page_is_left(programs, case):
    path = programs.scratch / 'no-such-folder' / 'page.html'
    done = programs.dmsc(*case.command, '-q', '--report', path, expect=4)
    need('page.html' in done.stderr or 'no-such-folder' in done.stderr, done.stderr)
    need(not path.parent.exists(), 'a folder was made')
    full = pathlib.Path('/dev/full')
    if full.exists():
        programs.dmsc(*case.command, '-q', '--report', full, expect=4)
        need(full.is_char_device(), 'the device is gone')
    kept = programs.scratch / 'kept.html'
    kept.write_text('as it was')
    programs.dmsc(*case.command, '-q', '--device-mem', '1', '--report', kept, expect=5)
    need(kept.read_text() == 'as it was', 'a refused compile wrote a page')


def names_of_strangers_are_text(programs, case):
    """A model whose names would be markup, script, JSON, or turn the line around."""
    model = onnx.load(case.command[0])
    hostile = '</script><img src=x onerror=alert(1)>"\'&]]>\u202e<!-- http://x'
    names = {}

    def rename(name):
        return names.setdefault(name, f'{hostile}{len(names)}') if name else name
    for node in model.graph.node:
        node.name = rename('node ' + (node.name or node.output[0]))
        for side in (node.input, node.output):
            side[:] = [rename(name) for name in side]
    for value in (*model.graph.initializer, *model.graph.input, *model.graph.output,
                  *model.graph.value_info):
        value.name = rename(value.name)
    path, page = programs.scratch / 'hostile.onnx', programs.scratch / 'hostile.html'
    onnx.save(model, path)
    programs.dmsc(path, *case.command[1:], '-q', '--report', page)
    found = Page(page)
    need('<img' not in found.text and 'http' not in found.text, 'a name became markup')
    need(any('onerror' in name for name in found.data['names']), 'the names are not there')


def hidden_from_the_break_even_on(programs, graph, words):
    """The summary's number of rows against compiles at more and fewer: below it the bound lies
    above the steps, from it on at their sum."""
    def at(rows, budget):
        path = programs.scratch / 'rows.json'
        programs.dmsc(graph, *words, '--dim', f'seq={rows}', '--dim', f'total={rows}',
                      '--device-mem', budget, '-q', '--json', path)
        return json.loads(path.read_text())
    here = at(2048, '12.5%')
    rows, budget = here['break_even_tokens'], here['device_budget_bytes']
    below, above = at(rows * 9 // 10, budget), at(rows * 11 // 10, budget)
    need(below['bound_ns'] > 1.05 * below['compute_ns'], f'hidden already below {rows} rows')
    need(above['bound_ns'] <= 1.001 * above['compute_ns'], f'not hidden above {rows} rows')
    need(above['period_ns'] <= 1.02 * above['compute_ns'], f'no plan hides it above {rows} rows')


# ---- in a browser ------------------------------------------------------------------------------

def same_range(ranges, begin, end, slack):
    need(ranges, 'no picture')
    for x, y, width, height in ranges:
        need(y == 0 and height > 0, f'the height changed: {y}, {height}')
        need(abs(x - begin) <= slack and abs(x + width - end) <= slack,
             f'a picture shows {x} to {x + width}, not {begin} to {end}')


def figures(text):
    """Names and bytes of what hover says is on the device."""
    unit = {'B': 1, 'KiB': 1 << 10, 'MiB': 1 << 20, 'GiB': 1 << 30, 'TiB': 1 << 40}
    return {name: float(value.replace(',', '')) * unit[size] for name, value, size in re.findall(
        r'(kept|activations|workspace|present|loading|reserved|free) ([\d,.]+) ([KMGT]?i?B)', text)}


def hover_reads_the_data(found, case):
    data, shown = case.page.data, {'act': 'activations', 'work': 'workspace', 'wait': 'reserved'}
    steps = case.page.rows('steps', STEP)
    for share, text in found['hover']:
        time = share * data['P']
        step = max(k for k, s in enumerate(steps) if s[0] <= time + 1e-6)
        if step + 1 < len(steps) and abs(steps[step + 1][0] - time) < 2:
            continue  # the pointer stands between pixels
        need(f'step {step} ' in text, f'step {step} is not in {text!r}')
        need(data['names'][steps[step][3]] in text, f'its name is not in {text!r}')
        got = figures(text)
        for k, name in enumerate(data['order']):
            bytes_ = data['mem'][step * CLASSES + k] / 4096 * data['M']
            need(abs(got.get(shown.get(name, name), 0) - bytes_) <= 0.006 * bytes_ + 1,
                 f'{name}: {bytes_} bytes, not {text!r}')
    for share, text in found['rows']:
        row = min(len(data['kept']) - 1, int(share * len(data['kept'])))
        state = 'kept' if data['kept'][row] else 'streamed'
        need(text.endswith(' ' + state) and data['names'][data['blocks'][2 * row]] in text,
             f'row {row} is not in {text!r}')


def the_script_moves_the_pictures(program, programs, case):
    page, period = case.page, case.page.data['P']
    found = probed(program, page, programs.scratch)
    pixel = period / 500
    same_range(found['first'], 0, period, 1e-6)
    hover_reads_the_data(found, case)
    same_range(found['dragged'], period / 4, period / 2, pixel)
    same_range(found['double'], 0, period, 1e-6)
    same_range(found['in'], period / 4, period * 3 / 4, 1e-3)
    same_range(found['right'], period / 2, period, 1e-3)
    same_range(found['out'], 0, period, 1e-3)
    value, ranges = found['layer']
    begin, end = map(int, value.split(','))
    if end - begin > period / 10000:
        same_range(ranges, begin, end, 1e-3)
    need(all(t == found['ticks'][0] and t.startswith('0') for t in found['ticks']), 'axes differ')
    need(found['wide'] == 0, f'{found["wide"]} elements are wider than the window')


def narrow_and_dark_windows_hold_the_page(program, programs, case):
    found = probed(program, case.page, programs.scratch, size=(600, 3000))
    need(found['wide'] == 0, f'{found["wide"]} elements are wider than 600 pixels')
    dark = probed(program, case.page, programs.scratch,
                  '--blink-settings=preferredColorScheme=0')
    same_range(dark['first'], 0, case.page.data['P'], 1e-6)


def the_address_opens_a_range(program, programs, case):
    period = case.page.data['P']
    begin, end = period // 5, period // 2
    dom, said = show(program, f'{case.page.path.as_uri()}#t={begin},{end}', programs.scratch)
    need(not said, f'the browser said: {said[:3]}')
    boxes = [list(map(float, box.split())) for box in
             re.findall(r'<svg class="t [^"]*" viewBox="([^"]*)"', dom)]
    need(len(boxes) == len([e for e in case.page.root.iter('svg')
                            if e.get('class', '').startswith('t ')]), 'pictures are missing')
    same_range(boxes, begin, end, 1e-6)
    text = re.search(r'id="verdict"[^>]*data-period-ns="(\d+)"', html.unescape(dom))
    need(text and int(text.group(1)) == case.json['period_ns'], 'the browser has another period')


# ---- all of it ---------------------------------------------------------------------------------

def small_cases(models):
    for folder in models:
        if not (folder / 'model.onnx').exists() or not sets_of(folder):
            continue
        words = dim_words(folder / 'model.onnx', sets_of(folder)[0])
        budgets = (('25%',), ('100%',), ('floor',), ('25%', '--profile', 'h100-pcie'),
                   ('25%', '--host-mem', '50%'))
        for budget, *more in budgets[:1] if folder.name in LARGER else budgets:
            yield folder / 'model.onnx', words, budget, more


class Tally:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def run(self, test, *words, name=''):
        try:
            test(*words)
            self.passed += 1
        except Failure as failure:
            self.failed += 1
            print(f'{test.__name__} {name}: {failure}')


def check_pages(programs, folders, tally):
    """Every page test over every case; returns three cases that stall, for the rest."""
    stalled, seen = [], 0
    for model, words, budget, more in small_cases(folders):
        case = Case(programs, model, words, budget, *more)
        if not case.fits:
            continue
        seen += 1
        for test in PAGE_TESTS:
            tally.run(test, case, name=f'{case.name} {more}')
        if case.verdict('stall-ns') > 0 and model not in [c.command[0] for c in stalled]:
            copy = programs.scratch / f'kept{len(stalled)}.html'
            copy.write_bytes(case.page.bytes)
            case.page.path = copy
            stalled.append(case)
    need(seen >= 20 and len(stalled) >= 3, f'{seen} pages, {len(stalled)} that stall')
    return stalled


def main():
    build, models = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    shared = pathlib.Path(sys.argv[3]) if len(sys.argv) > 3 else None
    tally, program = Tally(), browser()
    with tempfile.TemporaryDirectory() as scratch:
        programs = Programs(build, scratch)
        folders = [models / name for name in SMALL]
        folders += [shared / 'models' / name for name in SHARED_MODELS] if shared else []
        stalled = check_pages(programs, folders, tally)
        for test in (the_same_bytes_twice, the_curve_of_the_page_is_that_of_the_file,
                     the_summary_names_the_same_stalls, no_half_page_is_left):
            tally.run(test, programs, stalled[0])
        plain = next(c for c in stalled if c.command[0].parent.name in FLAT)
        tally.run(names_of_strangers_are_text, programs, plain)
        graphs = shared / 'graphs' if shared else None
        if graphs and graphs.is_dir():
            tally.run(hidden_from_the_break_even_on, programs, graphs / 'llama2-7b-ts17.onnx', LLAMA)
            for name, words in (('llama2-7b-ts17', (*LLAMA, '--dim', 'seq=512', '--dim', 'total=512')),
                                ('sd15-unet-dynamo18', UNET)):
                case = Case(programs, graphs / f'{name}.onnx', words, '25%')
                copy = programs.scratch / f'{name}.html'
                copy.write_bytes(case.page.bytes)
                case.page.path = copy
                stalled.append(case)
                for test in PAGE_TESTS:
                    tally.run(test, case, name=case.name)
        else:
            tally.skipped += 1
        if program is None:
            print('no browser here (apt-get install chromium): the script of the page did not run')
            tally.skipped += 3
        else:
            for case in (stalled[0], stalled[-1]):
                for test in (the_script_moves_the_pictures, the_address_opens_a_range):
                    tally.run(test, program, programs, case, name=case.name)
            tally.run(narrow_and_dark_windows_hold_the_page, program, programs, stalled[0])
    print(f'{tally.passed} passed, {tally.failed} failed, {tally.skipped} skipped')
    return tally.failed != 0


if __name__ == '__main__':
    sys.exit(main())
