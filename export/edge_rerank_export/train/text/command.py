"""The ``finetune`` command for the recipes of text encoders."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from rich.console import Console

from edge_rerank_export.progress import on_console
from edge_rerank_export.train.checkpoint import recipe_asked_for
from edge_rerank_export.train.text.recipe import TextFinetuneRecipe
from edge_rerank_export.train.text.run import finetune_text, prepare

_MIB = 1 << 20


def run_finetune_text(arguments: argparse.Namespace, work: Path, console: Console) -> None:
    """Run the command.

    Raises:
        EdgeRerankError: see :func:`prepare` and :func:`finetune_text`.
    """
    recipe = recipe_asked_for(TextFinetuneRecipe, arguments)
    if arguments.threads is not None:
        torch.set_num_threads(arguments.threads)
    steps = on_console(console)
    prepared = prepare(recipe, arguments.data, steps=steps)
    plan = prepared.plan
    console.print(
        f"{plan.trained / 1e6:.2f} of {plan.weights / 1e6:.1f} million weights are trained, on "
        f"{plan.requests} requests, at most {recipe.training.steps} steps; about "
        f"{plan.bytes_needed / _MIB:.0f} MiB of memory"
    )
    if arguments.dry_run:
        console.print("dry run: checkpoint, recipe and data are in order; nothing was trained")
        return
    outcome = finetune_text(
        recipe,
        arguments.data,
        prepared,
        arguments.out,
        work=work,
        resume=arguments.resume,
        overwrite=arguments.overwrite,
        steps=steps,
    )
    for name, value in outcome.by_domain.items():
        console.print(f"{name}: NDCG@10 {100 * value:.1f} by similarity, on validation requests")
    console.print(f"{arguments.out}: {outcome.steps} steps in {outcome.seconds:.0f} s")
