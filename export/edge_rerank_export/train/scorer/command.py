"""The ``finetune`` command for the recipes of scorers."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from rich.console import Console

from edge_rerank_export.progress import on_console
from edge_rerank_export.train.checkpoint import recipe_asked_for
from edge_rerank_export.train.scorer.recipe import ScorerFinetuneRecipe
from edge_rerank_export.train.scorer.run import finetune_scorer, prepare

_MIB = 1 << 20


def run_finetune_scorer(arguments: argparse.Namespace, work: Path, console: Console) -> None:
    """Run the command.

    Raises:
        EdgeRerankError: see :func:`prepare` and :func:`finetune_scorer`.
    """
    recipe = recipe_asked_for(ScorerFinetuneRecipe, arguments)
    if arguments.threads is not None:
        torch.set_num_threads(arguments.threads)
    steps = on_console(console)
    prepared = prepare(recipe, arguments.data, work=work, steps=steps)
    plan = prepared.plan
    console.print(
        f"{plan.trained / 1e6:.2f} of {plan.weights / 1e6:.1f} million weights are trained, on "
        f"{plan.requests} requests of up to {plan.longest} tokens, at most "
        f"{recipe.training.steps} steps; about {plan.bytes_needed / _MIB:.0f} MiB of memory"
    )
    if arguments.dry_run:
        console.print("dry run: checkpoint, recipe and data are in order; nothing was trained")
        return
    result = finetune_scorer(
        recipe,
        arguments.data,
        prepared,
        arguments.out,
        work=work,
        resume=arguments.resume,
        overwrite=arguments.overwrite,
        steps=steps,
    )
    for name, value in result.outcome.by_domain.items():
        console.print(f"{name}: NDCG@10 {100 * value:.1f} on validation requests")
    console.print(
        f"{arguments.out}: {result.outcome.steps} steps in {result.outcome.seconds:.0f} s; the "
        f"checkpoint is in {result.checkpoint}"
    )
