"""Fixtures: the built binaries, stubs generated from the proto by grpcio-tools, golden checkpoints, and local clusters."""

import importlib
import json
import os
import pathlib
import sys

import pytest
from grpc_tools import protoc

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))


@pytest.fixture(scope="session")
def bin_dir():
    folder = pathlib.Path(os.environ.get("TRIPTYCH_BIN", ROOT / "build/release/bin"))
    assert (folder / "triptych").exists(), f"no binaries in {folder}: build first, or set TRIPTYCH_BIN"
    return folder


def make_api(out):
    """The public API's modules as another language's client has them: made, in folder `out`, from the proto file alone."""
    code = protoc.main([
        "protoc", f"-I{ROOT / 'proto'}", f"-I{pathlib.Path(importlib.import_module('grpc_tools').__file__).parent / '_proto'}",
        f"--python_out={out}", f"--grpc_python_out={out}", "triptych/v1/inference.proto", "triptych/v1/text_vectors.proto", "google/rpc/status.proto",
    ])
    assert code == 0
    sys.path.insert(0, str(out))
    pb = importlib.import_module("triptych.v1.inference_pb2")
    pb.stub = importlib.import_module("triptych.v1.inference_pb2_grpc").InferenceStub
    return pb


@pytest.fixture(scope="session")
def api(tmp_path_factory):
    return make_api(tmp_path_factory.mktemp("stubs"))


def model_config(folder):
    return json.loads((folder / "config.json").read_text())


def golden_sets():
    """Folders of XComposer golden sets: those under tests/golden, or the ones TRIPTYCH_GOLDEN lists."""
    listed = os.environ.get("TRIPTYCH_GOLDEN")
    folders = [pathlib.Path(f) for f in listed.split(":")] if listed else sorted((ROOT / "tests/golden").glob("xcomposer*"))
    return [f for f in folders if (f / "manifest.json").exists() and model_config(f)["model_type"] in ("InternLMXComposer", "internlmxcomposer2")]


def is_plain(folder):
    """Its pictures are one tile, and its prompts short."""
    config = model_config(folder)
    return config["model_type"] == "InternLMXComposer" or "img_size" in config


@pytest.fixture(scope="session")
def tiny(request):
    from golden import GoldenSet
    return GoldenSet(next(f for f in golden_sets() if "img_size" in model_config(f)))


@pytest.fixture
def start_cluster(bin_dir, api):
    """Starts clusters that end with the test: start_cluster(model, *flags)."""
    from cluster import Cluster
    running = []

    def start(model, *flags, **options):
        cluster = Cluster(bin_dir, api, model, flags, **options)
        running.append(cluster)
        return cluster

    yield start
    for cluster in running:
        cluster.stop()


@pytest.fixture(scope="module")
def shared_cluster(bin_dir, api, tiny):
    """One encoder and one decoder of two ranks, shared by tests that leave it as they found it."""
    from cluster import Cluster
    cluster = Cluster(bin_dir, api, tiny.folder, ["--tensor-parallel", "2"])
    yield cluster
    cluster.stop()
