"""How much of a text a control destroyed: BLEU of the changed text against the original."""

from theodolite.core.errors import ParameterError


def bleu(candidate: str, reference: str) -> float:
    """Measure how many short word sequences two texts share; 0 (none) to 1 (equal).

    Parameters
    ----------
    candidate : str
        The changed text, such as a decoded shuffle.
    reference : str
        The original.

    Returns
    -------
    float
        BLEU with up to four words, a fraction.

    Raises
    ------
    ParameterError
        If a text is blank.

    Notes
    -----
    Corpus BLEU of one pair by sacrebleu: tokenizer 13a, geometric mean of the precisions of 1 to 4 words, brevity
    penalty, no smoothing (0 where no four words are shared). The published calibration (1.00, 0.99, 0.97, 0.86, 0.42,
    0.03 for shuffle levels 0 to 5 of 1,024 Llama-3 tokens, means over 50 prompts) used the same tokenizer and formula
    by another library.

    References
    ----------
    Papineni et al. 2002, doi:10.3115/1073083.1073135; Post 2018, arXiv:1804.08771.

    Examples
    --------
    >>> bleu("the cat sat on the mat", "the cat sat on the mat")
    1.0
    """
    if not candidate.strip() or not reference.strip():
        raise ParameterError("BLEU needs two texts, but one is blank. Give the changed text and the original.")
    from sacrebleu.metrics.bleu import BLEU  # noqa: PLC0415 (only for this measure)

    score = BLEU(smooth_method="none", tokenize="13a", force=True).corpus_score([candidate], [[reference]])
    return min(1.0, float(score.score) / 100)
