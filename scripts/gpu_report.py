"""The figures of ``gpu.py`` as Markdown."""

from collections.abc import Iterator
from typing import Any

SAME = 1e-4
"""Two scores are equal that differ by less than this part of themselves: float32 adds in another order."""


def markdown(content: dict[str, Any]) -> str:
    """A section for each machine."""
    return "\n\n".join("\n".join(_machine(name, one["facts"], one["steps"])) for name, one in content.items())


def _machine(name: str, facts: dict[str, Any], steps: dict[str, Any]) -> Iterator[str]:
    yield f"## {name}"
    yield f"\nCUDA {facts['cuda']}, Python {facts['python']}, {facts['cores']} cores."
    done = {key: step for key, step in steps.items() if step["state"] == "done"}
    yield from _goals(done)
    yield from _training(done)
    yield from _retrieval(done)
    yield from _others(steps)


def _goals(done: dict[str, Any]) -> Iterator[str]:
    yield "\n| goal | asked | measured |\n|---|---|---|"
    ours, rival = done.get("training bf16"), done.get("rival")
    fp16 = done.get("training fp16")
    if fp16 and rival:
        ratio = fp16["images_a_second"]["workers"] / rival["images_a_second"]
        yield f"| images/s, float16, against FastReID's loop | ≥ 1.3 × | {ratio:.2f} × |"
    if ours:
        yield f"| wait for data, workers | ≤ 5 % | {ours['waits_with_workers']:.1%} |"
        yield f"| wait for data, cache | ≤ 5 % | {ours['waits_with_cache']:.1%} |"
        yield f"| a step against the bare loop's | ≤ 1.03 × | {ours['step_to_bare_step']:.3f} × |"
    if ranking := done.get("retrieval 19,281"):
        seconds = ranking["tasks"]["rerank_and_score"]["card_seconds"]
        yield f"| k-reciprocal re-ranking of {ranking['size']} | ≤ 1 s | {seconds:.2f} s |"


def _training(done: dict[str, Any]) -> Iterator[str]:
    trainings = {name: step for name, step in done.items() if name.startswith("training")}
    if not trainings:
        return
    yield "\n| images/s | workers | cache | in memory | bare loop | embedding | peak |\n|---|---|---|---|---|---|---|"
    for name, step in trainings.items():
        rates = (step["images_a_second"][key] for key in ("workers", "cache", "memory", "bare loop", "embedding"))
        peak = "" if step["peak_gb"] is None else f"{step['peak_gb']:.1f} GB"
        yield f"| {name}, batch {step['batch_size']} | {' | '.join(f'{rate:,.0f}' for rate in rates)} | {peak} |"
    if rival := done.get("rival"):
        yield f"| FastReID's loop, batch {rival['batch_size']} | {rival['images_a_second']:,.0f} | | | | | |"
        yield "\nPut in place for FastReID: " + "; ".join(rival["patched"]) + "."


def _retrieval(done: dict[str, Any]) -> Iterator[str]:
    rows = [step for name, step in done.items() if name.startswith("retrieval")]
    if not rows:
        return
    yield "\n| work | size | card | CPU | peak on the card | score there, here | equal |\n|---|---|---|---|---|---|---|"
    for step in rows:
        for task, facts in step["tasks"].items():
            there, here = facts["card_score"], facts["cpu_score"]
            equal = "yes" if abs(there - here) <= SAME * abs(here) else "**no**"
            yield (
                f"| {task} | {step['size']} | {facts['card_seconds']:.2f} s | {facts['cpu_seconds']:.2f} s "
                f"| {facts['peak_gb']:.2f} GB | {facts['score']} {there:.6g}, {here:.6g} | {equal} |"
            )


def _others(steps: dict[str, Any]) -> Iterator[str]:
    yield "\n| step | state | seconds | |\n|---|---|---|---|"
    for name, step in steps.items():
        yield f"| {name} | {step['state']} | {step.get('seconds', '')} | {_words(step)} |"


def _words(step: dict[str, Any]) -> str:
    if "tests" in step:
        failed = "".join(f", {name}" for name in step["failed"])
        passed = step["tests"] - step["failures"] - step["errors"] - step["skipped"]
        return f"{passed} passed, {step['failures'] + step['errors']} failed, {step['skipped']} skipped{failed}"
    if "results" in step:
        scores = step["results"][0]["scores"]
        return f"{step['epochs']} epochs; rank-1 {scores['rank1']:.4f}, mAP {scores['mAP']:.4f}"
    if "epochs" in step:
        return f"{step['epochs']} epochs so far, {step.get('calls', 1)} calls{_reason(step)}"
    return step.get("reason", "")


def _reason(step: dict[str, Any]) -> str:
    return f"; {step['reason']}" if "reason" in step else ""
