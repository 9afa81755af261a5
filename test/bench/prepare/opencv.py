"""What a Python user would write, at its best honest setting: OpenCV in one process for each core, large photographs decoded at a
quarter of their size, the trim of ImageMagick's -fuzz 15%, INTER_AREA, four versions as PNG.

Arguments: processes, folder of JPEGs, folder for PNGs. Prints the seconds from the first picture to the last, and their CPU seconds.
"""
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor

import cv2
import numpy as np

SIZE = 256
LIMIT = 3 * (0.15 * 255) ** 2
REDUCE_FROM = 1100


def near(picture, corner):
    """1 where a pixel differs from the corner by more than the fuzz, else 0."""
    table = ((np.arange(256, dtype=np.float32)[:, None] - corner[None, :].astype(np.float32)) ** 2)[None]
    squares = cv2.LUT(picture, table)
    return (cv2.transform(squares, np.ones((1, 3), np.float32)) > LIMIT).astype(np.uint8)


def trim(picture):
    """The box that -fuzz 15% -trim keeps."""
    top_left = near(picture, picture[0, 0])
    columns = np.flatnonzero(cv2.reduce(top_left, 0, cv2.REDUCE_MAX)[0])
    rows = np.flatnonzero(cv2.reduce(top_left, 1, cv2.REDUCE_MAX)[:, 0])
    right = np.flatnonzero(cv2.reduce(near(picture, picture[0, -1]), 0, cv2.REDUCE_MAX)[0])[-1]
    bottom = np.flatnonzero(cv2.reduce(near(picture, picture[-1, 0]), 1, cv2.REDUCE_MAX)[:, 0])[-1]
    return picture[rows[0] : bottom + 1, columns[0] : right + 1]


def prepare(job):
    source, name, folder, reduced = job
    began = time.process_time()
    eye = trim(cv2.imread(source, cv2.IMREAD_REDUCED_COLOR_4 if reduced else cv2.IMREAD_COLOR))
    scale = SIZE / max(eye.shape[:2])
    height, width = (max(1, round(side * scale)) for side in eye.shape[:2])
    small = cv2.resize(eye, (width, height), interpolation=cv2.INTER_AREA)
    square = np.zeros((SIZE, SIZE, 3), np.uint8)
    top, left = (SIZE - height + 1) // 2, (SIZE - width + 1) // 2
    square[top : top + height, left : left + width] = small
    for version, flip in (("a", None), ("r", -1), ("fa", 1), ("fr", 0)):
        picture = square if flip is None else cv2.flip(square, flip)
        cv2.imwrite(os.path.join(folder, f"{name}.{version}.png"), picture)
    return time.process_time() - began


def start():
    cv2.setNumThreads(1)


def main():
    processes, source, folder = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    jobs = []
    for file in sorted(os.listdir(source)):
        path = os.path.join(source, file)
        size = cv2.imread(path, cv2.IMREAD_REDUCED_GRAYSCALE_8).shape
        jobs.append((path, os.path.splitext(file)[0], folder, 8 * max(size) > REDUCE_FROM))
    with ProcessPoolExecutor(processes, initializer=start) as pool:
        list(pool.map(abs, range(processes)))
        began = time.perf_counter()
        spent = sum(pool.map(prepare, jobs, chunksize=1))
        print(time.perf_counter() - began, spent)


main()
