"""A gallery is made, or opened."""

import os
from dataclasses import replace
from pathlib import Path

import torch

from reid_lit.errors import ExistingFileError, InputError
from reid_lit.export.runtime import check_runtime
from reid_lit.gallery.addresses import without_password
from reid_lit.gallery.facts import FILE, Facts, folder_of, gallery_folder, read_facts, write_facts
from reid_lit.gallery.gallery import Gallery
from reid_lit.gallery.master import VARIABLE, made_master, read_master
from reid_lit.gallery.rows import schema
from reid_lit.kinds import kind_of_stamps, speak_of
from reid_lit.run.folder import Run
from reid_lit.testing.load import load


def create(
    folder: str | os.PathLike[str],
    run: str | os.PathLike[str],
    *,
    engine: str = "lancedb",
    store: str = "",
    vectors: str = "float32",
    thumbnails: bool = False,
    trust: bool = False,
    key: str | None = None,
) -> Gallery:
    """Make an empty gallery.

    Args:
        folder: Its folder, which is made.
        run: The folder of a finished run, whose model embeds.
        engine: What keeps the rows; one of :data:`reid_lit.gallery.engine.ENGINES`.
        store: The engine's folder or address; empty: in the gallery's folder. A password in it is used now, and not
            kept: the engine finds it in the environment later.
        vectors: ``float32`` or ``float16``, what queries are compared with.
        thumbnails: Whether a small copy of each image is kept beside its vector.
        trust: See :func:`reid_lit.load`.
        key: ``@`` and a file, whose key seals all that is kept of images; it is made where there is none. None: the
            key in ``REID_GALLERY_KEY``; rows are not sealed where that is not set.

    Raises:
        FileExistsError: there is a gallery in the folder, or rows in the store.
        FileNotFoundError: there is no such run.
        ValueError: the run's model cannot be used, or the engine is unknown.
    """
    place = Path(folder).expanduser()
    if (place / FILE).exists():
        raise ExistingFileError(f"{place.resolve()} is a gallery already; open it, or give another folder")
    master = read_master(None) if key is None else made_master(key, apart_from=place)
    embedder = load(run, trust=trust).of_whole_images()
    dim = int(embedder.embed_prepared(torch.zeros(1, 3, *embedder.transform.test_size, dtype=torch.uint8)).shape[1])
    model = Path(run).expanduser().resolve()
    facts = Facts(
        run=str(model),
        origin=embedder.origin,
        dim=dim,
        engine=engine,
        store=without_password(store),
        vectors=vectors,
        thumbnails=thumbnails,
        sealed=master is not None,
        kind=kind_of_stamps(result["stamp"] for result in Run(folder_of(model)).metrics().get("results", ())),
    )
    place.mkdir(parents=True, exist_ok=True)
    if master is None:
        gallery = Gallery(place, facts, trust=trust, store=store)
        gallery.engine.create(schema(dim))
    else:
        from reid_lit.gallery.sealed import new_keys

        with new_keys(place, master):
            gallery = Gallery(place, facts, trust=trust, master=master, store=store)
            gallery.engine.create(schema(dim))
    write_facts(place, facts)
    return gallery


def open_gallery(
    folder: str | os.PathLike[str],
    *,
    run: str | None = None,
    trust: bool = False,
    key: str | None = None,
    runtime: str = "torch",
    kind: type[Gallery] = Gallery,
) -> Gallery:
    """Open a gallery; messages speak of what it shows from now on.

    Args:
        folder: Its folder.
        run: Where the run is now, if it was moved.
        trust: See :func:`reid_lit.load`.
        key: Of a sealed gallery: ``@`` and a file; None: what is in ``REID_GALLERY_KEY``.
        runtime: What computes embeddings; see :func:`reid_lit.load`.
        kind: The class that it gets.

    Raises:
        FileNotFoundError: there is no gallery, or no such file of a key.
        ValueError: its file is damaged, or of another version; or the key is missing, or another one.
    """
    check_runtime(runtime)
    place = gallery_folder(folder)
    facts = read_facts(place)
    speak_of(facts.kind)
    if key is not None and not facts.sealed:
        raise InputError(f"key: {place.resolve()} is not sealed; leave the key out, or create another gallery with it")
    master = read_master(key) if facts.sealed else None
    if facts.sealed and master is None:
        raise InputError(f"{place.resolve()} is sealed; give key=@<file>, or set {VARIABLE} to its key")
    return kind(place, replace(facts, run=run or facts.run), trust=trust, master=master, runtime=runtime)
