"""Logistic regression on the numbers of prompts, and on their text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from theodolite.core.errors import PointsError
from theodolite.studies.probe.features import ProbeData
from theodolite.studies.probe.names import GUARD, TEXT

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
_ITERATIONS = 1000
_NGRAMS = (1, 4)
_MOST_NGRAMS = 50_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LinearProbe:
    """A fitted logistic regression and what is done to its numbers first.

    Attributes
    ----------
    fill : numpy.ndarray
        `(n_features,)`: what stands in for a missing number, its mean over the training prompts.
    center, spread : numpy.ndarray
        `(n_features,)`: taken off, and divided by.
    weights : numpy.ndarray
        `(n_features,)`.
    intercept : float
        Of the log odds.
    n_filled : int
        Missing numbers among the training prompts.
    """

    fill: Floats
    center: Floats
    spread: Floats
    weights: Floats
    intercept: float
    n_filled: int

    def score(self, values: npt.ArrayLike) -> Floats:
        """Return the probability of each prompt being positive.

        Parameters
        ----------
        values : array_like
            `(n_prompts, n_features)`; NaN is filled.

        Returns
        -------
        numpy.ndarray
            `(n_prompts,)`, between 0 and 1.
        """
        table = np.asarray(values, dtype=np.float64)
        if table.ndim != 2 or table.shape[1] != len(self.weights):
            raise PointsError(
                f"The probe reads {len(self.weights)} numbers of each prompt, but was given a table of shape "
                f"{table.shape}. Measure the prompts with the model and settings of the probe."
            )
        filled = np.where(np.isnan(table), self.fill, table)
        # one prompt at a time in a fixed order: a prompt's score must not depend on those beside it
        odds = ((filled - self.center) / self.spread * self.weights).sum(axis=1) + self.intercept
        scores: Floats = np.exp(-np.logaddexp(0.0, -odds))
        return scores


def fit_probe(
    values: npt.ArrayLike, positive: npt.ArrayLike, *, standardize: bool = True, seed: int = 42
) -> LinearProbe:
    """Fit a logistic regression.

    Parameters
    ----------
    values : array_like
        `(n_prompts, n_features)`; NaN is filled with the mean of its column (viswanathan2025), and counted.
    positive : array_like
        `(n_prompts,)` bool.
    standardize : bool
        Bring every column to mean 0 and variance 1 first. The authors do not.
    seed : int
        Of the solver.

    Returns
    -------
    LinearProbe
        With everything that scoring needs.

    Raises
    ------
    PointsError
        If the prompts are of one kind only.

    Notes
    -----
    scikit-learn's LogisticRegression(solver="liblinear", random_state=42), as the authors have it: its penalty is 1/2
    |w|^2 and includes the intercept, so that numbers in other units give another probe unless they are standardized.

    Examples
    --------
    >>> probe = fit_probe([[1.0], [2.0], [8.0], [9.0]], [False, False, True, True])
    >>> (probe.score([[1.5], [8.5]]) > 0.5).tolist()
    [False, True]
    """
    table, labels = np.asarray(values, dtype=np.float64), np.asarray(positive, dtype=np.bool_)
    if labels.all() or not labels.any():
        raise PointsError(
            f"Prompts of one kind only ({len(labels)}): a probe tells two apart. Give prompts of the other kind."
        )
    missing = np.isnan(table)
    counts = np.maximum((~missing).sum(axis=0), 1)
    fill = np.where(missing, 0.0, table).sum(axis=0) / counts
    filled = np.where(missing, fill, table)
    center, spread = np.zeros(table.shape[1]), np.ones(table.shape[1])
    if standardize:
        center, sd = filled.mean(axis=0), filled.std(axis=0)
        spread = np.where(sd > 0, sd, 1.0)
    model = LogisticRegression(solver="liblinear", random_state=seed, max_iter=_ITERATIONS)
    model.fit((filled - center) / spread, labels)
    return LinearProbe(
        fill=fill,
        center=center,
        spread=spread,
        weights=model.coef_[0].astype(np.float64),
        intercept=float(model.intercept_[0]),
        n_filled=int(missing.sum()),
    )


def fitted_scores(
    data: ProbeData, features: str, train: Rows, test: Rows, *, layers: Sequence[int] | None = None
) -> Floats:
    """Fit on some prompts and score others.

    Parameters
    ----------
    data : ProbeData
        All prompts.
    features : str
        Name of a feature set, `majority` or `ngrams`; `guard REF` for the verdict of a guard.
    train, test : numpy.ndarray
        Places of prompts.
    layers : sequence of int, optional
        Read these layers only.

    Returns
    -------
    numpy.ndarray
        Probability of each test prompt being positive. Fillers, means and n-grams are those of the training prompts; a
        guard's verdict is taken as it is.
    """
    labels = data.positive[train]
    if features == "majority":
        return np.full(len(test), labels.mean())
    if features.startswith(GUARD):
        verdicts: Floats = data.sets[features].values[test, 0]
        return verdicts
    if features == TEXT:
        return _text_scores(data, train, test, data.protocol)
    chosen = data.sets[features]
    values = (chosen if layers is None else chosen.of_layers(layers)).values
    probe = fit_probe(values[train], labels, standardize=data.protocol["standardize"], seed=data.protocol["seed"])
    return probe.score(values[test])


def _text_scores(data: ProbeData, train: Rows, test: Rows, protocol: Mapping[str, Any]) -> Floats:
    """Score by the frequencies of character n-grams, weighted by how rare they are (TF-IDF)."""
    vectors = TfidfVectorizer(analyzer="char_wb", ngram_range=_NGRAMS, sublinear_tf=True, max_features=_MOST_NGRAMS)
    known = vectors.fit_transform([data.texts[place] for place in train])
    model = LogisticRegression(solver="liblinear", random_state=protocol["seed"], max_iter=_ITERATIONS)
    model.fit(known, data.positive[train])
    scores: Floats = model.predict_proba(vectors.transform([data.texts[place] for place in test]))[:, 1]
    return scores
