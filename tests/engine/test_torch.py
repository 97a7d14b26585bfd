"""The forward pass of a CPU for which nothing can be compiled: whatever format is taken there has to be right."""

import pytest
import torch

from bot.engine import checkpoint, linear
from bot.engine.backend import Place, open_backend
from bot.engine.decoder import Batch, Decoder, Span
from bot.engine.kv import Pool
from bot.engine.linear import Fp32

CONTEXT = 512


@pytest.fixture
def chosen(folders, tmp_path):
    """The backend that this CPU gets, by family, or the one that is wanted."""

    def make(family, wanted="auto"):
        place = Place(folders[family][0], tmp_path / "int8", None)
        return open_backend(place, wanted, context=CONTEXT, threads=2)

    return make


def logits(forward, prompts, steps):
    """Of every row of the last prompt; prompt i is fed in pieces of steps[i] rows, all of them side by side."""
    pool = Pool(forward.kv_shape, 64 << 20)
    slots = [pool.take(prompt, 8) for prompt in prompts]
    fed, found = [0] * len(prompts), []
    while fed[-1] < len(prompts[-1]):
        batch = Batch()
        for index, prompt in enumerate(prompts):
            piece = prompt[fed[index] : fed[index] + steps[index]]
            if piece:
                last = index == len(prompts) - 1
                batch.add(Span(slots[index], piece, fed[index], fed[index]), wanted=len(piece) if last else 0)
                fed[index] += len(piece)
        found.append(forward.logits(forward.forward(batch)))
    return torch.cat(found)


def test_what_is_taken_passes_its_self_test_and_what_is_refused_is_named(chosen):
    backend = chosen("qwen2.5")
    assert linear.self_test(linear.FORMATS[backend.name]) <= linear.TOLERANCE
    assert ("int8:" in backend.reason) == (linear.self_test(linear.FORMATS["int8"]) > linear.TOLERANCE)
    assert "native: nothing may be compiled" in backend.reason


@pytest.mark.parametrize("family", ["qwen1.5", "qwen2.5", "qwen3", "llama", "smollm2", "mistral"])
def test_its_logits_are_those_of_float32_on_the_same_weights(folders, tmp_path, chosen, prompt, family):
    backend = chosen(family)
    with checkpoint.opened(folders[family][0], tmp_path / "int8") as source:
        exact = Decoder(source.architecture, checkpoint.pack(source, Fp32), CONTEXT)
    text = prompt(120)
    ours, reference = logits(backend.forward, [text], [7]), logits(exact, [text], [120])
    kl = torch.nn.functional.kl_div(
        ours.log_softmax(1), reference.log_softmax(1), log_target=True, reduction="batchmean"
    )
    assert kl < 0.01
    # Greedy tokens; where two are as good as equal, rounding may choose.
    best = reference.gather(1, ours.argmax(1, keepdim=True))[:, 0]
    assert (reference.amax(1) - best).max() < 0.05 * reference.abs().max()


@pytest.mark.parametrize("company", [0, 2, 7, 15])
@pytest.mark.parametrize("wanted", ["auto", "fp32"])
def test_a_row_is_the_same_beside_hostile_neighbours(chosen, prompt, company, wanted):
    forward = chosen("qwen2.5", wanted).forward
    # Token 0 becomes an outlier a thousand times as large as everything else.
    forward.weights.embedding = forward.weights.embedding.clone()
    forward.weights.embedding[0] *= 1000
    text = [max(token, 1) for token in prompt(50)]
    alone = logits(forward, [text], [1])
    others = [[0] * (60 + i) for i in range(company)]
    together = logits(forward, [*others, text], [1] * (company + 1))
    assert (alone - together).abs().max() / alone.abs().max() < 1e-3


@pytest.mark.parametrize("rows", [3, 16, 40])
def test_int8_bf16_adds_a_row_up_in_the_same_order_beside_any_number_of_others(rows):
    generator = torch.Generator().manual_seed(1)
    product = linear.Int8Bf16.pack(linear.Weight(torch.randn(512, 1024, generator=generator)))
    x = torch.randn(rows, 1024, generator=generator)
    # Sums of numbers that are alike in size would be exact in every order.
    x *= torch.randn(rows, 1024, generator=generator).mul(3).exp()
    assert torch.equal(product(x), torch.cat([product(row[None]) for row in x]))


@pytest.mark.parametrize("inputs", [3, 8, 100])
@pytest.mark.parametrize("signs", ["both", "one"])
def test_weights_are_as_large_as_sums_of_four_in_16_bits_allow(inputs, signs):
    values = torch.randn(50, inputs, generator=torch.Generator().manual_seed(1))
    values = values.abs() if signs == "one" else values
    weight = linear.Weight(values).quantized()
    assert (weight.dequantized() - values).abs().amax() <= weight.scale.amax() * 0.5001
    longer = torch.zeros(50, (inputs + 7) // 8 * 8)
    longer[:, :inputs] = weight.values
    largest = 0
    for first in range(0, inputs, 8):
        for four in ([0, 1, 4, 5], [2, 3, 6, 7]):
            products = 127 * longer[:, [first + place for place in four]]
            largest = max(largest, products.clamp_min(0).sum(1).max(), -products.clamp_max(0).sum(1).min())
    assert largest <= 2**15 - 1
    assert largest > 30_000 or weight.values.abs().max() == 127


@pytest.mark.parametrize("name", linear.FORMATS)
@pytest.mark.parametrize("offset", [1, 8, 16])
def test_weights_may_lie_anywhere_in_memory(name, offset):
    """In a file they do: some products crash on what is not aligned."""
    if linear.self_test(linear.FORMATS[name]) > linear.TOLERANCE:
        pytest.skip("this format computes wrong on this CPU anyway")
    values = torch.zeros(128 * 64 + offset, dtype=torch.int8)[offset:].view(128, 64)
    values.random_(-127, 128, generator=torch.Generator().manual_seed(1))
    weight = linear.Weight(values, torch.rand(128))
    x = torch.randn(7, 64)
    exact = linear.Fp32.pack(weight)(x)
    assert (linear.FORMATS[name].pack(weight)(x) - exact).abs().max() / exact.abs().max() < 0.02
