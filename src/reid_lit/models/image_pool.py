"""Earlier translations, so that a discriminator does not see the newest alone."""

import random
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

Images = Float[Tensor, "batch 3 height width"]


class ImagePool:
    """The last images that came in: half of the new ones are exchanged for a random one of these.

    Args:
        size: How many images are kept; 0 gives every image back as it came.
        seed: Of the draws.

    Source: Shrivastava et al., "Learning from Simulated and Unsupervised Images through Adversarial Training", CVPR
        2017, section 2.3, as the public code of Zhu et al., ICCV 2017, has it.
    """

    def __init__(self, *, size: int, seed: int) -> None:
        self.size = size
        self._images: list[Tensor] = []
        self._random = random.Random(seed)

    def exchanged(self, images: Images) -> Images:
        """As many images as came in, each of them or an earlier one, without gradients."""
        return torch.stack([self._exchanged(image) for image in images.detach()])

    def _exchanged(self, image: Tensor) -> Tensor:
        if len(self._images) < self.size:
            self._images.append(image)
            return image
        if not self.size or self._random.random() <= 0.5:
            return image
        place = self._random.randrange(self.size)
        earlier, self._images[place] = self._images[place], image
        return earlier

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps: a training that is resumed draws as it would have drawn."""
        version, numbers, gauss = self._random.getstate()
        images = torch.stack(self._images).cpu() if self._images else None
        return {"images": images, "random": [version, list(numbers), gauss]}

    def load_state_dict(self, state: dict[str, Any], device: torch.device) -> None:
        """Go on from a checkpoint."""
        version, numbers, gauss = state["random"]
        self._random.setstate((version, tuple(numbers), gauss))
        self._images = [] if state["images"] is None else list(state["images"].to(device))
