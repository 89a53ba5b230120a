"""Secrets taken out of text before it is logged or stored: tokens, passwords in addresses, signatures of links."""

import os
import re
from collections.abc import Mapping

_HIDDEN = "***"
_PATTERNS = (
    # what tokens of common services look like
    (re.compile(r"\b(?:hf_|api_org_|gh[pousr]_|github_pat_|glpat-|sk-|xox[abpr]-)[A-Za-z0-9_-]{12,}"), _HIDDEN),
    (re.compile(r"\bA(?:KIA|SIA)[0-9A-Z]{16}\b"), _HIDDEN),
    # user and password in an address
    (re.compile(r"(?<=://)[^\s/@:'\"]*:[^\s/@'\"]*(?=@)"), _HIDDEN),
    # headers
    (re.compile(r"(?i)(\bauthorization\b['\"]?\s*[:=]\s*['\"]?(?:bearer|basic|token)\s+)[^\s'\",}]+"), rf"\1{_HIDDEN}"),
    (re.compile(r"(?i)(\bbearer\s+)[A-Za-z0-9._~+/-]{12,}=*"), rf"\1{_HIDDEN}"),
    # signed links and keys given as parameters
    (
        re.compile(
            r"(?i)([?&](?:x-amz-[a-z-]+|x-goog-[a-z-]+|signature|sig|policy|key-pair-id|[a-z_-]*token|api_?key|password"
            r"|secret)=)[^&\s'\"]+"
        ),
        rf"\1{_HIDDEN}",
    ),
)
_SECRET_NAME = re.compile(r"(?i)token|secret|passw|api_?key|access_?key|credential")
_SHORTEST = 8


def redacted(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """Return text without secrets: `***` stands for each.

    Parameters
    ----------
    text : str
        A message, a traceback, a word of a command line.
    environment : mapping of str to str
        Variables whose names speak of a token, a key, a secret or a password are taken out wherever their values occur.

    Returns
    -------
    str
        The text itself where there is nothing to hide.

    Notes
    -----
    This is the last net, not the first: messages of our own hold no secrets, but those of libraries may.

    Examples
    --------
    >>> redacted("https://me:pw@host/x?Signature=abc&a=1", {})
    'https://***@host/x?Signature=***&a=1'
    >>> redacted("the key is correct horse", {"MY_API_KEY": "correct horse"})
    'the key is ***'
    """
    for name, value in environment.items():
        if len(value) >= _SHORTEST and _SECRET_NAME.search(name) and value in text:
            text = text.replace(value, _HIDDEN)
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text
