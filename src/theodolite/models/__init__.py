"""Models of transformers: load, hidden states, logits, steering hooks, low-rank adapters.

torch is imported with this package, transformers only when a model is loaded.

>>> from theodolite.models import hidden_states, load_model
>>> model = load_model("bundled:pocket-64", device="cpu")
>>> [found.states.shape for found in hidden_states(model, [[17, 401, 99], [5, 6]])]
[torch.Size([5, 3, 64]), torch.Size([5, 2, 64])]
"""

from theodolite.models import watch
from theodolite.models.contrast_pairs import Contrast, ContrastPair, load_contrast, shipped_contrasts
from theodolite.models.contrast_vectors import contrast_vector, tokenize_pairs
from theodolite.models.evaluate import LossEvaluation, evaluate_loss
from theodolite.models.guard import Guard, guard_scores, load_guard
from theodolite.models.language_model import LanguageModel
from theodolite.models.lens import logit_lens_entropy
from theodolite.models.load import load_model, load_tokenizer
from theodolite.models.logit_box import LogitBox, box_entropy, logit_box
from theodolite.models.logit_cloud import logit_cloud, logit_root
from theodolite.models.losses import TokenLosses, entropy, token_losses
from theodolite.models.matching import greedy_match
from theodolite.models.saved_states import SavedStates, load_states, save_states
from theodolite.models.states import PromptStates, hidden_states
from theodolite.models.steering_blocks import find_blocks
from theodolite.models.steering_formats import (
    export_gguf,
    export_lm_eval,
    export_steering_vectors,
    import_gguf,
    import_lm_eval,
    import_refusal_directions,
    import_steering_vectors,
)
from theodolite.models.steering_generation import Generated, generate
from theodolite.models.steering_hooks import Steering, plan_steering, steer
from theodolite.models.steering_scores import PairScores, SideEffects, predictions, score_pairs, side_effects
from theodolite.models.steering_vector import SteeringVector, load_vector, save_vector
from theodolite.models.tuned_lens import TunedLens, load_lens, tuned_lens_entropy

__all__ = [
    "Contrast",
    "ContrastPair",
    "Generated",
    "Guard",
    "LanguageModel",
    "LogitBox",
    "LossEvaluation",
    "PairScores",
    "PromptStates",
    "SavedStates",
    "SideEffects",
    "Steering",
    "SteeringVector",
    "TokenLosses",
    "TunedLens",
    "box_entropy",
    "contrast_vector",
    "entropy",
    "evaluate_loss",
    "export_gguf",
    "export_lm_eval",
    "export_steering_vectors",
    "find_blocks",
    "generate",
    "greedy_match",
    "guard_scores",
    "hidden_states",
    "import_gguf",
    "import_lm_eval",
    "import_refusal_directions",
    "import_steering_vectors",
    "load_contrast",
    "load_guard",
    "load_lens",
    "load_model",
    "load_states",
    "load_tokenizer",
    "load_vector",
    "logit_box",
    "logit_cloud",
    "logit_lens_entropy",
    "logit_root",
    "plan_steering",
    "predictions",
    "save_states",
    "save_vector",
    "score_pairs",
    "shipped_contrasts",
    "side_effects",
    "steer",
    "token_losses",
    "tokenize_pairs",
    "tuned_lens_entropy",
    "watch",
]
