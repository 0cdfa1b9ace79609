"""A user's own extractor: programs of torch.export as plain data, and nothing run without trust."""

import importlib
import io
import json
import os
import random
import zipfile

import pytest
import torch
from torch import nn

from genbench import files
from genbench.errors import InputError
from genbench.metrics.extractors import open_extractor


class Net(nn.Module):
    """Features and logits, by layers and functions that networks for pictures are made of."""

    def __init__(self, channels=3):
        super().__init__()
        self.norm = nn.Sequential(
            nn.Conv2d(channels, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU(inplace=True)
        )
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.drop, self.head = nn.Dropout(), nn.Linear(8, 5)
        self.register_buffer("mean", torch.full((channels, 1, 1), 0.5), persistent=False)

    def forward(self, x):
        x = nn.functional.max_pool2d(self.norm((x - self.mean) / 0.25), 2)
        tokens = x.flatten(2).transpose(1, 2)  # (B, positions, 8)
        tokens = tokens + self.attention(tokens, tokens, tokens, need_weights=False)[0]
        features = tokens.mean(1).reshape(x.shape[0], -1)
        low, high = features.chunk(2, dim=1)
        features = torch.cat([low, high.sigmoid()], 1)
        return features, self.head(self.drop(features))


def export(path, net, example, *, batch=None, decomposed=False):
    """batch: (smallest, largest), None for the example's alone."""
    free = None if batch is None else {0: torch.export.Dim("b", min=batch[0], max=batch[1])}
    program = torch.export.export(net.eval(), (example,), dynamic_shapes=(free,))
    torch.export.save(program.run_decompositions() if decomposed else program, path)
    return path


@pytest.fixture(scope="module")
def net():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Net().eval()


@pytest.fixture(scope="module")
def exported(net, tmp_path_factory):
    path = tmp_path_factory.mktemp("exported") / "mine.pt2"
    return export(path, net, torch.rand(2, 3, 16, 20), batch=(1, 512))


def pictures(n, channels=3, height=16, width=20):
    rng = torch.Generator().manual_seed(3)
    return torch.randint(0, 256, (n, channels, height, width), generator=rng, dtype=torch.uint8)


def scripted(net, path):
    torch.jit.save(torch.jit.script(net), path)
    return path


def expected(net, x):
    with torch.no_grad():
        features, logits = net(x)
    return features, logits.softmax(1)


@pytest.mark.parametrize(
    ("batch", "decomposed", "trust"),
    [
        (None, False, False),
        ((1, 512), False, False),
        ((1, 512), True, False),
        (None, False, True),
        ((2, 64), False, True),
    ],
)
def test_an_exported_program_gives_what_the_network_gives(tmp_path, net, trust, decomposed, batch):
    path = tmp_path / "net.pt2"
    export(path, net, torch.rand(4, 3, 16, 20), batch=batch, decomposed=decomposed)
    extract = open_extractor(path, trust=trust)
    images = pictures(70)  # two blocks of 64, eighteen of 4, both cut short
    features, likelihood = expected(net, images / 255)
    found = extract(images)
    # other blocks of a batch sum in another order
    assert found.features.numpy() == pytest.approx(features.numpy(), rel=1e-5, abs=1e-6)
    assert found.probabilities is not None
    assert found.probabilities.numpy() == pytest.approx(likelihood.numpy(), rel=1e-5)
    assert extract.name == "net.pt2"
    assert extract.conventions["weights_sha256"] == files.sha256(path.read_bytes())


def test_other_pictures_are_brought_to_what_the_program_takes(exported, net):
    extract = open_extractor(exported)
    grey = pictures(3, channels=1)
    repeated = expected(net, grey.expand(-1, 3, -1, -1) / 255)[0]
    assert extract(grey).features.numpy() == pytest.approx(repeated.numpy(), rel=1e-5, abs=1e-6)
    # a picture of one colour is the same at any size
    plain = torch.full((2, 3, 40, 7), 200, dtype=torch.uint8)
    small = torch.full((2, 3, 16, 20), 200 / 255)
    found = extract(plain).features.numpy()
    assert found == pytest.approx(expected(net, small)[0].numpy(), rel=1e-4, abs=1e-5)
    assert extract(pictures(0)).features.shape[0] == 0


class Flat(nn.Module):
    def forward(self, x):
        return x.flatten(1).to(torch.float32)


def test_a_program_for_bytes_of_one_channel_gets_them(tmp_path):
    path = export(tmp_path / "a.pt2", Flat(), torch.zeros(2, 1, 3, 3, dtype=torch.uint8))
    images = pictures(5, channels=3, height=3, width=3)
    images[:, 1:] = images[:, :1]  # three equal channels are grey
    found = open_extractor(path)(images)
    assert torch.equal(found.features, images[:, 0].flatten(1).float())
    assert found.probabilities is None


def test_the_digest_follows_the_file(exported, tmp_path, net):
    same = tmp_path / "same.pt2"
    same.write_bytes(exported.read_bytes())
    assert open_extractor(same).digest == open_extractor(exported).digest
    other = export(tmp_path / "other.pt2", Net(), torch.rand(2, 3, 16, 20))
    assert open_extractor(other).digest != open_extractor(exported).digest


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_torchscript_runs_on_trust_alone(tmp_path):
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Dropout())
    path = scripted(net, tmp_path / "net.pt")
    line = r"is TorchScript, which can run any code; trust=True \(--trust\) runs it"
    with pytest.raises(InputError, match=line):
        open_extractor(path)
    images = pictures(2)
    found = open_extractor(path, trust=True)(images).features
    with torch.no_grad():
        assert torch.equal(found, net.eval()(images / 255))  # and not in training mode


