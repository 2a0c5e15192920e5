// Axes, zoom and hover. Without this script every picture still shows; it only reads #dms-data
// and changes the part of time that the pictures show.
(function () {
'use strict';
const data = JSON.parse(document.getElementById('dms-data').textContent);
const all = (query) => Array.from(document.querySelectorAll(query));
const period = data.P, narrowest = Math.max(20, period / 20000);
const STEP = 9, COPY = 5; // numbers per step and per copy
const nSteps = data.steps.length / STEP, nCopies = data.copies.length / COPY;
const CAUSES = ['link full', 'no room', 'save first'];
const NAMES = { act: 'activations', work: 'workspace', wait: 'reserved' };
const pictures = all('svg.t'), axes = all('[data-axis]'), flags = all('.flag[data-t]');
const plots = all('#time .plot').filter((plot) => !plot.hasAttribute('data-axis'));
const read = document.getElementById('read'), frame = document.getElementById('win');
const numbers = document.querySelector('.lays');
let from = 0, to = period;

// Figures, as dmsc writes them.
const digits = (x, n) => (x >= 1000 ? Math.round(x).toLocaleString('en') : x.toPrecision(n));
function timeText(units) {
  const ns = units * data.unit;
  if (ns < 999.5) return Math.round(ns) + ' ns';
  if (ns < 999.5e3) return digits(ns / 1e3, 3) + ' µs';
  if (ns < 999.5e6) return digits(ns / 1e6, ns < 99.95e6 ? 3 : 4) + ' ms';
  return digits(ns / 1e9, 4) + ' s';
}
function bytesText(bytes) {
  const unit = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let k = 0;
  while (bytes >= 0.9995 * 1024 && k + 1 < unit.length) { bytes /= 1024; k++; }
  return (k === 0 ? Math.round(bytes) : digits(bytes, 3)) + ' ' + unit[k];
}

// Ticks at 1, 2 or 5 times a power of ten, in the unit that suits the whole period.
function tickStep(width, most) {
  let step = Math.pow(10, Math.floor(Math.log10(width / most)));
  for (const factor of [2, 2.5, 2]) if (width / step > most) step *= factor;
  return step;
}
function tickText(units, step) {
  const whole = period * data.unit;
  const [size, name] = whole >= 1e9 ? [1e9, 's'] : whole >= 1e6 ? [1e6, 'ms']
    : whole >= 1e3 ? [1e3, 'µs'] : [1, 'ns'];
  const decimals = Math.max(0, Math.ceil(-Math.log10(step * data.unit / size) - 1e-9));
  return units ? (units * data.unit / size).toFixed(decimals) + ' ' + name : '0';
}
function label(parent, text, share) {
  const span = document.createElement('span');
  span.textContent = text;
  span.style.left = 100 * share + '%';
  parent.appendChild(span);
}
function drawAxes() {
  const width = to - from, step = tickStep(width, axes[0].clientWidth > 600 ? 8 : 4);
  for (const axis of axes) {
    axis.textContent = '';
    for (let x = Math.ceil(from / step) * step; x <= to; x += step)
      if ((x - from) / width < .97) label(axis, tickText(x, step), (x - from) / width);
  }
}
function drawNumbers() {
  const width = to - from, pixels = numbers.parentNode.clientWidth / width;
  let last = -99;
  numbers.textContent = '';
  for (const [number, begin, end] of data.layers) {
    const middle = (Math.max(begin, from) + Math.min(end, to)) / 2 - from;
    if (end <= from || begin >= to || middle * pixels - last < 22) continue;
    label(numbers, number, middle / width);
    last = middle * pixels;
  }
}

// Shows [x, y) of the turn.
function show(x, y) {
  const width = Math.min(period, Math.max(narrowest, y - x));
  from = Math.min(Math.max(0, (x + y - width) / 2), period - width);
  to = from + width;
  for (const svg of pictures) svg.setAttribute('viewBox', `${from} 0 ${width} ${svg.dataset.h}`);
  drawAxes();
  drawNumbers();
  frame.style.left = 100 * from / period + '%';
  frame.style.right = 100 - 100 * to / period + '%';
  for (const flag of flags) {
    const at = (flag.dataset.t - from) / width;
    flag.style.display = at < 0 || at > 1 ? 'none' : '';
    flag.style.left = 100 * at + '%';
  }
}

// What one moment holds.
function last(list, size, n, time) {
  let low = 0, high = n - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (list[middle * size] <= time) low = middle; else high = middle - 1;
  }
  return low * size;
}
function nameAt(list, k) {
  const cell = list[k + 1];
  return data.names[list[k]] + (cell ? ` [${Math.floor(cell / 100)}/${cell % 100}]` : '');
}
function say(text, kind) {
  const node = document.createElement(kind === undefined ? 'span' : 'b');
  node.textContent = text;
  if (kind) node.className = kind;
  read.appendChild(node);
}
function tellStep(k) {
  const s = data.steps;
  say(' · step ');
  say(k / STEP, '');
  say(` ${nameAt(s, k + 3)} · ${data.part} ${s[k + 5]} · ${timeText(s[k + 2])}`);
  if (s[k + 1] <= 0) return;
  say(' · ');
  say('stall ' + timeText(s[k + 1]), 'st');
  say(` ${CAUSES[s[k + 8]]}` + (s[k + 6] < 0 ? '' : `, for ${nameAt(s, k + 6)}`));
}
function tellMemory(step) {
  const n = data.order.length;
  let free = 4096;
  data.order.forEach((name, k) => {
    const part = data.mem[step * n + k];
    free -= part;
    if (part === 0) return;
    say((NAMES[name] || name) + ' ');
    say(bytesText(part / 4096 * data.M), '');
    say(' · ');
  });
  say('free ');
  say(bytesText(Math.max(0, free) / 4096 * data.M), '');
}
function tellCopy(time) {
  if (nCopies === 0) return;
  const c = data.copies, k = last(c, COPY, nCopies, time);
  if (time < c[k] || time >= c[k] + c[k + 1]) return;
  say(` · in: ${nameAt(c, k + 2)} for step ${c[k + 4]}`);
}
function tell(time, plot, height) {
  const k = last(data.steps, STEP, nSteps, time);
  read.textContent = '';
  say(timeText(time), '');
  tellStep(k);
  read.appendChild(document.createElement('br'));
  tellMemory(k / STEP);
  tellCopy(time);
  if (plot.parentNode.id !== 'r-res' || data.kept.length === 0) return;
  const row = Math.min(data.kept.length - 1, Math.max(0, Math.floor(height * data.kept.length)));
  say(' · row: ');
  say(nameAt(data.blocks, row * 2), '');
  say(data.kept[row] ? ' kept' : ' streamed');
}

// Pointers: hover reads, dragging zooms.
const cursors = plots.map((plot) => {
  const line = plot.appendChild(document.createElement('div'));
  line.className = 'cur';
  line.style.display = 'none';
  return line;
});
const isWhole = (plot) => plot.parentNode.id === 'r-over';
function timeAt(plot, event) {
  const box = plot.getBoundingClientRect();
  const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
  return isWhole(plot) ? share * period : from + share * (to - from);
}
function moveCursors(time) {
  plots.forEach((plot, k) => {
    const share = isWhole(plot) ? time / period : (time - from) / (to - from);
    cursors[k].style.display = share < 0 || share > 1 ? 'none' : '';
    cursors[k].style.left = 100 * share + '%';
  });
}
for (const plot of plots) {
  let box = null, begin = 0, beginX = 0;
  plot.addEventListener('pointermove', (event) => {
    const time = timeAt(plot, event), area = plot.getBoundingClientRect();
    moveCursors(time);
    tell(time, plot, (event.clientY - area.top) / area.height);
    if (!box) return;
    const a = (beginX - area.left) / area.width, b = (event.clientX - area.left) / area.width;
    box.style.left = 100 * Math.min(a, b) + '%';
    box.style.width = 100 * Math.abs(a - b) + '%';
  });
  plot.addEventListener('pointerdown', (event) => {
    if (event.button) return;
    try { plot.setPointerCapture(event.pointerId); } catch (e) { /* no such pointer any more */ }
    begin = timeAt(plot, event);
    beginX = event.clientX;
    box = plot.appendChild(document.createElement('div'));
    box.className = 'sel';
  });
  const end = () => { if (box) box.remove(); box = null; };
  plot.addEventListener('pointerup', (event) => {
    if (!box) return;
    end();
    const time = timeAt(plot, event);
    if (Math.abs(event.clientX - beginX) > 5) show(Math.min(time, begin), Math.max(time, begin));
  });
  plot.addEventListener('pointercancel', end);
  plot.addEventListener('pointerleave', () => {
    for (const line of cursors) line.style.display = 'none';
  });
  plot.addEventListener('dblclick', () => show(0, period));
}

// Buttons, the choice of a layer, the range in the address.
const MOVES = {
  all: () => show(0, period),
  in: () => show(from + (to - from) / 4, to - (to - from) / 4),
  out: () => show(from - (to - from) / 2, to + (to - from) / 2),
  l: () => show(from - (to - from) / 2, to - (to - from) / 2),
  r: () => show(from + (to - from) / 2, to + (to - from) / 2),
};
for (const button of all('[data-z]')) button.addEventListener('click', MOVES[button.dataset.z]);
document.getElementById('lsel').addEventListener('change', (event) => {
  const range = event.target.value.split(',');
  if (range.length > 1) show(+range[0], +range[1]); else show(0, period);
});
function openRange() {
  const range = /^#t=(\d+),(\d+)$/.exec(location.hash);
  if (range) show(+range[1], +range[2]); else show(0, period);
}
addEventListener('hashchange', openRange);
addEventListener('resize', () => show(from, to));
openRange();
})();
