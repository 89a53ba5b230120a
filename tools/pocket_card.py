"""Write the model card of the pocket family, and its loss curve, from ``family.json`` alone."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import jinja2

COLORS = ("#1b6ca8", "#c8553d", "#588b3a", "#7a4ea3", "#8a6d1f", "#444444")
WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 720, 400, 56, 24, 136, 48


def loss_figure(family: Mapping[str, Any]) -> str:
    """Draw the losses (nats/token) against the tokens seen (logarithmic) as a small stand-alone SVG."""
    per_step = family["batch"] * family["context"]
    models, baselines = family["models"], family["baselines"]
    last = max(model["n_tokens_trained"] for model in models)
    low = math.floor(2 * min(model["validation_loss"] for model in models)) / 2
    high = math.ceil(max(max(model["validation_curve"]["loss"]) for model in models))

    def x(tokens: float) -> float:
        share = math.log(max(tokens, per_step) / per_step) / max(math.log(last / per_step), 1e-9)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(loss: float) -> float:
        return TOP + (high - loss) / max(high - low, 1e-9) * (HEIGHT - TOP - BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        'font-size="12">',
        "<title>Validation loss of the pocket models against the tokens seen</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
    ]
    for loss in range(math.ceil(low), high + 1):
        parts.append(f'<path d="M{LEFT} {y(loss):.1f}H{WIDTH - RIGHT}" stroke="#dddddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y(loss) + 4:.1f}" text-anchor="end">{loss}</text>')
    for power in range(math.ceil(math.log10(per_step)), math.floor(math.log10(last)) + 1):
        parts.append(
            f'<text x="{x(10**power):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{10**power:,}</text>'
        )
    parts.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">tokens seen</text>')
    parts.append(f'<text x="8" y="{TOP - 8}">validation loss, nats per token</text>')
    for name, baseline in baselines.items():
        parts.append(
            f'<path d="M{LEFT} {y(baseline["loss"]):.1f}H{WIDTH - RIGHT}" stroke="#777777" stroke-dasharray="5 4"/>'
            f'<text x="{WIDTH - RIGHT + 6}" y="{y(baseline["loss"]) + 4:.1f}" fill="#555555">{escape(name)}</text>'
        )
    label = TOP + 20  # the curves fall, so the upper right corner is free for the legend
    for color, model in zip(COLORS * len(models), sorted(models, key=lambda m: -m["validation_loss"]), strict=False):
        curve = model["validation_curve"]
        points = [(x(s * per_step), y(v)) for s, v in zip(curve["step"], curve["loss"], strict=True) if s > 0]
        line = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{color}" stroke-width="1.8"/>')
        parts.append(
            f'<text x="{WIDTH - RIGHT - 8}" y="{label}" text-anchor="end" fill="{color}">{escape(model["name"])} '
            f"{model['validation_loss']:.3f}</text>"
        )
        label += 16
    return "\n".join([*parts, "</svg>", ""])


def card(family: Mapping[str, Any]) -> str:
    """Return the model card as Markdown."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # the output is Markdown
        keep_trailing_newline=True,
    )
    names = family["corpus"]
    training, held_out = (
        {Path(file).stem.split("_")[-1] for file in names[key]} for key in ("training_files", "validation_files")
    )
    template = environment.get_template("pocket_card.md.jinja")
    return template.render(**family, exp=math.exp, shared_authors=sorted(training & held_out))


def write_card(out: Path) -> None:
    """Write ``README.md`` and ``loss.svg`` beside ``family.json``."""
    family = json.loads((out / "family.json").read_text(encoding="utf-8"))
    (out / "README.md").write_text(card(family), encoding="utf-8")
    (out / "loss.svg").write_text(loss_figure(family), encoding="utf-8")
