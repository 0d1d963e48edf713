"""Plugins that Hydra finds by itself: tables on its search path, the sweeper ``table``, our own launchers."""

import sys
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.plugins.search_path_plugin import SearchPathPlugin
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf


class TableSearchPath(SearchPathPlugin):
    """Puts tables on Hydra's search path: it finds ``+table=<paper>/<table>``, in a checkout and in a wheel."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Put ``experiments/`` behind ``conf/``; without a command of ours there is no ``conf/`` and nothing to add."""
        from reid_lit.paths import packaged

        if str(packaged("conf")) in {str(entry.path).removeprefix("file://") for entry in search_path.get_path()}:
            search_path.append("reid_lit", f"file://{packaged('experiments')}")


class TableSweeper(Sweeper):
    """Runs the jobs of a table with the chosen launcher."""

    def __init__(self) -> None:
        self.config: DictConfig | None = None
        self.launcher: Launcher | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: Callable, config: DictConfig) -> None:  # noqa: ARG002
        """Make the launcher; what it launches is a chain of jobs instead of ``task_function``."""
        from reid_lit.tables.sweep import run_chain

        self.config = config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=run_chain, config=config
        )

    def sweep(self, arguments: list[str]) -> Any:  # noqa: ARG002 - the table's words are in the config
        """Plan, print, run, report."""
        from reid_lit.tables.sweep import sweep_table

        if self.config is None or self.launcher is None:
            raise RuntimeError("sweep() before setup()")
        words: Any = OmegaConf.to_container(self.config.table_words, resolve=False)
        return sweep_table(words, self.launcher)


class OwnLauncher(Launcher):
    """Runs each job of a multirun as a process of its own: its ranks start no sweep, and its failure stops no other."""

    def __init__(self) -> None:
        self.config: DictConfig | None = None
        self.context: HydraContext | None = None

    @abstractmethod
    def runner(self, folder: Path) -> Any:
        """What runs the jobs.

        Args:
            folder: Of the sweep, for files about all of its jobs.
        """

    def setup(self, *, hydra_context: HydraContext, task_function: Callable, config: DictConfig) -> None:  # noqa: ARG002
        """Keep what the jobs are composed from; each job runs the command itself, in place of the task."""
        self.config, self.context = config, hydra_context

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run the jobs of a sweep; each returns its score, or the error that names its log."""
        from reid_lit.sweeps.launcher import launch_jobs

        if self.config is None or self.context is None:
            raise RuntimeError("launch() before setup()")
        loader, runner = self.context.config_loader, self.runner(Path(str(self.config.hydra.sweep.dir)))
        return launch_jobs(self.config, loader, job_overrides, initial_job_idx, runner=runner)


class ProcessLauncher(OwnLauncher):
    """Runs the jobs on this machine.

    Args:
        at_once: The number of jobs that run at once; ``auto``: one for each GPU.
    """

    def __init__(self, at_once: int | str) -> None:
        super().__init__()
        self.at_once = at_once

    def runner(self, folder: Path) -> Any:  # noqa: ARG002 - it keeps no files of its own
        """The runner of this process."""
        from reid_lit.jobs.runner import runner_of

        return runner_of(self.at_once)


class SlurmLauncher(OwnLauncher):
    """Submits the jobs to SLURM, by submitit; ``conf/hydra/launcher/slurm.yaml`` has its keys.

    Args:
        wanted: Fields of :class:`reid_lit.jobs.cluster.Cluster`.
    """

    def __init__(self, **wanted: Any) -> None:
        super().__init__()
        self.wanted = wanted

    def runner(self, folder: Path) -> Any:
        """The runner that submits; it ends this process with one line where nothing can be submitted."""
        from reid_lit.errors import UserError
        from reid_lit.jobs.cluster import Cluster, ClusterRunner

        plain: dict[str, Any] = {
            key: OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
            for key, value in self.wanted.items()
        }
        cluster = Cluster(**plain)
        try:
            cluster.check()
        except UserError as error:
            sys.exit(str(error))
        return ClusterRunner(cluster, folder / ".submitted")


@dataclass
class _SweeperConfig:
    _target_: str = "hydra_plugins.reid_lit_tables.TableSweeper"


@dataclass
class _LauncherConfig:
    _target_: str = "hydra_plugins.reid_lit_tables.ProcessLauncher"
    at_once: Any = "auto"


ConfigStore.instance().store(group="hydra/sweeper", name="table", node=_SweeperConfig, provider="reid_lit")
ConfigStore.instance().store(group="hydra/launcher", name="process", node=_LauncherConfig, provider="reid_lit")
