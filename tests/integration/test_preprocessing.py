"""Preprocessing against Pillow, over random sizes and tile limits. tests/preprocessing/compare.py does the same for thousands, with PyTorch."""

import importlib.util
import os
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_random_pictures_are_pillows_byte_for_byte(bin_dir):
    spec = importlib.util.spec_from_file_location("compare", ROOT / "tests/preprocessing/compare.py")
    compare = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(compare)
    binary = bin_dir.parent / "tests/triptych_prepare_pictures"
    count, compared, differing = compare.compare(binary, int(os.environ.get("TRIPTYCH_PICTURES", 200)), seed=7)
    assert differing == 0, f"{differing} of {compared} bytes"
    assert compared > count * 3 * 224 * 224
