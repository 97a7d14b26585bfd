"""The compiled forward pass: the same numbers as float32 gives, each row for itself, and a way out without it."""

import platform
import shutil
import sys
from pathlib import Path

import pytest
import torch

from bot.engine import checkpoint, decoder
from bot.engine.backend import BackendUnusable, Place, open_backend
from bot.engine.decoder import Batch, Decoder, Span
from bot.engine.kv import Pool
from bot.engine.linear import Fp32, Weight
from bot.engine.native import library, selftest
from bot.engine.native.compilation import NotCompiled
from bot.engine.native.decoder import NativeDecoder

FAMILIES = ["qwen1.5", "qwen2.5", "qwen3", "llama", "smollm2"]
CONTEXT = 512


OTHER_CPUS = {
    "cascadelake": ("avx512-vnni", "avx512_vnni"),
    "sapphirerapids": ("avx512-vnni", "amx_int8"),
    "alderlake": ("avx-vnni", "avx_vnni"),
    "skylake-avx512": ("avx2", "avx512f"),
    "haswell": ("avx2", "avx2"),
    "sandybridge": ("generic", "avx"),
}
"""gcc's name of a CPU → the path that it gets, and an instruction set of it that not every CPU has."""
LIKE = {"like AVX-VNNI": 8, "like AVX-512 VNNI": 16}
"""Numbers in a vector of CPUs with VNNI, whose layout and 8-bit activations every CPU can do, one by one."""
WARNINGS = ("-Wall", "-Wextra", "-Wno-psabi", "-Werror")


def flags_for(cpu):
    """What compiles for another CPU, and takes no warning lightly."""
    return (*(flag.replace("-march=native", f"-march={cpu}") for flag in library.FLAGS), *WARNINGS)


@pytest.fixture(scope="session", params=["this CPU", *LIKE, "haswell", "sandybridge", "alderlake"])
def compiled(request, library_cache):
    """The library as it is, as on CPUs with VNNI, and for lesser CPUs."""
    with pytest.MonkeyPatch.context() as patch:
        if lanes := LIKE.get(request.param):
            patch.setattr(library, "FLAGS", (*library.FLAGS, f"-DTANDEM_LIKE_VNNI={lanes}"))
        elif request.param in OTHER_CPUS:
            isa, instructions = OTHER_CPUS[request.param]
            if instructions not in library._cpu_features().split():
                pytest.skip(f"this CPU has no {instructions}")
            patch.setattr(library, "FLAGS", flags_for(request.param))
            assert library.load(library_cache).tandem_isa() == isa.encode()
        return library.load(library_cache)


def native_decoder(compiled, folder, tmp_path):
    with checkpoint.opened(folder, tmp_path / "int8") as source:
        return NativeDecoder(compiled, source, context=CONTEXT, threads=2)


def exact_decoder(folder, tmp_path):
    """In float32, on the same int8 weights."""
    with checkpoint.opened(folder, tmp_path / "int8") as source:
        return Decoder(source.architecture, checkpoint.pack(source, Fp32), CONTEXT)


def logits(forward, prompts, steps):
    """Logits of every row: prompt i is fed in pieces of steps[i] rows, all prompts side by side."""
    pool = Pool(forward.kv_shape, 64 << 20)
    slots = [pool.take(prompt, 8) for prompt in prompts]
    found = [[] for _ in prompts]
    fed = [0] * len(prompts)
    while any(done < len(prompt) for done, prompt in zip(fed, prompts, strict=True)):
        batch, rows = Batch(), []
        for index, prompt in enumerate(prompts):
            piece = prompt[fed[index] : fed[index] + steps[index]]
            if piece:
                rows.append(
                    (index, batch.add(Span(slots[index], piece, fed[index], fed[index]), wanted=len(piece)))
                )
                fed[index] += len(piece)
        states = forward.forward(batch)
        for index, places in rows:
            found[index].append(forward.logits(states[list(places)]))
    return [torch.cat(pieces) for pieces in found]


@pytest.mark.parametrize("family", FAMILIES)
def test_its_logits_are_those_of_float32_on_the_same_weights(folders, tmp_path, compiled, prompt, family):
    folder, _ = folders[family]
    native = native_decoder(compiled, folder, tmp_path)
    exact = exact_decoder(folder, tmp_path)
    prompts = [prompt(60), prompt(9)]
    for ours, reference in zip(logits(native, prompts, [7, 9]), logits(exact, prompts, [60, 9]), strict=True):
        error = (ours - reference).abs().max() / reference.abs().max()
        # Activations have 12 bits, or 8 with VNNI; tiny layers average little of the rounding away.
        eight_bits = b"vnni" in compiled.tandem_isa()
        assert error < (0.1 if eight_bits else 0.03)
        kl = torch.nn.functional.kl_div(
            ours.log_softmax(1), reference.log_softmax(1), log_target=True, reduction="batchmean"
        )
        assert kl < 0.01


