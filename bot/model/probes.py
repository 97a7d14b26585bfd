"""Probes: small classifiers on a middle layer, which know better than the model's words what the model has read.

A probe is fitted to one model and one prompt, and is used for nothing else. Every file in `fitted/` is one, made by
tools/fit_probe.py. Knows tensors and labels, no engine.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from bot.model.api import ChatMessage, Choice

FOLDER = Path(__file__).parent / "fitted"


@dataclass(frozen=True, slots=True)
class About:
    """What a probe is fitted to: the model's checksum, the task's name, system prompt and labels, and the layer.

    `question` is added behind the text: what is asked last is heard better than what the text itself asks for.
    `examples` are texts and their answers, which stand before it: the model reads better when it knows what for.
    """

    checksum: str
    task: str
    prompt: str
    labels: tuple[str, ...]
    layers: int
    question: str = ""
    examples: tuple[tuple[str, str], ...] = ()

    def prompt_for(self, text: str) -> list[ChatMessage]:
        """What the model reads. All but the last message is the same for every text, and is kept computed."""
        messages = [ChatMessage("system", self.prompt)]
        for example, answer in self.examples:
            messages += [self._asked(example), ChatMessage("assistant", answer)]
        return [*messages, self._asked(text)]

    def _asked(self, text: str) -> ChatMessage:
        return ChatMessage("user", text + self.question)


@dataclass(frozen=True, slots=True)
class Probe:
    """Logistic regression. `weights` is float32 [labels + 1, 2 · hidden], for the state of the last token and the
    mean over the text; `bias` float32 [labels + 1]. The last row stands for "none of the labels".
    """

    about: About
    weights: Tensor
    bias: Tensor

    def fits(self, task: str, messages: Sequence[ChatMessage], labels: Sequence[str]) -> bool:
        """Whether this is the question that the probe was fitted to."""
        about = self.about
        system = ChatMessage("system", about.prompt)
        return task == about.task and tuple(labels) == about.labels and messages[:-1] == [system]

    def choose(self, last: Tensor, mean: Tensor) -> Choice:
        """The verdict on a text with these states, float32 [hidden] each."""
        logits = self.weights @ torch.cat((last, mean)) + self.bias
        *each, neither = logits.softmax(0).tolist()
        total = sum(each)
        probabilities = {
            label: one / total if total else 1 / len(each)
            for label, one in zip(self.about.labels, each, strict=True)
        }
        best = max(probabilities, key=lambda label: probabilities[label])
        return Choice(best, probabilities[best], probabilities, neither)


def load(checksum: str, folder: Path = FOLDER) -> Iterator[Probe]:
    """The probes of the model with this checksum; none for a model without one."""
    for path in sorted(folder.glob("*.safetensors")) if checksum else ():
        with safe_open(path, "pt") as file:
            about = json.loads(file.metadata()["about"])
            if about["checksum"] == checksum:
                examples = tuple((text, answer) for text, answer in about.get("examples", ()))
                yield Probe(
                    About(**about | {"labels": tuple(about["labels"]), "examples": examples}),
                    file.get_tensor("weights"),
                    file.get_tensor("bias"),
                )


def save(probe: Probe, path: Path) -> None:
    """Write a file that `load` finds."""
    about = json.dumps(asdict(probe.about), ensure_ascii=False)
    tensors = {"weights": probe.weights.contiguous(), "bias": probe.bias.contiguous()}
    save_file(tensors, path, {"about": about})
    path.chmod(0o644)  # it is shipped, and save_file keeps files to their owner
