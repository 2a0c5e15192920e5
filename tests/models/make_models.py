"""usage: make_models.py FOLDER [--only NAME,...]   makes the models of the tests with references
       make_models.py FOLDER --large         makes one Llama-like decoder of 608 MB, no references
       make_models.py FOLDER --wide          makes models whose weights outweigh what they compute,
                                             20 to 60 ms a turn, no references (tests/bench)
Does nothing where the folder was made by this very source."""
import hashlib
import pathlib
import shutil
import sys

import numpy as np
import onnx

import build
import networks
import quantised
import recurrent
from decoder import Shape, decoder, decoder_sets
from random_graph import random_graph

HERE = pathlib.Path(__file__).resolve().parent
OCR = HERE.parent.parent / '.cache' / 'ppocr_v4_rec.onnx'


def made_decoder(opset, sizes, cached=False, tied=False):
    s = Shape()
    g = decoder(opset, s, cached, tied)
    return g.model(), decoder_sets(g, s, sizes, cached)


def made_words(opset, tied):
    """Many words, little else: the table is most of the model. The second set counts from the end."""
    s = Shape(layers=2, width=32, heads=4, groups=2, inner=80, vocab=20000)
    g = decoder(opset, s, False, tied)
    sets = decoder_sets(g, s, [(1, 8, 0), (2, 5, 0)], False)
    sets[1]['ids'] -= s.vocab
    return g.model(), sets


MODELS = {
    'cnn_opset7': networks.cnn_old,
    'cnn_opset13': lambda: networks.cnn_mobile(13),
    'cnn_opset14': lambda: networks.cnn_mobile(14),
    'encoder_opset14': lambda: networks.encoder(14),
    'encoder_opset18': lambda: networks.encoder(18),
    'decoder_opset17': lambda: made_decoder(17, [(1, 12, 0), (2, 40, 0)], tied=True),
    'decoder_opset23': lambda: made_decoder(23, [(1, 12, 0)]),
    'decoder_cache_opset18': lambda: made_decoder(18, [(1, 9, 0), (1, 1, 9), (2, 3, 7)],
                                                  cached=True),
    'words_opset17': lambda: made_words(17, tied=False),
    'words_tied_opset18': lambda: made_words(18, tied=True),
    'branches_opset18': networks.branches,
    'external_opset9': lambda: networks.mlp(9),
    'external_opset21': lambda: networks.mlp(21),
    'speech_opset11': lambda: recurrent.speech(11),
    'speech_opset14': lambda: recurrent.speech(14),
    'streaming_opset11': lambda: recurrent.streaming(11),
    'quantised_opset17': quantised.quantised,
    'streaming_opset22': lambda: recurrent.streaming(22),
    **{f'random_{seed:02}': lambda seed=seed: random_graph(seed) for seed in range(12)},
}


def copy_ready(root, name, source, inputs):
    """A model that exists as a file: copied, with references for these inputs."""
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, folder / 'model.onnx')
    build.save_sets(folder, inputs)


def make_ready(root):
    """Full-size structures of the onnx package, and the text recogniser where it was fetched."""
    random = np.random.default_rng(build.SEED)
    light = pathlib.Path(onnx.__file__).parent / 'backend/test/data/light'
    image = random.standard_normal((1, 3, 224, 224)).astype(np.float32)
    copy_ready(root, 'light_resnet50', light / 'light_resnet50.onnx', [{'gpu_0/data_0': image}])
    if OCR.exists():
        line = random.standard_normal((1, 3, 48, 96)).astype(np.float32)
        copy_ready(root, 'ppocr_v4_rec', OCR, [{'x': line}])


def make_large(root):
    """12 layers of width 1024: 608 MB of f32 weights in a file of their own."""
    s = Shape(layers=12, width=1024, heads=16, groups=4, inner=2816, vocab=8192)
    g = decoder(17, s)
    build.save(root, 'decoder_608mb', g.model(), decoder_sets(g, s, [(1, 512, 0)], False),
               external=True)


WIDE = {
    'cnn_wide': networks.cnn_wide,
    'encoder_wide': lambda: networks.encoder(18, layers=4, width=768, heads=12, vocab=4000),
    'decoder_wide': lambda: made_decoder_of(Shape(layers=6, width=640, heads=10, groups=5,
                                                  inner=1792, vocab=4096)),
    'encoder_deep': lambda: networks.encoder(17, layers=8, width=512, heads=8, vocab=2000),
    'mlp_wide': lambda: networks.mlp(21, width=2048, layers=8),
}


def made_decoder_of(shape):
    return decoder(23, shape).model(), []


def make_wide(root):
    for name, make in WIDE.items():
        build.save(root, name, make()[0], [], external=True)


def source_digest(words):
    digest = hashlib.sha256(repr((words, OCR.exists())).encode())
    for path in sorted(HERE.glob('*.py')) + [HERE.parent / 'requirements.txt']:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def main(root, *words):
    root = pathlib.Path(root)
    stamp, digest = root / 'made.txt', source_digest(words)
    if stamp.exists() and stamp.read_text(encoding='ascii') == digest:
        return
    if root.exists() and any(root.iterdir()) and not stamp.exists():
        sys.exit(f'{root} holds other things')
    shutil.rmtree(root, ignore_errors=True)
    if '--large' in words:
        make_large(root)
    elif '--wide' in words:
        make_wide(root)
    else:
        only = words[1].split(',') if words else MODELS
        for name in only:
            build.save(root, name, *MODELS[name](), external=name.startswith('external'))
        if not words:
            make_ready(root)
    stamp.write_text(digest, encoding='ascii')


if __name__ == '__main__':
    if len(sys.argv) < 2 or sys.argv[2:3] not in ([], ['--only'], ['--large'], ['--wide']):
        sys.exit(__doc__)
    main(*sys.argv[1:])