@pytest.mark.parametrize("company", [0, 2, 7, 15])
def test_a_row_is_the_same_to_the_bit_beside_hostile_neighbours(folders, tmp_path, compiled, prompt, company):
    folder, _ = folders["qwen2.5"]
    native = native_decoder(compiled, folder, tmp_path)
    # Token 0 becomes an outlier a thousand times as large as everything else.
    native._embedding = native._embedding.clone()
    native._embedding[0] *= 1000
    text = prompt(50)
    text = [max(token, 1) for token in text]
    [alone] = logits(native, [text], [50])
    others = [[0] * (20 + i) for i in range(company)]
    together = logits(native, [*others, text], [*range(1, company + 1), 3])[-1]
    assert torch.equal(alone, together)


def early_states(forward, text, others=()):
    """States of a text that leaves after a layer, beside others that do and others that do not; and of the last."""
    pool = Pool(forward.kv_shape, 64 << 20)
    batch = Batch()
    for other in others:
        batch.add_early(Span(pool.take(other, 0), other, 0, 0), exit_layer=1, rows=range(1, len(other), 2))
    places = batch.add_early(Span(pool.take(text, 0), text, 0, 0), exit_layer=1, rows=range(len(text)))
    for other in others:
        batch.add(Span(pool.take(other, 0), other, 0, 0), wanted=1)
    states = forward.forward(batch)
    return states[list(places)], states[batch.early_wanted :]


def test_a_row_is_the_same_to_the_bit_whichever_others_are_wanted(folders, tmp_path, compiled, prompt):
    folder, _ = folders["qwen2.5"]
    native = native_decoder(compiled, folder, tmp_path)
    early, late = prompt(30), prompt(20)

    def states(early_wanted, late_wanted):
        pool, batch = Pool(native.kv_shape, 64 << 20), Batch()
        batch.add_early(Span(pool.take(early, 0), early, 0, 0), exit_layer=1, rows=early_wanted)
        batch.add(Span(pool.take(late, 0), late, 0, 0), wanted=late_wanted)
        return native.forward(batch)

    whole = states(range(30), 20)
    assert torch.equal(states([3, 4, 5, 29], 2), torch.cat((whole[[3, 4, 5, 29]], whole[-2:])))
    assert torch.equal(states([], 20), whole[30:])
    assert torch.equal(states(range(30), 0), whole[:30])


@pytest.mark.parametrize("family", FAMILIES)
def test_rows_that_leave_early_are_near_those_of_float32(folders, tmp_path, compiled, prompt, family):
    folder, _ = folders[family]
    native = native_decoder(compiled, folder, tmp_path)
    exact = exact_decoder(folder, tmp_path)
    text = prompt(60)
    error = (early_states(native, text)[0] - early_states(exact, text)[0]).square().mean().sqrt()
    # The states' own is 1. Without VNNI their activations have 7 bits.
    assert error < (0.06 if compiled.tandem_isa() == b"avx2" else 0.03)


@pytest.mark.parametrize("company", [1, 2, 7])
def test_a_row_that_leaves_early_is_the_same_to_the_bit_beside_hostile_neighbours(
    folders, tmp_path, compiled, prompt, company
):
    folder, _ = folders["qwen2.5"]
    native = native_decoder(compiled, folder, tmp_path)
    native._embedding = native._embedding.clone()
    native._embedding[0] *= 1000
    text = [max(token, 1) for token in prompt(50)]
    others = [[0] * (20 + i) for i in range(company)]
    assert torch.equal(early_states(native, text)[0], early_states(native, text, others)[0])


def test_a_row_is_the_same_to_the_bit_beside_rows_that_leave_early(folders, tmp_path, compiled, prompt):
    folder, _ = folders["qwen2.5"]
    native = native_decoder(compiled, folder, tmp_path)
    others = [prompt(9), prompt(30)]
    pool, batch = Pool(native.kv_shape, 64 << 20), Batch()
    for other in others:
        batch.add(Span(pool.take(other, 0), other, 0, 0), wanted=1)
    assert torch.equal(native.forward(batch), early_states(native, prompt(50), others)[1])


