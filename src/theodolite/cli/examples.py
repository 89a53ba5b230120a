"""What each command's --help ends with: one to three commands that can be typed as they stand."""

EXAMPLES: dict[str, tuple[str, ...]] = {
    "survey": ("survey", "survey ./my-model bundled:pocket-128", "survey hub:EleutherAI/pythia-70m --out runs/pythia"),
    "dimension": (
        "dimension bundled:pocket-128",
        "dimension weights.safetensors#wte.weight --k 64",
        "dimension glove.txt --json",
    ),
    "training": (
        "training bundled:pocket-128",
        "training hub:EleutherAI/pythia-70m --revisions 'step*' --points 12",
        "training ./checkpoints --losses losses.csv",
    ),
    "rank": ("rank bundled:pocket-64", "rank ./my-model --text my-text.txt --ranks 4,16,64 --export out"),
    "layers": ("layers bundled:pocket-128", "layers ./my-model --prompts prompts.jsonl --shuffles 0,2,4"),
    "neighbors": (
        "neighbors bundled:pocket-128 --blocks 4",
        "neighbors ./my-model --which output --metric cosine",
        "neighbors vectors.npy --blocks 64 --save graph.safetensors",
    ),
    "similarity": ("similarity", "similarity ./model-a ./model-b --which input --tokens 20000"),
    "tokens": ("tokens bundled:pocket-128", "tokens ./my-model --token ' dog' --which output"),
    "reproduce": ("reproduce kataiwa2025", "reproduce lee2025 --out runs/lee"),
    "inspect": ("inspect ./my-model", "inspect hub:EleutherAI/pythia-70m"),
    "align": ("align bundled:pocket-128 ./my-model", "align ./model-a ./model-b --fold-case --json"),
    "run": ("run study.yaml", "run runs/first/study.yaml --out runs/second"),
    "plan": ("plan study.yaml", "plan study.yaml --pilot 8 --workers 4", "plan runs/first --json"),
    "report": (
        "report runs/first",
        "report runs/first --figures pdf --style one-column",
        "report runs/a runs/b --out runs/both",
    ),
    "status": ("status runs/first", "status runs/first --watch", "status runs/first --units --failed --json"),
    "compare-runs": ("compare-runs runs/first runs/second", "compare-runs runs/cpu runs/gpu --rtol 1e-4 --json"),
    "ls": ("ls", "ls /data/runs --json"),
    "cache": ("cache", "cache --json"),
    "cache clear": ("cache clear EleutherAI/pythia-70m", "cache clear --yes"),
    "schema": ("schema", "schema manifest"),
    "completion": ("completion bash",),
    "doctor": ("doctor", "doctor --json"),
    "probe": ("probe fit ./my-model --positive bad.jsonl --negative good.jsonl",),
    "probe fit": ("probe fit ./my-model --positive bad.jsonl --negative good.jsonl",),
    "probe evaluate": ("probe evaluate runs/probe",),
    "probe score": ("probe score runs/probe --prompts new.jsonl#text --json",),
    "transfer": ("transfer evaluate --source ./small --target ./large",),
    "transfer vector": ("transfer vector bundled:pocket-64 tense --out tense.safetensors",),
    "transfer fit": ("transfer fit ./small ./large --out map.safetensors",),
    "transfer apply": ("transfer apply map.safetensors v.safetensors --out w.safetensors",),
    "transfer evaluate": (
        "transfer evaluate --source ./small --target ./large",
        "transfer evaluate --source ./a --target ./b --contrasts my.jsonl",
    ),
}


def epilogue(command: str) -> str:
    """Return what stands below the help of a command.

    Parameters
    ----------
    command : str
        Name of the command, such as `cache clear`.

    Returns
    -------
    str
        Its examples, one on each line; a blank where there are none, so that nothing is inherited.

    Examples
    --------
    >>> epilogue("ls").splitlines()[1:]
    ['  theodolite ls', '  theodolite ls /data/runs --json']
    """
    return "\n  theodolite ".join(("Examples:", *EXAMPLES[command])) if command in EXAMPLES else " "
