"""Calls dmsc and dmsrun and reads what they print; shared by the runners of this folder."""
import json
import pathlib
import re
import subprocess

import numpy as np
import onnx

TIMEOUT_S = 300



class Failure(Exception):
    """A test that did not pass; the text says why."""


def call(*words, expect=0):
    """Runs a command; its result, or Failure when the exit code is none of `expect`."""
    words = [str(w) for w in words]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=TIMEOUT_S, check=False)
    codes = (expect,) if isinstance(expect, int) else expect
    if done.returncode not in codes:
        tail = '\n      '.join((done.stderr or done.stdout).strip().splitlines()[-6:])
        raise Failure(f'exit code {done.returncode}, wanted {expect}: {" ".join(words)}\n      {tail}')
    return done


def need(claim, text):
    if not claim:
        raise Failure(text)


class Programs:
    """The two programs of one build folder, working in a scratch folder."""

    def __init__(self, build, scratch):
        self.build, self.scratch = pathlib.Path(build), pathlib.Path(scratch)

    def is_sanitized(self):
        return '-fsanitize' in (self.build / 'compile_commands.json').read_text()

    def dmsc(self, *words, expect=0):
        return call(self.build / 'dmsc', *words, expect=expect)

    def dmsrun(self, *words, expect=0):
        return call(self.build / 'dmsrun', *words, expect=expect)

    def compile(self, model, plan, *words, expect=0):
        """Plans a model; (completed process, the --json report or None when refused)."""
        report = self.scratch / 'dmsc.json'
        report.unlink(missing_ok=True)
        done = self.dmsc(model, '-o', plan, '--json', report, '-q', *words, expect=expect)
        return done, json.loads(report.read_text()) if done.returncode == 0 else None

    def run(self, plan, *words, expect=0):
        """Runs a plan; the --json report."""
        report = self.scratch / 'dmsrun.json'
        report.unlink(missing_ok=True)
        self.dmsrun(plan, '--json', report, *words, expect=expect)
        return json.loads(report.read_text())


def floor_named(stderr):
    """The floor in the message of exit code 5."""
    found = re.search(r'device budget.*?floor\D*?(\d+) bytes', stderr, re.S)
    need(found, f'no floor is named in: {stderr.strip()}')
    return int(found.group(1))


def inputs_of(model):
    """[(name, dims)] of the graph's inputs that no initializer fills; dims: int, str or None."""
    graph = onnx.load(model, load_external_data=False).graph
    filled = {w.name for w in graph.initializer}
    return [(i.name, [d.dim_param or (d.dim_value if d.HasField('dim_value') else None)
                      for d in i.type.tensor_type.shape.dim])
            for i in graph.input if i.name not in filled]


def dim_words(model, folder):
    """The --dim options that a data set asks for."""
    words = {}
    for i, (name, dims) in enumerate(inputs_of(model)):
        shape = np.load(folder / f'input_{i}.npy', mmap_mode='r').shape
        for axis, (dim, size) in enumerate(zip(dims, shape, strict=True)):
            if not isinstance(dim, int):
                words[f'{name}[{axis}]' if dim in (None, '?') else dim] = size
    return [word for name, size in words.items() for word in ('--dim', f'{name}={size}')]


def input_words(model, folder):
    """The --input options of a data set."""
    return [word for i, (name, _) in enumerate(inputs_of(model))
            for word in ('--input', f'{name}={folder}/input_{i}.npy')]


def sets_of(folder):
    return sorted(folder.glob('set*'), key=lambda p: int(p.name[3:]))


def io_bytes(folder):
    """Bytes of the inputs and outputs of a data set."""
    return sum(np.load(p, mmap_mode='r').nbytes for p in folder.glob('*put_*.npy'))


def compare(got_folder, want_folder, rtol=1e-4, atol_of_largest=2e-5):
    """The outputs that dmsrun wrote beside the references; Failure names the first that is off."""
    for path in sorted(want_folder.glob('output_*.npy')):
        got, want = np.load(got_folder / path.name), np.load(path)
        where = f'{want_folder.name}/{path.name}'
        need((got.dtype, got.shape) == (want.dtype, want.shape),
             f'{where}: {got.dtype}{got.shape}, wanted {want.dtype}{want.shape}')
        if want.dtype.kind == 'f' and want.size:
            largest = np.abs(want[np.isfinite(want)], dtype=np.float64).max(initial=0)
            close = np.isclose(got, want, rtol=rtol, atol=atol_of_largest * largest, equal_nan=True)
            worst = np.abs(got.astype(np.float64) - want).max()
            need(close.all(), f'{where}: {(~close).sum()} of {want.size} elements off, '
                              f'largest difference {worst:.3g}, largest reference {largest:.3g}')
        else:
            need(np.array_equal(got, want), f'{where}: values differ')
