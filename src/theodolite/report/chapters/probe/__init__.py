"""Whether a probe on the layers' geometry tells hostile from benign prompts, beside what needs no geometry."""

from theodolite.report.chapter import Chapter
from theodolite.report.chapters.probe.accuracies import ACCURACIES
from theodolite.report.chapters.probe.headline import headline, opening
from theodolite.report.chapters.probe.layer_curves import LAYER_CURVES
from theodolite.report.chapters.probe.sections import sections
from theodolite.report.chapters.probe.sources import LENGTHS, SOURCES

CHAPTER = Chapter(
    noun="classifier",
    title="Telling hostile from benign prompts",
    nav="Probe",
    lead="Share of prompts that a logistic regression puts on the right side, each scored by a fit that had not seen "
    "it. The probe reads one dimension for each layer; all others are fitted in the same way on the same prompts, and "
    "those below entropies know little or nothing of the model's geometry.",
    note="In brackets: 95 % Wilson intervals, which do not count that folds share training prompts. AUC: how often a "
    "hostile prompt scores above a benign one. Elsewhere: lowest AUC over the sources that were left out of the fit. "
    "Gain: accuracy of the dimension probe less that of this classifier on the same prompts, and McNemar's test.",
    headline=headline,
    opening=opening,
    families=(ACCURACIES, LAYER_CURVES, SOURCES, LENGTHS),
    sections=sections,
    terminal=("cross_validation", "held_out", "auc", "elsewhere", "gain"),
    essential=("cross_validation", "auc", "elsewhere"),
    short={"cross_validation": "accuracy", "held_out": "held out"},
    bar="cross_validation",
)
