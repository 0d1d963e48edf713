"""What a model asks of the data that it is trained on."""

from collections.abc import Iterable, Sequence
from typing import Protocol, runtime_checkable

from jaxtyping import Int
from torch import Tensor

from reid_lit.records import Batch, Split


@runtime_checkable
class TrainingData(Protocol):
    """A datamodule, set up; :class:`reid_lit.data.base.ReidData` answers for every data set."""

    @property
    def split(self) -> Split:
        """The training list, without persons held out, and the test's query and gallery."""

    @property
    def validation(self) -> Split | None:
        """Query and gallery of held-out persons; None without them."""

    @property
    def val_persons(self) -> int:
        """How many training persons are held out."""

    @property
    def cameras(self) -> int:
        """The number of cameras of all lists."""

    @property
    def training_list(self) -> str:
        """A hash of the training list: equal for the same images of the same persons by the same cameras."""

    @property
    def tests_by_training_cameras(self) -> bool:
        """Whether the query and the gallery number the cameras as the training list does."""

    @property
    def batch_size(self) -> int:
        """Images of a training step, over all ranks."""

    @property
    def two_domains(self) -> bool:
        """Whether each training batch has a labelled source and an unlabelled target."""

    @property
    def draws_by_member(self) -> bool:
        """Whether each training batch is drawn from one of several data sets."""

    @property
    def domains(self) -> Int[Tensor, " images"] | None:
        """The number of the data set of each training image; None where they are of one."""

    @property
    def draws_by_person(self) -> bool:
        """Whether training batches are drawn by the persons of the images."""

    @property
    def has_fakes(self) -> bool:
        """Whether each training batch has real and generated images."""

    def normalised_by(self, mean: Sequence[float], std: Sequence[float]) -> None:
        """Say by which mean and standard deviation, for red, green, blue, the model normalises images."""

    def relabel(self, labels: Sequence[int]) -> None:
        """Train on other classes than the persons, from the next training loader on; -1 leaves an image out."""

    def leave_out_images(self) -> None:
        """Give training batches without pixels, from the next training loader on, to a model that needs none."""

    def plain_dataloader(self) -> Iterable[Batch]:
        """The training images in their order, without augmentation, each on exactly one rank; uint8."""

    def mixed_dataloader(self, batch_size: int) -> Iterable[Batch]:
        """The training images without augmentation, each on exactly one rank, batches spread over the list; uint8."""

    def as_tested(self, image: Tensor) -> Tensor:
        """Images as a test shows them to a model: float32 in [0, 1]."""
