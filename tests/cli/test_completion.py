"""The completion scripts, read by the shells themselves where they are installed."""

import shutil
import subprocess

import pytest


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("words", "expected"), [(["theodolite", "dim"], {"dimension"}), (["theodolite", "probe", "s"], {"score"})]
)
def test_bash_completes_commands(theodolite, tmp_path, words, expected):
    done = theodolite("completion", "bash")
    assert done.code == 0
    script = tmp_path / "completion.bash"
    line = f"COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}; _theodolite; echo ${{COMPREPLY[@]}}"
    script.write_text(f"{done.out}\n{line}\n")
    answer = subprocess.run(["bash", script], capture_output=True, text=True, check=True)
    assert set(answer.stdout.split()) == expected


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_hear_of_every_command(theodolite, shell):
    script = theodolite("completion", shell).out
    for name in ("survey", "dimension", "layers", "probe", "status"):
        assert name in script


def test_an_unknown_shell_is_refused(theodolite):
    done = theodolite("completion", "tcsh")
    assert done.code == 2
    assert "bash" in done.err
