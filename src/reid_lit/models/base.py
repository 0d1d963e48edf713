"""What every model shares: the optimizer, the schedule, the weights' checkpoints."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from pytorch_lightning.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from typing_extensions import override

from reid_lit.backbones.base import Backbone, as_map
from reid_lit.backbones.mix_style import across_domains