def test_weights_that_would_overflow_16_bits_are_multiplied_in_more(compiled, monkeypatch):
    def largest(self, outputs, inputs):
        values = torch.full((outputs, inputs), 127, dtype=torch.int8)
        return Weight(values, torch.full((outputs,), 1 / 127 / inputs**0.5))

    monkeypatch.setattr(selftest.ExtremeModel, "_weight", largest)
    assert selftest.error_of(selftest.ExtremeModel(), compiled, 2) < 0.01


def bytes_that_want_huge_pages():
    """Of this process: the regions that the kernel marks with hg."""
    size, total = 0, 0
    for line in Path("/proc/self/smaps").read_text().splitlines():
        name, *values = line.split()
        if name == "Size:":
            size = int(values[0]) * 1024
        elif name == "VmFlags:" and "hg" in values:
            total += size
    return total


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells how memory is mapped")
def test_the_weights_ask_for_huge_pages(folders, tmp_path, library_cache):
    folder, _ = folders["qwen2.5"]
    before = bytes_that_want_huge_pages()
    with checkpoint.opened(folder, tmp_path / "int8") as source:
        native = NativeDecoder(library.load(library_cache), source, context=CONTEXT, threads=2)
        matrices = source.matrix("head").values.numel() + sum(
            source.matrix(f"layers.{layer}.{name}").values.numel()
            for layer in range(source.architecture.layers)
            for name in ("qkv", "attention_out", "gate_up", "down")
        )
    assert bytes_that_want_huge_pages() - before >= matrices
    del native
    assert bytes_that_want_huge_pages() == before


def test_the_self_test_passes_here_and_fails_where_one_number_is_wrong(compiled, monkeypatch):
    assert selftest.error_of(selftest.ExtremeModel(), compiled, 2) < 0.01
    assert selftest.error_of(selftest.RandomModel(), compiled, 2) < 0.02
    model = selftest.ExtremeModel
    matrix = model.matrix

    def saturated(self, name):
        weight = matrix(self, name)
        if name == "head":
            weight.values.clamp_(-100, 100)
        return weight

    # The native decoder is filled first, so only the reference sees the changed weight.
    calls = iter(range(10_000))
    monkeypatch.setattr(
        model, "matrix", lambda self, name: (saturated if next(calls) > 8 else matrix)(self, name)
    )
    assert selftest.error(compiled, 2) > selftest.TOLERANCE


attention = decoder._attention


def unattended(query, keys, values, mask):
    return 0 * attention(query, keys, values, mask)


def of_the_other_head(query, keys, values, mask):
    return attention(query, keys, values.flip(0), mask)


def without_the_last_lanes(query, keys, values, mask):
    query = query.clone()
    query[..., -16:] = 0
    return attention(query, keys, values, mask)


def with_a_wrong_value(query, keys, values, mask):
    values = values.clone()
    values[:, -1] = values[:, 0]
    return attention(query, keys, values, mask)


@pytest.mark.parametrize("wrong", [unattended, of_the_other_head, without_the_last_lanes, with_a_wrong_value])
def test_the_self_test_fails_where_attention_is_wrong(compiled, monkeypatch, wrong):
    """In the reference, that is, which the library is held against."""
    monkeypatch.setattr(decoder, "_attention", wrong)
    assert selftest.error(compiled, 2) > selftest.TOLERANCE


def test_without_a_compiler_torch_computes_and_the_reason_says_why(folders, tmp_path, monkeypatch):
    folder, _ = folders["qwen2.5"]
    place = Place(folder, tmp_path / "int8", tmp_path / "native")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    backend = open_backend(place, "auto", context=CONTEXT, threads=1)
    assert backend.name != "native"
    assert "no C++ compiler found" in backend.reason
    with pytest.raises(BackendUnusable, match=r"model\.weights = 'native'"):
        open_backend(place, "native", context=CONTEXT, threads=1)


def test_a_compiler_that_fails_is_named_with_its_reason(tmp_path, monkeypatch):
    monkeypatch.setattr(library, "FLAGS", ("-fno-such-flag",))
    with pytest.raises(NotCompiled, match="no-such-flag"):
        library.load(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_it_is_compiled_once(library_cache, monkeypatch):
    isa = library.load(library_cache).tandem_isa()
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert library.load(library_cache).tandem_isa() == isa


@pytest.mark.parametrize("cpu", OTHER_CPUS)
def test_it_can_be_compiled_for_other_cpus(library_cache, monkeypatch, cpu):
    if platform.machine() != "x86_64":
        pytest.skip("these are x86 CPUs")
    monkeypatch.setattr(library, "FLAGS", flags_for(cpu))
    target = library.file(library_cache)
    if not target.exists():
        library.compilation(library_cache).wait()
    assert OTHER_CPUS[cpu][0].encode() + b"\0" in target.read_bytes()
