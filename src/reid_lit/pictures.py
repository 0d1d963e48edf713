"""Draws what a test found, into the run's folder and the loggers."""
import pytorch_lightning as pl
class Pictures(pl.Callback):
    def __init__(self, *, folder: str, queries: int, top: int) -> None: ...
