"""CLIP's text tower, frozen, and the sentence with learnt tokens that it reads; built by open-clip-torch."""

import logging
from pathlib import Path
from typing import Annotated, Any

import torch
from annotated_types import Ge
from jaxtyping import Float
from torch import Tensor, nn
from typing_extensions import override

from reid_lit.backbones.weights import read_state
from reid_lit.errors import InputError, MissingPackageError
from reid_lit.progress import first_rank

_log = logging.getLogger(__name__)

CURE = "give the file of both towers that open_clip reads (open_clip_model.safetensors), or none for random weights"


class TextTower(nn.Module):
    """The learnt tokens of a person, in a sentence of fixed words, to a text feature. Nothing of it learns.

    Args:
        weights: ``none``, random, or a file of CLIP with both towers; nothing is fetched.
        width: Channels of a token.
        heads: Of attention.
        layers: Blocks.
        dim: Channels of the text feature.
        before: The words before the learnt tokens.
        after: The words behind them.
        tokens: Learnt tokens of a person.

    Attributes:
        before: ``(words width)``, the start token and the words before the learnt tokens, embedded.
        after: ``(rest width)``, the words behind them, the end token and the filling of the sentence.
        end: The place of the end token, whose output is the feature.

    Source: Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", ICML 2021, section
        2.4; the sentence: Li et al., "CLIP-ReID: Exploiting Vision-Language Model for Image Re-Identification without
        Concrete Text Labels", AAAI 2023, section 3.2, and its public code.

    Raises:
        ValueError: the sentence is longer than the tower reads, or the file lacks the tower in these sizes.
        FileNotFoundError: there is no such file.
        ModuleNotFoundError: open-clip-torch is not installed.
    """

    before: Tensor
    after: Tensor

    def __init__(
        self,
        *,
        weights: str,
        width: Annotated[int, Ge(1)],
        heads: Annotated[int, Ge(1)],
        layers: Annotated[int, Ge(1)],
        dim: Annotated[int, Ge(1)],
        before: str,
        after: str,
        tokens: Annotated[int, Ge(1)],
    ) -> None:
        super().__init__()
        _, tokenizer = _open_clip()
        self.tower = _tower(width=width, heads=heads, layers=layers, dim=dim)
        self.width, self.dim, self.tokens, self.weights = width, dim, tokens, weights
        if weights != "none":
            load_text(self.tower, weights)
        first = [tokenizer.sot_token_id, *tokenizer.encode(before)]
        last = [*tokenizer.encode(after), tokenizer.eot_token_id]
        self.end, length = len(first) + tokens + len(last) - 1, self.tower.context_length
        if self.end >= length:
            raise InputError(f"tokens={tokens}: the sentence has {self.end + 1} tokens, and the tower reads {length}")
        filling = [0] * (length - self.end - 1)
        for name, words in (("before", first), ("after", [*last, *filling])):
            self.register_buffer(name, self.tower.token_embedding(torch.tensor(words)).detach())
        del self.tower.token_embedding  # 25 million numbers that no sentence needs any more
        self.requires_grad_(False)

    @override
    def forward(self, learnt: Float[Tensor, "batch tokens width"]) -> Float[Tensor, "batch dim"]:
        """(b tokens width), the learnt tokens of persons → (b dim), their text features as they are."""
        fixed = (part.expand(len(learnt), *part.shape) for part in (self.before, self.after))
        before, after = fixed
        words = torch.cat([before, learnt.to(before), after], dim=1) + self.tower.positional_embedding
        seen = self.tower.transformer(words, attn_mask=self.tower.attn_mask)
        return self.tower.ln_final(seen[:, self.end]) @ self.tower.text_projection

    def say_random(self) -> None:
        """Log a warning, on the first rank, where its weights are random."""
        if self.weights == "none" and first_rank():
            _log.warning("the text tower has random weights, so prompts say nothing of persons: %s", CURE)


def load_text(tower: nn.Module, weights: str) -> None:
    """Load the text tower of a file of CLIP, whatever stands before its names.

    Raises:
        ValueError: the file has no text tower of these sizes; ``imagenet`` is none.
        FileNotFoundError: there is no such file.
    """
    if weights == "imagenet":
        raise InputError(f"weights=imagenet: timm has CLIP's image tower alone; {CURE}")
    file, state = read_state(Path(weights)), tower.state_dict()
    mark = "token_embedding.weight"
    prefixes = [key.removesuffix(mark) for key in file if key.endswith(mark)]
    prefix = prefixes[0] if prefixes else ""
    found = {key: file[prefix + key].float() for key in state if prefix + key in file}
    lacking = [key for key, value in state.items() if key not in found or found[key].shape != value.shape]
    if lacking:
        raise InputError(
            f"weights={weights} lacks {len(lacking)} of the {len(state)} tensors of the text tower, such as"
            f" {lacking[0]} {list(state[lacking[0]].shape)}; {CURE}"
        )
    tower.load_state_dict(found)


def _tower(*, width: int, heads: int, layers: int, dim: int) -> Any:
    """open_clip's text tower with the activation of OpenAI's weights, without weights."""
    transformer, _ = _open_clip()
    if width % heads:
        raise InputError(f"heads={heads}: width={width} is no multiple of it; OpenAI's tower has 512 and 8")
    return transformer.TextTransformer(
        width=width, heads=heads, layers=layers, output_dim=dim, act_layer=transformer.QuickGELU
    )


def _open_clip() -> tuple[Any, Any]:
    """open_clip's module of transformers, and its tokenizer, whose vocabulary is in the package.

    Raises:
        ModuleNotFoundError: it is not installed.
    """
    try:
        from open_clip import transformer
        from open_clip.tokenizer import SimpleTokenizer
    except ImportError as error:
        raise MissingPackageError(
            f"the text tower needs open-clip-torch ({error}); pip install 'reid-lit[clip]' installs it"
        ) from error
    return transformer, SimpleTokenizer()
