"""A data set's numbers as a picture: images of persons and cameras, and sizes."""

import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from reid_lit.errors import InputError
from reid_lit.figures.palette import COLOURS, HATCHES, STYLES
from reid_lit.kinds import said
from reid_lit.wording import counted

MOST = len(COLOURS)
"""Lists that a picture shows; more would look alike."""

BARS = 24
"""Bars of a histogram, about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """What the picture needs to know of a list.

    Attributes:
        images_of_person: How many images each person has.
        images_of_camera: How many images each camera took; cameras are counted from 0.
        sizes: (height, width) in pixels of images of the list.
    """

    images_of_person: Sequence[int]
    images_of_camera: Mapping[int, int]
    sizes: Sequence[tuple[int, int]]


def statistics_figure(lists: Mapping[str, Listed], *, title: str = "") -> Figure:
    """Images per person, images of each camera, and sizes of the images.

    Args:
        lists: The lists by name; up to seven are drawn, the first.
        title: Name and size of the data set, for instance.

    Raises:
        ValueError: there is no list.
    """
    if not lists:
        raise InputError(f"no list to draw, of {len(lists)}; give one or more")
    shown = dict(list(lists.items())[:MOST])
    left = len(lists) - len(shown)
    figure = Figure(figsize=(13, 4.4), dpi=120, layout="constrained")
    figure.suptitle(textwrap.fill(title + (f" (without {counted(left, 'more list')})" if left else ""), 130))
    persons, cameras, sizes = figure.subplots(1, 3)
    _persons(persons, [part.images_of_person for part in shown.values()])
    _cameras(cameras, {name: part.images_of_camera for name, part in shown.items()})
    _sizes(sizes, [part.sizes for part in shown.values()])
    figure.legend(*cameras.get_legend_handles_labels(), loc="outside lower center", ncols=MOST, frameon=False)
    return figure


def _persons(axes: Axes, lists: Sequence[Sequence[int]]) -> None:
    """A histogram as outlines, which many lists can share."""
    most = max((max(images) for images in lists if images), default=1)
    step = -(-most // BARS)  # numbers of images that share a bar
    edges = np.arange(1, most + step + 1, step) - 0.5
    for place, images in enumerate(lists):
        heights, _ = np.histogram(images, edges)
        axes.stairs(heights, edges, fill=True, color=COLOURS[place], alpha=0.15)
        axes.stairs(heights, edges, color=COLOURS[place], linestyle=STYLES[place % len(STYLES)], linewidth=1.6)
    together = "" if step == 1 else f" (steps of {step})"
    axes.set(title=said("images per person"), xlabel=said(f"images of a person{together}"), ylabel=said("persons"))
    _finish(axes)


def _cameras(axes: Axes, lists: Mapping[str, Mapping[int, int]]) -> None:
    cameras = sorted({camera for images in lists.values() for camera in images})
    positions, width = np.arange(len(cameras)), 0.86 / len(lists)
    for place, (name, images) in enumerate(lists.items()):
        heights = [images.get(camera, 0) for camera in cameras]
        left = positions - 0.43 + width * place
        look = {"color": COLOURS[place], "hatch": HATCHES[place], "edgecolor": "white", "linewidth": 0}
        axes.bar(left, heights, width, align="edge", label=name, **look)  # type: ignore[arg-type]
    axes.set(title="images of each camera", xlabel="camera", ylabel="images")
    _finish(axes)
    step = -(-len(cameras) // 16)
    axes.set_xticks(positions[::step], [f"c{camera + 1}" for camera in cameras[::step]])
    axes.set_xlim(-0.7, max(len(cameras), 1) - 0.3)


def _sizes(axes: Axes, lists: Sequence[Sequence[tuple[int, int]]]) -> None:
    """A dot for each size; where there are few sizes, the area grows with the images that have it."""
    counts = [Counter(sizes) for sizes in lists]
    most = max((max(count.values()) for count in counts if count), default=1)
    for place, count in enumerate(counts):
        heights, widths = [height for height, _ in count], [width for _, width in count]
        area = [12 + 150 * number / most for number in count.values()] if len(count) < BARS else 12
        axes.scatter(widths, heights, s=area, color=COLOURS[place], alpha=0.45, linewidths=0)
    different = {size for count in counts for size in count}
    if len(different) == 1:
        ((height, width),) = different
        axes.annotate(
            f"all {height} × {width}", (width, height), xytext=(-12, -20), textcoords="offset points", ha="right"
        )
    axes.set(title="sizes of the images", xlabel="width in pixels", ylabel="height in pixels")
    axes.set_xlim(0, 1.15 * max((width for _, width in different), default=1))
    axes.set_ylim(0, 1.15 * max((height for height, _ in different), default=1))
    _finish(axes)


def _finish(axes: Axes) -> None:
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(nbins=7, integer=True, steps=[1, 2, 5, 10]))
    axes.grid(alpha=0.3)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
