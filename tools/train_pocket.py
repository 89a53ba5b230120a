"""Train the pocket family: tokenizer, small GPT-NeoX models, evaluation, packaging and model card."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from pocket_card import write_card
from pocket_corpus import prepare, read_corpus
from pocket_package import MAIN, package, shipped_loss
from pocket_training import Recipe, read_recipes, seconds_per_step, train

log = logging.getLogger("pocket")

STEPS = ("tokenizer", "train", "package", "card", "evaluate")
EXTRA_STEPS = ("rate",)
EPILOG = """\
steps, in order (all five when none is named):
  tokenizer  split the books, train the tokenizer, encode, compute the unigram and bigram baselines
  train      train each model; finished ones are kept, an interrupted one goes on where it was last saved
  package    write float16 weights, tokenizer, token counts and family.json into --out
  card       write README.md and loss.svg from family.json
  evaluate   load every packaged model as a user would and report its validation loss
  rate       (only when named) seconds per training step of each model here

examples:
  python tools/train_pocket.py --texts novels/ --out src/theodolite/bundled
  python tools/train_pocket.py tokenizer rate --texts novels/
  python tools/train_pocket.py train --models pocket-128 --tokens 8000000

On Linux, MALLOC_MMAP_THRESHOLD_=4294967296 MALLOC_TRIM_THRESHOLD_=8589934592 in the environment keeps the big temporary
arrays mapped between steps and saves about a fifth of the CPU time.
"""


def parser() -> argparse.ArgumentParser:
    """Build the command line."""
    p = argparse.ArgumentParser(
        prog="train_pocket.py", description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument(
        "steps", nargs="*", metavar="STEP", help=f"any of {', '.join(STEPS + EXTRA_STEPS)} (default: the first five)"
    )
    p.add_argument(
        "--texts", type=Path, metavar="FOLDER", help="folder of .txt files, one book each, UTF-8 (step tokenizer)"
    )
    p.add_argument("--out", type=Path, metavar="FOLDER", help="folder to package into (steps package, card, evaluate)")
    p.add_argument(
        "--work",
        type=Path,
        default=Path("build/pocket"),
        metavar="FOLDER",
        help="intermediate files (default: %(default)s)",
    )
    p.add_argument("--models", metavar="A,B", help="only these models (default: all)")
    p.add_argument(
        "--recipes", type=Path, metavar="JSON", help="another family: a list of {name, seed, n_dims, n_layers, ...}"
    )
    p.add_argument(
        "--tokens", type=int, default=4_500_000, metavar="N", help="tokens for each model (default: %(default)s)"
    )
    p.add_argument(
        "--validation-books", type=int, default=5, metavar="K", help="books to hold out (default: %(default)s)"
    )
    p.add_argument("--vocabulary", type=int, default=4096, metavar="N", help="tokenizer entries (default: %(default)s)")
    p.add_argument("--threads", type=int, default=1, metavar="N", help="CPU threads (default: %(default)s)")
    p.add_argument("--device", default="cpu", help="torch device (default: %(default)s)")
    p.add_argument(
        "--precision",
        choices=("auto", "float32", "bfloat16"),
        default="auto",
        help="auto: bfloat16 autocast where the device computes in it natively, else float32",
    )
    about = p.add_argument_group("provenance, written into family.json and the card")
    about.add_argument("--corpus-name", default="", help="name of the corpus (default: the name of the folder)")
    about.add_argument(
        "--corpus-source", default="source not stated", help="where the corpus comes from, with its version"
    )
    about.add_argument("--corpus-license", default="not stated", help="rights of the texts")
    about.add_argument("--license", default="Apache-2.0", help="licence of the weights (default: %(default)s)")
    return p


def choose(recipes: Sequence[Recipe], wanted: str | None) -> list[Recipe]:
    """Return the recipes named in a comma-separated list, in the order of the family."""
    if wanted is None:
        return list(recipes)
    names = {name.strip() for name in wanted.split(",")}
    unknown = sorted(names - {r.name for r in recipes})
    if unknown:
        raise ValueError(f"unknown model {', '.join(unknown)}. Available: {', '.join(r.name for r in recipes)}.")
    return [r for r in recipes if r.name in names]


def run(args: argparse.Namespace) -> None:
    """Do the chosen steps."""
    steps = args.steps or list(STEPS)
    unknown = sorted(set(steps) - {*STEPS, *EXTRA_STEPS})
    if unknown:
        raise ValueError(f"unknown step {', '.join(unknown)}. Available: {', '.join(STEPS + EXTRA_STEPS)}.")
    if "tokenizer" in steps and args.texts is None:
        raise ValueError("the step 'tokenizer' needs --texts FOLDER.")
    if args.out is None and {"package", "card", "evaluate"} & set(steps):
        raise ValueError("the steps 'package', 'card' and 'evaluate' need --out FOLDER.")
    torch.set_num_threads(args.threads)
    recipes, device = choose(read_recipes(args.recipes), args.models), torch.device(args.device)
    if "tokenizer" in steps:
        name = args.corpus_name or args.texts.resolve().name
        prepare(args.texts, args.work, name=name, n_validation=args.validation_books, n_vocabulary=args.vocabulary)
    if "rate" in steps:
        for recipe in recipes:
            seconds = seconds_per_step(
                recipe, args.work, n_vocabulary=args.vocabulary, device=device, wanted_precision=args.precision
            )
            log.info("%s: %.3f seconds a step", recipe.name, seconds)
    if "train" in steps:
        for recipe in recipes:
            train(
                recipe,
                args.work,
                n_vocabulary=args.vocabulary,
                n_tokens=args.tokens,
                device=device,
                wanted_precision=args.precision,
            )
    if "package" in steps:
        package(
            recipes,
            read_corpus(args.work),
            args.work,
            args.out,
            source=args.corpus_source,
            corpus_license=args.corpus_license,
            license_=args.license,
        )
    if "card" in steps:
        write_card(args.out)
    if "evaluate" in steps:
        windows = np.load(args.work / "validation.npy")
        for recipe in recipes:
            folder = args.out / recipe.name / MAIN
            if folder.exists():
                log.info("%s: %.4f nats/token", recipe.name, shipped_loss(folder, windows))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    args = parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("pocket").setLevel(logging.INFO)
    try:
        run(args)
    except (ValueError, FileNotFoundError) as error:
        log.error("%s", error)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
