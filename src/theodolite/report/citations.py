"""What to cite: every method and claim that a report shows, as a link and as BibTeX."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

_ARXIV = re.compile(r"\b(\d{4}\.\d{4,5})\b")


@dataclass(frozen=True, slots=True)
class Citation:
    """A source.

    Attributes
    ----------
    key : str
        Its BibTeX key.
    short : str
        Authors and year.
    title : str
        Its title; empty where we do not know it.
    where : str
        Where it was published.
    url : str
        Where to read it; empty where there is no lasting address.
    bibtex : str
        Its BibTeX entry.
    """

    key: str
    short: str
    title: str
    where: str
    url: str
    bibtex: str


def _arxiv(key: str, short: str, *, authors: str, title: str, number: str, year: int) -> Citation:
    named = title or f"arXiv:{number}"
    bibtex = (
        f"@misc{{{key},\n  author = {{{authors}}},\n  title = {{{{{named}}}}},\n  year = {{{year}}},\n"
        f"  eprint = {{{number}}},\n  archivePrefix = {{arXiv}}\n}}"
    )
    return Citation(key, short, title, f"arXiv:{number}", f"https://arxiv.org/abs/{number}", bibtex)


def _published(key: str, short: str, kind: str, url: str, where: str, **fields: str) -> Citation:
    lines = "".join(f",\n  {name} = {{{value}}}" for name, value in fields.items())
    return Citation(key, short, fields["title"].strip("{}"), where, url, f"@{kind}{{{key}{lines}\n}}")


_SOURCES = (
    _arxiv(
        "kataiwa2025",
        "Kataiwa, Cho and Ohki 2025",
        authors="Kataiwa, Takuya and Cho, Hakaze and Ohki, Tetsushi",
        title="Measuring Intrinsic Dimension of Token Embeddings",
        number="2503.02142",
        year=2025,
    ),
    _arxiv(
        "lee2025",
        "Lee, Weber, Viégas and Wattenberg 2025",
        authors="Lee, Andrew and Weber, Melanie and Vi{\\'e}gas, Fernanda and Wattenberg, Martin",
        title="Shared Global and Local Geometry of Language Model Embeddings",
        number="2503.21073",
        year=2025,
    ),
    _arxiv(
        "viswanathan2025",
        "Viswanathan et al. 2025",
        authors="Viswanathan, Karthik and Gardinazzi, Yuri and Panerai, Giada and Cazzaniga, Alberto and "
        "Biagetti, Matteo",
        title="The Geometry of Tokens in Internal Representations of Large Language Models",
        number="2501.10573",
        year=2025,
    ),
    _arxiv("quemy2026", "Quemy 2026", authors="Quemy", title="", number="2608.29702", year=2026),
    _published(
        "facco2017",
        "Facco et al. 2017 (TwoNN)",
        "article",
        "https://arxiv.org/abs/1803.06992",
        "Scientific Reports 7, 12140",
        author="Facco, Elena and d'Errico, Maria and Rodriguez, Alex and Laio, Alessandro",
        title="{Estimating the intrinsic dimension of datasets by a minimal neighborhood information}",
        journal="Scientific Reports",
        volume="7",
        pages="12140",
        year="2017",
        doi="10.1038/s41598-017-11873-y",
    ),
    _published(
        "denti2022",
        "Denti et al. 2022 (GRIDE)",
        "article",
        "https://arxiv.org/abs/2104.13832",
        "Scientific Reports 12, 20005",
        author="Denti, Francesco and Doimo, Diego and Laio, Alessandro and Mira, Antonietta",
        title="{The generalized ratios intrinsic dimension estimator}",
        journal="Scientific Reports",
        volume="12",
        pages="20005",
        year="2022",
        doi="10.1038/s41598-022-20991-1",
    ),
    _published(
        "levina2004",
        "Levina and Bickel 2004 (MLE)",
        "inproceedings",
        "",
        "Advances in Neural Information Processing Systems 17",
        author="Levina, Elizaveta and Bickel, Peter J.",
        title="{Maximum Likelihood Estimation of Intrinsic Dimension}",
        booktitle="Advances in Neural Information Processing Systems",
        volume="17",
        year="2004",
    ),
    _published(
        "mackay2005",
        "MacKay and Ghahramani 2005 (harmonic mean)",
        "misc",
        "",
        "note, inference.org.uk",
        author="MacKay, David J. C. and Ghahramani, Zoubin",
        title="{Comments on `Maximum Likelihood Estimation of Intrinsic Dimension' by E. Levina and P. Bickel}",
        year="2005",
    ),
    _published(
        "radovanovic2010",
        "Radovanović et al. 2010 (hubness)",
        "article",
        "https://jmlr.org/papers/v11/radovanovic10a.html",
        "Journal of Machine Learning Research 11",
        author="Radovanovi{\\'c}, Milo{\\v{s}} and Nanopoulos, Alexandros and Ivanovi{\\'c}, Mirjana",
        title="{Hubs in Space: Popular Nearest Neighbors in High-Dimensional Data}",
        journal="Journal of Machine Learning Research",
        volume="11",
        pages="2487--2531",
        year="2010",
    ),
)
SOURCES = {source.key: source for source in _SOURCES}


def cited(keys: Iterable[str]) -> list[Citation]:
    """Return the sources with these keys, each once, in order of first mention; unknown keys are left out."""
    return [SOURCES[key] for key in dict.fromkeys(keys) if key in SOURCES]


def key_of(source: str) -> str | None:
    """Return the key of the source that a finding names in words, by key, by arXiv number, or None.

    Parameters
    ----------
    source : str
        Such as `kataiwa2025 (arXiv 2503.02142)`.

    Returns
    -------
    str or None
        None where the source is not in our list.

    Examples
    --------
    >>> key_of("Quemy 2026 (arXiv 2608.29702)")
    'quemy2026'
    """
    numbers = set(_ARXIV.findall(source))
    for key, citation in SOURCES.items():
        if key in source or any(number in citation.where for number in numbers):
            return key
    return None


def arxiv_url(source: str) -> str | None:
    """Return the address of the arXiv page that a source names, or None.

    Examples
    --------
    >>> arxiv_url("somebody 2030 (arXiv 3001.00001)")
    'https://arxiv.org/abs/3001.00001'
    """
    number = _ARXIV.search(source)
    return f"https://arxiv.org/abs/{number[1]}" if number else None
