"""TransReID's jigsaw: patches shifted, shuffled and cut in pieces, each seen by a copy of the last block."""

import copy
from typing import Annotated, Any

import torch
from annotated_types import Ge
from jaxtyping import Float
from torch import Tensor, nn

from reid_lit.errors import InputError


def jigsaw(
    patches: Float[Tensor, "batch patches channels"], *, shift: int, groups: int, pieces: int
) -> list[Float[Tensor, "batch piece channels"]]:
    """Patches in pieces that each see the whole image.

    The first ``shift`` patches go to the end. The rest is shuffled: laid out in ``groups`` rows and read by columns, as
    a riffle of cards; where the rows do not come out even, the last patch but one is repeated. Then it is cut into
    consecutive pieces of equal length, and what is left over is in none.

    Args:
        patches: Row by row, without a class token.
        shift: How many go to the end.
        groups: Rows of the riffle.
        pieces: How many pieces.

    Source: He et al., *TransReID*, ICCV 2021, section 3.2. Its parameter 5 counts the class token, so 4 patches move.

    Raises:
        ValueError: there are fewer patches than pieces or rows, or no more than go to the end.
    """
    count = patches.shape[1]
    if count < pieces or count < groups or count <= shift:
        raise InputError(
            f"pieces={pieces} groups={groups} shift={shift}: an image has {count} patches, which are too few; give"
            " pieces and groups of at most so many and a shift below it, a larger transform.size or a smaller"
            " backbone.stride"
        )
    moved = torch.cat([patches[:, shift:], patches[:, :shift]], 1)
    while moved.shape[1] % groups:
        moved = torch.cat([moved, moved[:, -2:-1]], 1)
    riffled = moved.unflatten(1, (groups, -1)).transpose(1, 2).flatten(1, 2)
    length = patches.shape[1] // pieces
    return list(riffled[:, : length * pieces].split(length, dim=1))


class JigsawBranch(nn.Module):
    """A class token for each piece of an image, by a copy of a transformer's last block and final norm.

    Args:
        block: The last block, copied.
        norm: The final norm, copied.
        prefix: Tokens before the patches, the class token first.
        shift: As in :func:`jigsaw`; so are the others.
        groups: Rows of the riffle.
        pieces: How many pieces.

    Source: He et al., *TransReID*, ICCV 2021, Fig. 3.
    """

    def __init__(
        self,
        *,
        block: nn.Module,
        norm: nn.Module,
        prefix: int,
        shift: Annotated[int, Ge(0)],
        groups: Annotated[int, Ge(1)],
        pieces: Annotated[int, Ge(1)],
    ) -> None:
        super().__init__()
        self.blocks: Any = nn.ModuleList([copy.deepcopy(block)])
        self.norm = copy.deepcopy(norm)
        self.prefix, self.shift, self.groups, self.pieces = prefix, shift, groups, pieces

    def forward(self, before: Float[Tensor, "batch tokens channels"]) -> Float[Tensor, "batch pieces channels"]:
        """(b p+n c) as they go into the last block → (b pieces c)."""
        token, patches = before[:, :1], before[:, self.prefix :]
        pieces = jigsaw(patches, shift=self.shift, groups=self.groups, pieces=self.pieces)
        return torch.stack([self.norm(self.blocks[0](torch.cat([token, piece], 1)))[:, 0] for piece in pieces], 1)
