"""VAE/GAN: the three losses of its algorithm, each by another way, and who gets which gradient."""

from typing import Any

import pytest
import torch
from invariants import check_invariants
from torch.distributions import Normal, kl_divergence

from genbench import create_model, ops
from genbench.protocol import Batch

SIZES: Any = {"width": 2, "depth": 1, "latent_dim": 3}
X = torch.rand(5, 1, 4, 4, generator=torch.Generator().manual_seed(0)) * 2 - 1
BATCH = Batch(x=X, seed=torch.tensor([3]))


def small(**config):
    torch.manual_seed(0)
    model: Any = create_model("vae_gan", data_shape=(1, 4, 4), **{**SIZES, **config})
    with torch.no_grad():
        for weight in model.parameters():  # the first weights are too small to tell terms apart
            weight.add_(0.3 * torch.randn(weight.shape))
    return model.eval()  # batch norm then knows nothing of the other pictures


def test_invariants():
    check_invariants("vae_gan", X, **SIZES)


def posterior(model):
    mu, logvar = model.encoder(X).unbind(1)
    seed = ops.fold_seed(BATCH.seed, 0)
    return Normal(mu, (logvar / 2).exp()), mu + (logvar / 2).exp() * ops.normal(mu.shape, seed=seed)


def test_the_encoder_minimises_its_kl_and_the_distance_of_features():
    model = small(beta=0.5)
    q, z = posterior(model)
    kl = kl_divergence(q, Normal(0.0, 1.0)).sum(1).mean()
    wanted, found = (model.discriminator.features(x) for x in (X, model.decoder(z)))
    unit = Normal(wanted, 1.0)  # the paper's Gaussian observation model of Dis_l(x)
    content = (unit.log_prob(wanted) - unit.log_prob(found)).sum(1).mean()
    terms = model.loss(BATCH, "encoder")
    assert terms["kl"].item() == pytest.approx(kl.item(), rel=1e-5)
    assert terms["content"].item() == pytest.approx(content.item(), rel=1e-4)  # difference of sums
    assert terms["loss"].item() == pytest.approx((0.5 * kl + content).item(), rel=1e-4)


def test_the_players_see_reconstructions_and_samples():
    model = small(gamma=0.25)
    _, z = posterior(model)
    z_p = ops.normal(z.shape, seed=ops.fold_seed(BATCH.seed, 1))
    chance = [model.discriminator(model.decoder(code)).double().sigmoid() for code in (z, z_p)]
    fake = sum((1 - p).log().mean() for p in chance) / 2
    real = model.discriminator(X).double().sigmoid().log().mean()
    found = model.loss(BATCH, "discriminator")["loss"].item()
    assert found == pytest.approx(-(real + fake).item(), rel=1e-5)  # float32 logits
    terms = model.loss(BATCH, "decoder")
    style = -torch.stack([p.log().mean() for p in chance]).sum() / 2
    assert terms["style"].item() == pytest.approx(style.item(), rel=1e-5)
    assert terms["loss"].item() == pytest.approx(
        (0.25 * terms["content"] + terms["style"]).item(), rel=1e-6
    )


@pytest.mark.parametrize("phase", ["encoder", "decoder", "discriminator"])
def test_reconstructions_do_not_teach_the_discriminator(phase):
    model = small()
    own = list(model.phase_parameters(phase))
    assert {id(p) for p in own} == {id(p) for p in getattr(model, phase).parameters()}
    if phase == "discriminator":
        others = [*model.encoder.parameters(), *model.decoder.parameters()]
        found = torch.autograd.grad(model.loss(BATCH, phase)["loss"], others, allow_unused=True)
        assert all(g is None for g in found)


def test_two_rates():
    model = small(learning_rate=1e-3, discriminator_rate=1e-4)
    rates = [model.optimizer(phase).learning_rate for phase in model.phases]
    assert rates == [1e-3, 1e-3, 1e-4]
