"""The grammar of loss names: what each part asks for, and what is refused with which reason."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genbench.errors import InputError
from genbench.losses import CATALOG, PARTS, create_loss
from genbench.losses.names import parse
from genbench.losses.remedies import Remedies

LABELLED = ("minimax", "non_saturating", "least_squares")
LABELS = ("label_smoothing", "noisy_labels", "flips")


def written(part):
    """A part as a user writes it: numbers in place of N."""
    return part[:-1] + "3" if part.endswith("N") else part


@pytest.mark.parametrize(
    ("name", "remedies"),
    [
        ("hinge", Remedies()),
        ("wasserstein", Remedies(clip=0.01)),
        ("wasserstein=.05", Remedies(clip=0.05)),
        ("wasserstein+critic5+packing2", Remedies(clip=0.01, critic=5, packing=2)),
        ("wasserstein+spectral_norm", Remedies(spectral_norm=True)),
        ("wasserstein+gp", Remedies()),
        ("wasserstein+r1", Remedies()),
        ("wasserstein_gp", Remedies()),
        ("hinge+packing12", Remedies(packing=12)),
        ("hinge+unrolled5", Remedies(unrolled=5)),
        ("hinge+instance_noise", Remedies(instance_noise=0.1)),
        ("hinge+instance_noise=1.5e-2", Remedies(instance_noise=0.015)),
        ("hinge+dropout=.25+uniform_latent", Remedies(dropout=0.25, uniform_latent=True)),
        ("hinge+minibatch_std+dropout", Remedies(dropout=0.5, minibatch_std=True)),
    ],
)
def test_remedies_by_name(name, remedies):
    assert create_loss(name).remedies == remedies


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("non_saturating", {}),
        ("minimax+label_smoothing", {"real_target": 0.9}),
        ("least_squares+label_smoothing=.8", {"real_target": 0.8}),
        ("minimax+noisy_labels", {"real_target": (0.7, 0.9), "fake_target": (0.0, 0.3)}),
        ("minimax+flips", {"flip_probability": 0.05}),
        ("minimax+flips=.2+label_smoothing", {"flip_probability": 0.2, "real_target": 0.9}),
    ],
)
def test_labels_by_name(name, labels):
    assert create_loss(name).labels == labels


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("hinge+r1+r2", {"r1": 0.3, "r2": 0.3}),
        ("hinge+r1=10+r2", {"r1": 10.0, "r2": 0.3}),
        ("wasserstein_gp", {"gp": 0.3}),
        ("wasserstein_gp=10", {"gp": 10.0}),
        ("wasserstein+gp=10", {"gp": 10.0}),
        ("hinge+dragan=2.+gp_one_sided", {"dragan": 2.0, "gp_one_sided": 0.3}),
    ],
)
def test_a_strength_wins_over_the_weight(name, weights):
    loss = create_loss(name, weight=0.3)
    assert loss.weights == weights and list(loss.penalties) == list(weights)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("wgan", "losses: unknown name 'wgan'"),
        ("non_saturatng", "did you mean 'non_saturating'?"),
        ("r1", "losses: 'r1' must be an objective, then parts"),
        ("packing4", "losses: 'packing4' must be an objective, then parts"),
        ("r1=10+hinge", "losses: 'r1=10+hinge' must be an objective, then parts"),
        ("non_saturating+least_squares", "two objectives, 'non_saturating' and 'least_squares'"),
        ("non_saturating+r1+r1", "'r1' twice"),
        ("non_saturating+r1=1+r1=2", "'r1' twice"),
        ("non_saturating+packing2+packing4", "'packingN' twice"),
        ("wasserstein_gp+gp", "'gp' twice"),
        ("wasserstein_gp=10+gp", "'gp' twice"),
        ("non_saturating+r3", "unknown name 'r3'"),
        ("non_saturating+r12", "unknown name 'r12'"),
        ("non_saturating+pakcing4", "did you mean 'packingN'?"),
        ("non_saturating+spectral_norm2", "did you mean 'spectral_norm'?"),
        ("", "losses: '' must be an objective, then parts"),
        ("non_saturating+", "losses: 'non_saturating+' must be an objective, then parts"),
        ("+r1", "losses: '+r1' must be an objective, then parts"),
        (None, "unknown name 'None'"),
        ("hinge+r1\n", r"losses: a name has printable characters only, got 'hinge+r1\n'"),
        ("hinge=2", "'hinge' takes no strength, got 'hinge=2'"),
        ("hinge+packing4=2", "'packingN' takes no strength, got 'packing4=2'"),
        ("hinge+spectral_norm=2", "'spectral_norm' takes no strength"),
        ("minimax+noisy_labels=.2", "'noisy_labels' takes no strength"),
        ("hinge+packing", "'packingN' needs a whole number N from 2 to 1000, as in 'packing4'"),
        ("hinge+packingN", "needs a whole number N from 2 to 1000"),
        ("hinge+packing1", "from 2 to 1000, as in 'packing4', got 'packing1'"),
        ("hinge+critic0", "'criticN' needs a whole number N from 1 to 1000"),
        ("hinge+unrolled05", "got 'unrolled05'"),
        ("hinge+critic1001", "got 'critic1001'"),
        ("hinge+r1=", "'r1=': the strength must be a number above 0, got ''"),
        ("hinge+r1=0", "'r1=0': the strength must be a number above 0, got '0'"),
        ("hinge+r1=-1", "must be a number above 0, got '-1'"),
        ("hinge+r1=nan", "must be a number above 0, got 'nan'"),
        ("hinge+r1=1e999", "must be a number above 0, got '1e999'"),
        ("hinge+r1=1_0", "must be a number above 0, got '1_0'"),
        ("wasserstein=0", "must be a number above 0, got '0'"),
        ("minimax+label_smoothing=.1", "must be a number between 0.5 and 1, got '.1'"),
        ("minimax+flips=.5", "must be a number between 0 and 0.5, got '.5'"),
        ("minimax+dropout=1", "must be a number between 0 and 1, got '1'"),
        ("wasserstein=.05+gp", "clipping to 0.05 and 'gp' both bound the critic"),
        ("wasserstein=.01+spectral_norm", "clipping to 0.01 and 'spectral_norm' both bound"),
        ("wasserstein+unrolled5", "clipping has no derivative"),
        ("wasserstein_gp+gp_one_sided", "'gp' and 'gp_one_sided': they are two forms"),
        ("wasserstein_gp+r1", "'gp' and 'r1': the first pulls the critic's slope to 1"),
        ("hinge+r2+dragan", "'dragan' and 'r2': the first pulls the critic's slope to 1"),
        ("minimax+noisy_labels+label_smoothing", "both set the real points' target"),
        ("hinge+flips", "'flips' changes the critic's targets and 'hinge' has none; it goes with"),
        ("wasserstein+label_smoothing", "it goes with minimax, non_saturating, least_squares"),
    ],
)
def test_a_bad_name_is_one_clear_line(name, words):
    with pytest.raises(InputError) as caught:
        create_loss(name)
    assert words in str(caught.value) and "\n" not in str(caught.value)
    assert str(caught.value).startswith("losses: ")


@pytest.mark.parametrize("objective", CATALOG)
@pytest.mark.parametrize("part", PARTS)
def test_every_part_goes_with_every_objective_or_says_why(objective, part):
    name = f"{objective}+{written(part)}"
    refused = (
        (part in LABELS and objective not in LABELLED)
        or (objective == "wasserstein_gp" and part in ("gp", "gp_one_sided", "r1", "r2"))
        or (objective == "wasserstein" and part == "unrolledN")
    )
    if not refused:
        assert create_loss(name).name == name
        return
    with pytest.raises(InputError, match=r"makes no sense|twice"):
        create_loss(name)


@given(
    objective=st.sampled_from(sorted(CATALOG)),
    parts=st.lists(st.sampled_from(sorted(PARTS)), max_size=6, unique=True),
)
def test_refusals_do_not_depend_on_the_order(objective, parts):
    def verdict(order):
        try:
            return parse("+".join([objective, *map(written, order)])).strengths
        except InputError:
            return None

    assert verdict(parts) == verdict(parts[::-1])
    if verdict(parts) is None:  # then a pair, or one part with the objective, is at fault
        pairs = [*itertools.combinations(parts, 2), *((part,) for part in parts)]
        assert any(verdict(list(pair)) is None for pair in pairs)


@given(st.text(max_size=20) | st.text("+=.-019einfghr", max_size=8).map("hinge+r1".__add__))
def test_any_text_is_a_loss_or_one_line(text):
    try:
        assert create_loss(text).name == text
    except InputError as error:
        assert str(error).startswith("losses: ") and len(str(error).splitlines()) == 1
