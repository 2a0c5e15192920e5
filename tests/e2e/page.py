"""A page of dmsc --report, read with two parsers, and shown by a browser; for test_report.py."""
import html.parser
import json
import pathlib
import re
import shutil
import subprocess
import xml.etree.ElementTree

from programs import Failure, need

VOID = {'meta'}
BROWSERS = ('chromium', 'chromium-browser', 'google-chrome')
BROWSER_S = 120
STEP, COPY, CLASSES = 9, 5, 6  # numbers per step, per copy, per step of mem


class Elements(html.parser.HTMLParser):
    """What a reader of HTML sees: the tags in order with their attributes, nothing left open."""

    def __init__(self, text):
        super().__init__()
        self.open, self.seen = [], []
        self.feed(text)
        self.close()
        need(not self.open, f'left open: {self.open}')

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        need(self.open and self.open[-1] == tag, f'</{tag}> closes {self.open[-1:]}')
        self.open.pop()


class Page:
    """The elements and the data of one page."""

    def __init__(self, path):
        self.path, self.bytes = pathlib.Path(path), pathlib.Path(path).read_bytes()
        self.text = self.bytes.decode()
        try:
            self.root = xml.etree.ElementTree.fromstring(self.text)
        except xml.etree.ElementTree.ParseError as error:
            raise Failure(f'{path}: not well-formed: {error}') from error
        as_html = [(tag, len(attrs)) for tag, attrs in Elements(self.text).seen]
        as_xml = [(e.tag.lower(), len(e.attrib)) for e in self.root.iter()]
        need([tag for tag, _ in as_html] == [tag for tag, _ in as_xml],
             f'{path}: HTML and XML see other elements')
        need(as_html == as_xml, f'{path}: HTML and XML see other attributes')
        self.data = json.loads(self.by_id('dms-data').text)

    def by_id(self, name):
        found = [e for e in self.root.iter() if e.get('id') == name]
        need(len(found) == 1, f'{self.path}: {len(found)} elements with id {name}')
        return found[0]

    def having(self, key, under=None):
        top = self.root if under is None else self.by_id(under)
        return [e for e in top.iter() if e.get(key) is not None]

    def rows(self, key, n):
        """An array of the data as rows of n."""
        flat = self.data[key]
        need(len(flat) % n == 0, f'{key}: {len(flat)} numbers are no rows of {n}')
        return [flat[i:i + n] for i in range(0, len(flat), n)]


def number(element, key):
    text = element.get('data-' + key)
    need(text is not None and re.fullmatch(r'\d+', text), f'data-{key} is {text!r}')
    return int(text)


def browser():
    """The path of a headless browser, or None."""
    return next((found for name in BROWSERS if (found := shutil.which(name))), None)


def show(program, address, scratch, size=(1320, 3000), *words):
    """The document that a browser has after running a page; what its console said."""
    done = subprocess.run(
        [program, '--headless', '--no-sandbox', '--disable-gpu', '--enable-logging=stderr',
         f'--user-data-dir={scratch}/browser', f'--window-size={size[0]},{size[1]}',
         '--virtual-time-budget=4000', *words, '--dump-dom', address],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=BROWSER_S, check=False)
    need(done.returncode == 0, f'the browser ended with {done.returncode}: {done.stderr[-500:]}')
    said = [line for line in done.stderr.splitlines() if 'CONSOLE' in line]
    return done.stdout, said


# Put into a copy of a page behind its own script. What it finds stands in the attributes of #probe.
PROBE = """<script>//<![CDATA[
const probe = document.createElement('p');
probe.id = 'probe';
document.body.appendChild(probe);
const box = (id) => document.querySelector('#' + id + ' .plot').getBoundingClientRect();
const ranges = () => Array.from(document.querySelectorAll('svg.t'), (s) => s.getAttribute('viewBox')
  .split(' ').map(Number));
function point(id, kind, x, y) {
  const area = box(id);
  const event = new PointerEvent(kind, { bubbles: true, pointerId: 1, button: 0,
    clientX: area.left + x * area.width, clientY: area.top + y * area.height });
  document.querySelector('#' + id + ' .plot').dispatchEvent(event);
}
const note = (key, value) => probe.setAttribute('data-' + key, JSON.stringify(value));
const read = () => document.getElementById('read').textContent;
note('first', ranges());
const seen = [];
for (const share of [0.001, 0.25, 0.5, 0.75, 0.999]) {
  point('r-device', 'pointermove', share, 0.5);
  seen.push([share, read()]);
}
note('hover', seen);
const rows = [];
for (const share of [0.01, 0.5, 0.99]) {
  point('r-res', 'pointermove', 0.5, share);
  rows.push([share, read()]);
}
note('rows', rows);
const ticks = () => Array.from(document.querySelectorAll('[data-axis]'), (a) => a.textContent);
note('ticks', ticks());
point('r-device', 'pointerdown', 0.25, 0.5);
point('r-device', 'pointermove', 0.5, 0.5);
point('r-device', 'pointerup', 0.5, 0.5);
note('dragged', ranges());
point('r-device', 'dblclick', 0.5, 0.5);
note('double', ranges());
const press = (name) => document.querySelector('[data-z="' + name + '"]').click();
press('in');
note('in', ranges());
press('r');
note('right', ranges());
press('l');
press('out');
note('out', ranges());
press('all');
const choice = document.getElementById('lsel');
choice.value = choice.options[choice.options.length - 1].value;
choice.dispatchEvent(new Event('change'));
note('layer', [choice.value, ranges()]);
press('all');
note('wide', Array.from(document.querySelectorAll('.row .plot, h1, .tile, .half'), (e) =>
  e.getBoundingClientRect()).filter((r) => r.right > innerWidth + 1 || r.left < -1).length);
//]]></script></body></html>"""


def probed(program, page, scratch, *words, size=(1320, 3000)):
    """What the probe found in a page, by key; Failure where the console said anything."""
    copy = pathlib.Path(scratch) / 'probed.html'
    end = '</body></html>'
    need(page.text.rstrip().endswith(end), 'the page does not end with its body')
    copy.write_text(page.text.rstrip()[:-len(end)] + PROBE)
    dom, said = show(program, copy.as_uri(), scratch, size, *words)
    need(not said, f'the browser said: {said[:3]}')
    found = re.search(r'<p id="probe"([^>]*)>', dom)
    need(found, 'the probe did not run')
    return {key: json.loads(html.unescape(value))
            for key, value in re.findall(r'data-(\w+)="([^"]*)"', found.group(1))}
