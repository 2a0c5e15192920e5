"""usage: clang.py BUILD

clang reads every C file of a build that gcc has compiled, once, with the same options and its own
warnings as errors; it makes no code. Without clang all of it is one skipped test."""
import concurrent.futures
import json
import os
import pathlib
import shlex
import shutil
import subprocess
import sys

# cmocka does not say of what fails a test that it never comes back
NOT_TOLD = ('-Wno-sometimes-uninitialized',)
OF_CODE = ('-g', '-O', '-o', '-c')  # options that nobody asks for who only reads


def command_of(entry):
    """The words of a command without what is said of code. What gcc alone knows is no error."""
    words, kept = shlex.split(entry['command']), []
    first = next(i for i, word in enumerate(words) if word.startswith('-'))
    skips = False
    for word in words[first:]:
        if not skips and not word.startswith(OF_CODE) and word != entry['file']:
            kept.append(word)
        skips = word == '-o'
    return ['clang', '-fsyntax-only', '-Werror', '-Wno-unknown-warning-option',
            '-Wno-unused-command-line-argument', *kept, *NOT_TOLD, '-x', 'c', entry['file']]


def read(entry):
    done = subprocess.run(command_of(entry), cwd=entry['directory'], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        print(done.stderr, flush=True)
    return done.returncode == 0


def main():
    build = pathlib.Path(sys.argv[1])
    if shutil.which('clang') is None:
        print('no clang here (apt-get install clang)\n0 passed, 0 failed, 1 skipped')
        return False
    entries = {}
    for entry in json.loads((build / 'compile_commands.json').read_text()):
        if not entry['file'].endswith('.pb-c.c'):  # made by protoc-c, without warnings
            entries.setdefault(entry['file'], entry)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(read, entries.values()))
    print(f'{sum(results)} passed, {len(results) - sum(results)} failed')
    return not all(results)


if __name__ == '__main__':
    sys.exit(main())
