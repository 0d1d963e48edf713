"""What ``python -m reid_lit.serve`` does: check, read the model, answer until told to end."""

from pathlib import Path

from omegaconf import DictConfig

from reid_lit.errors import InputError, MissingPackageError
from reid_lit.gallery.making import open_gallery
from reid_lit.safeguards.guard import Guard
from reid_lit.serve.listening import check_listening, listening

GRACE = 60
"""Seconds for which requests that run are waited for at the end."""


def run(config: DictConfig) -> None:
    """Serve a gallery until a signal comes.

    Raises:
        FileNotFoundError: there is no gallery, or no file of TLS.
        ModuleNotFoundError: a package of the extra is missing.
        ValueError: the policy, the address, the files of TLS or the model cannot be used; a size is below 1.
    """
    _check_sizes(config)
    try:
        import uvicorn

        from reid_lit.serve.app import Sizes, make_app
        from reid_lit.serve.server import Telling
        from reid_lit.serve.sharing import SharedGallery
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            f"reid_lit.serve needs the package {error.name}; pip install 'reid-lit[gallery,serve]' installs it"
        ) from error
    gallery = open_gallery(
        config.gallery,
        run=config.run,
        trust=config.trust,
        key=config.key,
        runtime=config.runtime,
        kind=SharedGallery,
    )
    guard = Guard(gallery.folder)
    certificate, private_key = _file(config.certificate), _file(config.private_key)
    check_listening(config.host, certificate, private_key, policy=guard.policy, folder=gallery.folder)
    with listening(config.host, config.port) as socket:
        sizes = Sizes(
            batch_size=config.batch_size,
            wait=config.wait_ms / 1000,
            max_bytes=int(config.max_upload_mb * 1e6),
            max_pixels=config.max_pixels,
            max_images=config.max_images,
        )
        app = make_app(gallery, guard, sizes=sizes)
        name = f"[{config.host}]" if ":" in config.host else config.host
        place = f"{'http' if certificate is None else 'https'}://{name}:{socket.getsockname()[1]}/"
        without = "" if gallery.calibration else "; its run was not calibrated: neither P(same) nor no match"
        settings = uvicorn.Config(
            app,
            log_config=None,
            log_level="warning",
            access_log=False,  # what is asked for stands in the audit log
            server_header=False,
            proxy_headers=False,
            lifespan="on",
            ssl_certfile=certificate,
            ssl_keyfile=private_key,
            limit_concurrency=config.max_requests,
            timeout_graceful_shutdown=GRACE,
        )
        words = f"{place} answers for {gallery.folder}, {len(gallery):,} images{without}; Ctrl-C ends"
        Telling(settings, words).run(sockets=[socket])


def _check_sizes(config: DictConfig) -> None:
    for name in ("batch_size", "max_upload_mb", "max_pixels", "max_images", "max_requests"):
        value = config[name]
        if value is not None and (not isinstance(value, int | float) or value < 1):
            raise InputError(f"{name}={value}: give a number from 1")
    if not isinstance(config.wait_ms, int | float) or config.wait_ms < 0:
        raise InputError(f"wait_ms={config.wait_ms}: give milliseconds, 0 or more")
    if not isinstance(config.port, int):
        raise InputError(f"port={config.port}: give a number, or 0 for any that is free")


def _file(name: str | None) -> Path | None:
    return None if name is None else Path(name).expanduser()
