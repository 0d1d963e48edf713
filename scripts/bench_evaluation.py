"""Time and memory of an evaluation beside those of its matrix product: ``python scripts/bench_evaluation.py``."""

import argparse
import resource
import time

import torch

from reid_lit.evaluation.protocol import Protocol
from reid_lit.evaluation.ranking import Lists
from reid_lit.evaluation.scores import evaluate


def embeddings(person: torch.Tensor, persons: int, dim: int, noise: float) -> torch.Tensor:
    """Each image at its person's centre, ``noise`` standard deviations off."""
    centre = torch.randn(persons, dim, generator=torch.Generator().manual_seed(0))
    return centre[person] + noise * torch.randn(len(person), dim)


def peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queries", type=int, default=3368)
    parser.add_argument("--gallery", type=int, default=15913)
    parser.add_argument("--dim", type=int, default=2048)
    parser.add_argument("--persons", type=int, default=751)
    parser.add_argument("--cameras", type=int, default=6)
    parser.add_argument("--noise", type=float, nargs="+", default=[1.0, 8.0, 100.0], help="100 is an untrained model")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    sizes = (arguments.queries, arguments.gallery)
    persons = [torch.randint(arguments.persons, (size,)) for size in sizes]
    cameras = [torch.randint(arguments.cameras, (size,)) for size in sizes]
    lists = Lists(persons[0], cameras[0], persons[1], cameras[1])
    print(f"{sizes[0]} x {sizes[1]} x {arguments.dim}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    for noise in arguments.noise:
        query, gallery = (embeddings(person, arguments.persons, arguments.dim, noise) for person in persons)
        product, whole = [], []
        for _ in range(arguments.repeats):
            start = time.perf_counter()
            torch.mm(query, gallery.T)
            product.append(time.perf_counter() - start)
            before = peak_megabytes()
            start = time.perf_counter()
            result = evaluate(query, gallery, lists, Protocol())
            whole.append(time.perf_counter() - start)
        print(
            f"noise {noise:5.1f}: mAP {result.scores['mAP']:.3f}, matrix product {min(product):.2f} s, "
            f"evaluation {min(whole):.2f} s, ratio {min(whole) / min(product):.2f}, "
            f"peak memory {peak_megabytes():.0f} MB ({before:.0f} MB before the last evaluation)"
        )


if __name__ == "__main__":
    main()
