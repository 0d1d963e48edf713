"""What consumers read beside a model's file."""

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf

from reid_lit.export import embedder as standalone
from reid_lit.export.graph import Graph
from reid_lit.testing.embedder import Embedder

NET_SCALE_FACTOR = 0.01735207
"""The one number that DeepStream's examples multiply all channels by: 1 / (255 · 0.226)."""


def boxmot_metadata(file: Path, graph: Graph, embedder: Embedder) -> list[Path]:
    """What BoxMOT reads beside a model; ``model_name`` and classes are of the network that its file is called by."""
    size = list(graph.input.size)
    content = {
        "schema_version": 1,
        "source": "reid_lit",
        "source_sha256": embedder.origin.model,
        "model_name": "osnet_x0_25",
        "num_classes": 1,
        "preprocess": "resize",
        "model_kwargs_schema_version": 1,
        "model_kwargs": {"img_size": size},
        "img_size": size,
    }
    path = file.with_name(f"{file.name}.metadata.json")
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return [path]


def deepstream_config(file: Path, graph: Graph, _: Embedder) -> list[Path]:
    """The block ``ReID`` of a tracker's low-level configuration."""
    with torch.no_grad():
        dim = graph(graph.input.example(1)).shape[1]
    content = {
        "reidType": 2,  # features join tracks that were lost
        "batchSize": 100,
        "workspaceSize": 1000,
        "reidFeatureSize": dim,
        "reidHistorySize": 100,
        "inferDims": [3, *graph.input.size],
        "networkMode": 0,  # float32
        "inputOrder": 0,  # batch, channels, height, width
        "colorFormat": 0,  # RGB
        "offsets": [round(255 * mean, 4) for mean in graph.input.shift],
        "netScaleFactor": NET_SCALE_FACTOR,
        "keepAspc": 0,  # stretched, as in training
        "addFeatureNormalization": 0 if graph.unit_length else 1,
        "onnxFile": file.name,
        "modelEngineFile": f"{file.name}_b100_gpu0_fp32.engine",
    }
    path = file.with_suffix(".yml")
    path.write_text(OmegaConf.to_yaml({"ReID": content}), encoding="utf-8")
    return [path]


def copied_embedder(file: Path, *_: Any) -> list[Path]:
    """A copy of :mod:`reid_lit.export.embedder`."""
    path = file.with_name("reid_embedder.py")
    shutil.copyfile(standalone.__file__, path)
    return [path]
