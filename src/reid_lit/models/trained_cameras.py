"""Which cameras a model was trained on that takes the camera of an image beside it."""

from collections.abc import Iterable
from dataclasses import dataclass

from reid_lit.errors import InputError
from reid_lit.models.training_data import TrainingData
from reid_lit.records import Split


@dataclass(frozen=True, kw_only=True)
class TrainedCameras:
    """The cameras that a model was trained on.

    Attributes:
        name: Of the data set.
        training_list: Its hash, by which a test of the same data set is known.
        numbers: The cameras of its images, counted from 0.
    """

    name: str
    training_list: str
    numbers: list[int]

    @classmethod
    def of(cls, data: TrainingData) -> "TrainedCameras":
        """The cameras of a training list."""
        numbers = sorted({shot.camera_id for shot in data.split.train})
        return cls(name=data.split.name, training_list=data.training_list, numbers=numbers)

    def check(self, test: TrainingData) -> None:
        """Raise InputError unless a test is of the data set of the training, and by cameras of its training images."""
        if test.training_list != self.training_list:
            fact = f"{test.split.name} is no test of {self.name}, whose cameras were trained on"
        elif not test.tests_by_training_cameras:
            fact = f"{test.split.name} numbers its cameras otherwise than {self.name}, which joins those of its members"
        else:
            return self.check_seen(test.split)
        raise InputError(
            f"model.cameras: {fact}; test on the data set of the training (test_on=[…]), or train with model.cameras=0"
        )

    def check_seen(self, split: Split) -> None:
        """Raise InputError unless the query and the gallery are by cameras of training images."""
        if unknown := {shot.camera_id for shot in (*split.query, *split.gallery)}.difference(self.numbers):
            raise InputError(
                f"model.cameras: {split.name} has images by {counted_cameras(unknown)}, by which no training image of"
                f" {self.name} is, so that no vector is learnt; leave these images out, or train with model.cameras=0"
            )


def counted_cameras(cameras: Iterable[int]) -> str:
    """Cameras as a user counts them."""
    numbers = sorted(camera + 1 for camera in cameras)
    return f"{'camera' if len(numbers) == 1 else 'the cameras'} {', '.join(map(str, numbers))}, counted from 1"
