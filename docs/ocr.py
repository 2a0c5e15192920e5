"""The demo's reading and writing: what lies between a picture and the text recogniser.

    ocr.py draw TEXT PICTURE         how docs/words.png was made (a font of Debian, 24 px)
    ocr.py unpack WHEEL MODEL        the recogniser inside the wheel rapidocr-onnxruntime
    ocr.py prepare PICTURE INPUT     picture -> float32 [1, 3, 48, width] in .npy
    ocr.py read MODEL OUTPUT         probabilities [1, steps, characters] in .npy -> text
    ocr.py reference MODEL INPUT OUTPUT    the same network run by ONNX Runtime
"""
import sys
import zipfile

import numpy as np

HEIGHT, MAX_WIDTH = 48, 192
FONT = '/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf'


def draw(text, picture):
    from PIL import Image, ImageDraw, ImageFont
    image = Image.new('L', (MAX_WIDTH, HEIGHT), 236)
    ImageDraw.Draw(image).text((MAX_WIDTH / 2, HEIGHT / 2), text, fill=28, anchor='mm',
                               font=ImageFont.truetype(FONT, 24))
    image.save(picture, optimize=True)


def unpack(wheel, model):
    with zipfile.ZipFile(wheel) as files:
        names = [n for n in files.namelist() if '_rec_' in n and n.endswith('.onnx')]
        if len(names) != 1:
            sys.exit(f'{wheel}: expected one recogniser, found {names}')
        with open(model, 'wb') as out:
            out.write(files.read(names[0]))


def prepare(picture, target):
    """Height 48, channels in the order blue, green, red, values from -1 to 1, channels first."""
    from PIL import Image
    image = Image.open(picture).convert('RGB')
    width = min(MAX_WIDTH, round(image.width * HEIGHT / image.height))
    if image.size != (width, HEIGHT):
        image = image.resize((width, HEIGHT), Image.Resampling.BILINEAR)
    pixels = np.asarray(image, np.float32)[:, :, ::-1]
    scaled = (pixels / np.float32(255) - np.float32(0.5)) / np.float32(0.5)
    np.save(target, np.ascontiguousarray(scaled.transpose(2, 0, 1)[None]))


def read(model, output):
    """Greedy CTC: the best character of each step, repeats joined, blanks (number 0) dropped."""
    import onnx
    loaded = onnx.load(model, load_external_data=False)
    table = {p.key: p.value for p in loaded.metadata_props}['character'].splitlines()
    characters = [''] + table + [' ']
    best = np.load(output)[0].argmax(axis=1)
    kept = [c for i, c in enumerate(best) if i == 0 or c != best[i - 1]]
    print(''.join(characters[c] for c in kept))


def reference(model, source, target):
    import onnxruntime
    session = onnxruntime.InferenceSession(model, providers=['CPUExecutionProvider'])
    np.save(target, session.run(None, {session.get_inputs()[0].name: np.load(source)})[0])


VERBS = {'draw': draw, 'unpack': unpack, 'prepare': prepare, 'read': read, 'reference': reference}

if __name__ == '__main__':
    if len(sys.argv) < 2 or sys.argv[1] not in VERBS:
        sys.exit(__doc__)
    VERBS[sys.argv[1]](*sys.argv[2:])
