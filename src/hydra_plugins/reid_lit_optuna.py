"""A plugin that Hydra finds by itself: the sweeper ``study``, in which Optuna chooses the next trials."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext
from omegaconf import DictConfig


class StudySweeper(Sweeper):
    """Maximises ``objective`` over ranges, with the chosen launcher.

    Args:
        params: Ranges by key, in Hydra's words: ``interval(0, 1)``, ``tag(log, interval(1e-4, 1e-3))``,
            ``int(interval(1, 5))``, ``choice(a, b)``, ``range(1, 5)``, each of whose values is a choice; those of the
            command line win.
        trials: The number of trials to finish; those of an interrupted study count.
        at_once: Trials between two choices; more than 1 for a launcher that runs several jobs at once.
        seed: Of the choices.
    """

    def __init__(self, params: DictConfig, trials: int, at_once: int, seed: int) -> None:
        self.params, self.trials, self.at_once, self.seed = params, trials, at_once, seed
        self.config: DictConfig | None = None
        self.launcher: Launcher | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: Callable, config: DictConfig) -> None:
        """Make the launcher of the trials."""
        self.config = config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Any:
        """Run the trials and write ``study.json`` into the sweep's folder."""
        from reid_lit.sweeps.optuna_study import run_study

        if self.config is None or self.launcher is None:
            raise RuntimeError("sweep() before setup()")
        ranges = [f"{key!s}={value}" for key, value in self.params.items()]
        return run_study(
            self.config, [*ranges, *arguments], self.launcher, trials=self.trials, at_once=self.at_once, seed=self.seed
        )


@dataclass
class _SweeperConfig:
    _target_: str = "hydra_plugins.reid_lit_optuna.StudySweeper"
    params: dict[str, str] = field(default_factory=dict)
    trials: int = 20
    at_once: int = 1
    seed: int = 0


ConfigStore.instance().store(group="hydra/sweeper", name="study", node=_SweeperConfig, provider="reid_lit")
