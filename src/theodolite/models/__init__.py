"""Models of transformers: load, hidden states, logits, steering hooks, low-rank adapters.

torch is imported with this package, transformers only when a model is loaded.

>>> from theodolite.models import hidden_states, load_model
>>> model = load_model("bundled:pocket-64", device="cpu")
>>> [found.states.shape for found in hidden_states(model, [[17, 401, 99], [5, 6]])]
[torch.Size([5, 3, 64]), torch.Size([5, 2, 64])]
"""

from theodolite.models.evaluate import LossEvaluation, evaluate_loss
from theodolite.models.language_model import LanguageModel
from theodolite.models.lens import logit_lens_entropy
from theodolite.models.load import load_model
from theodolite.models.logit_cloud import logit_cloud, logit_root
from theodolite.models.losses import TokenLosses, entropy, token_losses
from theodolite.models.matching import greedy_match
from theodolite.models.saved_states import save_states
from theodolite.models.states import PromptStates, hidden_states
from theodolite.models.tuned_lens import TunedLens, load_lens, tuned_lens_entropy

__all__ = [
    "LanguageModel",
    "LossEvaluation",
    "PromptStates",
    "TokenLosses",
    "TunedLens",
    "entropy",
    "evaluate_loss",
    "greedy_match",
    "hidden_states",
    "load_lens",
    "load_model",
    "logit_cloud",
    "logit_lens_entropy",
    "logit_root",
    "save_states",
    "token_losses",
    "tuned_lens_entropy",
]
