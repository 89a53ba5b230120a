import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from theodolite.core.redaction import redacted

TOKEN = "hf_" + "aB3" * 11


@pytest.mark.parametrize(
    "secret_in",
    [
        f"401 for {TOKEN}: refused",
        f"https://user:{TOKEN}@huggingface.co/x",
        "https://me:hunter2secret@proxy.example:8080/path",
        "s3://AKIAABCDEFGHIJKLMNOP:hunter2secret@bucket/run",
        "{'Authorization': 'Bearer hunter2secret'}",
        "Authorization: Basic hunter2secret==",
        "authorization=token hunter2secret",
        "sent bearer hunter2secret to the server",
        "https://cdn.example/x?Expires=1&Signature=hunter2secret&Key-Pair-Id=hunter2secret",
        "https://b.s3.amazonaws.com/x?X-Amz-Credential=hunter2secret&X-Amz-Signature=hunter2secret",
        "https://h/x?access_token=hunter2secret",
        "ghp_abcdefghijklmnopqrst, AKIAABCDEFGHIJKLMNOP",
    ],
)
def test_secrets_are_taken_out(secret_in):
    told = redacted(secret_in, {})
    for secret in (TOKEN, "hunter2secret", "AKIAABCDEFGHIJKLMNOP", "ghp_abcdefghijklmnopqrst"):
        assert secret not in told
    assert "***" in told


@pytest.mark.parametrize(
    "plain",
    [
        "hub:EleutherAI/pythia-70m@step3000#output",
        "runs/first is not a run: it has no manifest.json.",
        "http://localhost:8080/a:b@c",
        "tokens=20000, hf_hub 2.4, sk-learn, the bearer of the token",
        "a@b.example: write to git@github.com",
        '  File "x.py", line 3, in run\n    raise ValueError(f"k={k}: too many")',
        "https://host/x?which=input&tokens=5",
    ],
)
def test_ordinary_text_is_left_alone(plain):
    assert redacted(plain, {}) == plain


def test_values_of_variables_that_hold_secrets_are_taken_out_wherever_they_occur():
    environment = {"MY_SERVICE_PASSWORD": "correct horse", "HF_TOKEN": "short", "HOME": "/home/somebody"}
    assert redacted("correct horse in /home/somebody, short", environment) == "*** in /home/somebody, short"


@given(st.text(alphabet=string.ascii_letters + string.digits, min_size=20, max_size=40), st.text(max_size=40))
def test_a_token_is_taken_out_of_any_text(value, around):
    assert f"hf_{value}" not in redacted(f"{around} hf_{value} {around}", {})