# What hostile archives do


def rewritten(source, path, change):
    """A copy of an archive; change(name, content) gives each member's new content."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            new.writestr(name, change(name.partition("/")[2], old.read(name)))
    return path


def with_model(source, path, change):
    """A copy whose graph was changed in place."""

    def edit(name, content):
        if name != "models/model.json":
            return content
        model = json.loads(content)
        change(model)
        return json.dumps(model).encode()

    return rewritten(source, path, edit)


class Trap:
    """Its unpickling makes the folder `marker`."""

    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        return os.mkdir, (self.marker,)


def pickled(value):
    content = io.BytesIO()
    torch.save(value, content)
    return content.getvalue()


def test_pickles_in_a_program_are_never_read(exported, tmp_path, monkeypatch):
    marker, bad = tmp_path / "ran", pickled((Trap(tmp_path / "ran"),))
    path = rewritten(
        exported, tmp_path / "a.pt2", lambda n, c: bad if n.startswith("data/sample_inputs") else c
    )
    assert open_extractor(path)(pictures(2)).features.shape == (2, 8)
    assert not marker.exists()
    # torch logs its fall back to unpickling with a message that does not format
    monkeypatch.setattr(importlib.import_module("torch._export.serde.serialize").log, "level", 99)
    torch.export.load(path)
    assert marker.exists()  # the trap is one


def test_expressions_in_a_program_are_never_evaluated(exported, tmp_path):
    marker = tmp_path / "ran"

    def change(model):
        for value in model["graph_module"]["graph"]["tensor_values"].values():
            for size in value["sizes"]:
                if "as_expr" in size:
                    size["as_expr"]["expr_str"] = f"__import__('os').mkdir({str(marker)!r})"

    path = with_model(exported, tmp_path / "a.pt2", change)
    assert open_extractor(path)(pictures(2)).features.shape == (2, 8)
    assert not marker.exists()
    with pytest.raises(Exception, match=r".") as caught:
        torch.export.load(path)
    assert not isinstance(caught.value, InputError)
    assert marker.exists()


@pytest.mark.parametrize(
    "target",
    [
        "torch.os.mkdir",
        "torch.load",
        "_operator.call",
        "torch.ops.aten.from_file.default",
        "torch.ops.aten.relu.__class__",
        "torch.ops.aten.relu.",
        "torch.ops.aten.relu",
        "torch.ops.aten.relu.default.__init__",
        "x.torch.ops.aten.relu.default",
        "torch.ops.higher_order.cond",
        "",
    ],
)
def test_unknown_operators_are_refused(exported, tmp_path, target):
    def change(model):
        model["graph_module"]["graph"]["nodes"][0]["target"] = target

    path = with_model(exported, tmp_path / "a.pt2", change)
    with pytest.raises(InputError, match=f"not read as plain data: it calls '{target}'; trust"):
        open_extractor(path)


def test_pickled_weights_are_refused(exported, tmp_path):
    def edit(name, content):
        return content.replace(b'"use_pickle": false', b'"use_pickle": true')

    path = rewritten(exported, tmp_path / "a.pt2", edit)
    with pytest.raises(InputError, match=r"not read as plain data: 'norm.0.weight' is pickled"):
        open_extractor(path)


def damaged(exported, path, rng):
    """Writes a copy with one thing changed: a bit anywhere, the end, or a letter of the graph."""
    content = bytearray(exported.read_bytes())
    at = rng.randrange(len(content))
    kind = rng.choice(["bit", "end", "graph", "graph"])
    if kind == "bit":
        content[at] ^= 1 << rng.randrange(8)
        path.write_bytes(content)
    elif kind == "end":
        path.write_bytes(content[:at])
    else:  # with a checksum that holds
        letter = rng.choice('0123456789"{}[],:xa_-')

        def edit(name, content):
            if name != "models/model.json":
                return content
            at = rng.randrange(content.index(b'"tensor_values"'))
            return content[:at] + letter.encode() + content[at + 1 :]

        rewritten(exported, path, edit)


def outcomes(exported, path, trials):
    """How often a damaged copy ran, and how often it was refused; anything else is raised."""
    rng, images, found = random.Random(0), pictures(2), {"ran": 0, "refused": 0}
    for _ in range(trials):
        damaged(exported, path, rng)
        try:
            open_extractor(path)(images)
            found["ran"] += 1  # what changed was something that nobody reads
        except InputError as error:
            assert "\n" not in str(error)
            found["refused"] += 1
    return found


def test_damage_is_told_in_one_line(exported, tmp_path):
    assert min(outcomes(exported, tmp_path / "a.pt2", 100).values()) > 10


@pytest.mark.slow
def test_much_damage_is_told_in_one_line(exported, tmp_path):
    assert min(outcomes(exported, tmp_path / "a.pt2", 3000).values()) > 300


# What is no extractor


class Returns(nn.Module):
    def __init__(self, what):
        super().__init__()
        self.what = what

    def forward(self, x):
        return self.what(x.flatten(1))


@pytest.mark.parametrize(
    ("what", "line"),
    [
        (lambda x: x[:, :, None], r"for B = 2; got float32 \(2, 9, 1\)"),
        (lambda x: x.sum(), r"for B = 2; got float32 \(\)"),
        (lambda x: (x, x, x), r"got float32 \(2, 9\), float32 \(2, 9\), float32 \(2, 9\)"),
        (lambda x: x.argmax(1, keepdim=True), r"for B = 2; got int64 \(2, 1\)"),
        (lambda x: x.transpose(0, 1), r"for B = 2; got float32 \(9, 2\)"),
    ],
)
def test_another_output_is_told_with_its_shape(tmp_path, what, line):
    path = export(tmp_path / "a.pt2", Returns(what), torch.rand(2, 1, 3, 3))
    with pytest.raises(InputError, match=f"'a.pt2' must return floating .*{line}$"):
        open_extractor(path)(pictures(2, 1, 3, 3))


class Pair(nn.Module):
    def forward(self, x, y):
        return x + y


def test_programs_of_another_kind_are_refused(tmp_path):
    flat = torch.rand(2, 9)
    path = export(tmp_path / "a.pt2", Returns(torch.relu), flat)
    with pytest.raises(InputError, match=r"must take \(B, 1 or 3, H, W\), got \(2, 9\)"):
        open_extractor(path)
    path = export(tmp_path / "b.pt2", Flat(), torch.zeros(2, 1, 3, 3, dtype=torch.int32))
    with pytest.raises(InputError, match=r"must take floats or uint8, got torch.int32"):
        open_extractor(path)
    torch.export.save(torch.export.export(Pair(), (flat, flat)), tmp_path / "c.pt2")
    with pytest.raises(InputError, match="it takes 2 tensors instead of one"):
        open_extractor(tmp_path / "c.pt2")


def test_a_network_in_training_mode_is_refused(tmp_path):
    path = tmp_path / "a.pt2"
    example = torch.rand(2, 3, 8, 8)
    torch.export.save(torch.export.export(nn.Sequential(nn.Dropout(), Flat()), (example,)), path)
    with pytest.raises(InputError, match=r"dropout is in training mode; call \.eval\(\) before"):
        open_extractor(path)


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_a_network_that_fails_names_the_pictures(tmp_path):
    path = scripted(nn.Sequential(nn.Conv2d(3, 2, 9)), tmp_path / "a.pt")
    with pytest.raises(InputError, match=r"'a.pt' fails on images \(2, 1, 4, 4\): ") as caught:
        open_extractor(path, trust=True)(pictures(2, 1, 4, 4))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (pickled({"weight": torch.ones(2)}), "got a pickled checkpoint: weights without a network"),
        (b"\x80\x04N.", "got a pickled checkpoint: weights without a network"),
        (b"", "got neither"),
        (b"GIF89a", "got neither"),
        (b"PK\x05\x06" + bytes(18), "got neither"),
    ],
    ids=["checkpoint", "pickle", "empty", "picture", "empty zip"],
)
@pytest.mark.parametrize("trust", [False, True])
def test_what_is_no_program_is_refused(tmp_path, content, line, trust):
    path = tmp_path / "mine.pt2"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"mine.pt2' must be a program of torch.export .*" + line):
        open_extractor(path, trust=trust)


def test_a_file_has_its_own_weights(exported):
    with pytest.raises(InputError, match=r"^weights: '.*mine.pt2' holds its own, got 'a.pth'$"):
        open_extractor(exported, weights="a.pth")


def test_what_torch_cannot_load_is_told(tmp_path, exported):
    path = rewritten(exported, tmp_path / "a.pt2", lambda n, c: b"{}" if "model.json" in n else c)
    with pytest.raises(InputError, match=r"torch cannot load '.*a.pt2': ") as caught:
        open_extractor(path, trust=True)
    assert "\n" not in str(caught.value)
    with pytest.raises(
        InputError, match=r"it is laid out in another way \(KeyError 'schema_version'"
    ):
        open_extractor(path)
