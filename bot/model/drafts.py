"""Drafts: small networks that guess a model's next tokens, each fitted to one model and used for no other.

Every file in `fitted/drafts/` is one, made by tools/fit_draft.py.
"""

from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save_file

from bot.engine.draft import DraftWeights
from bot.engine.linear import Weight

FOLDER = Path(__file__).parent / "fitted" / "drafts"


def load(checksum: str, folder: Path = FOLDER) -> DraftWeights | None:
    """The draft of the model with this checksum, where there is one."""
    for path in sorted(folder.glob("*.safetensors")) if checksum else ():
        with safe_open(path, "pt") as file:
            if file.metadata()["checksum"] == checksum:
                inner, outer = (
                    Weight(file.get_tensor(name), file.get_tensor(f"{name}_scale"))
                    for name in ("inner", "outer")
                )
                return DraftWeights(inner, outer, file.get_tensor("guessable"), file.get_tensor("other"))
    return None


def save(draft: DraftWeights, checksum: str, path: Path) -> None:
    """Write a file that `load` finds; the matrices in int8."""
    tensors = {"guessable": draft.guessable, "other": draft.other}
    for name, weight in (("inner", draft.inner.quantized()), ("outer", draft.outer.quantized())):
        assert weight.scale is not None
        tensors |= {name: weight.values, f"{name}_scale": weight.scale}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, path, {"checksum": checksum})
    path.chmod(0o644)  # it is shipped, and save_file keeps files to their owner
