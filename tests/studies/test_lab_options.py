"""A laboratory hands out averaged weights where a bar asks for them."""

import torch

from genbench.data import Stream, mixture
from genbench.studies.bars.lab import Lab
from genbench.train.options import Options


def trained(steps, **options):
    truth = mixture("ring8")
    return Lab().train(
        "real_nvp",
        lambda key: Stream(truth.sample, batch_size=8, seed=key),
        seed=0,
        steps=steps,
        data_shape=(2,),
        layers=2,
        width=4,
        schedule="constant",
        options=Options(**options),
    )


def test_weights_are_the_average_of_all_steps():
    averaged = trained(3, ema=0.9).state_dict()
    steps = [trained(count).state_dict() for count in (1, 2, 3)]
    for name, found in averaged.items():
        # decay (1 + t) / (10 + t) at update t, from the first weights on
        first = trained(1, clip=1e-30).state_dict()[name]  # a step that moves nothing
        expected = first
        for t, after in enumerate(steps, start=1):
            decay = min(0.9, (1 + t) / (10 + t))
            expected = decay * expected + (1 - decay) * after[name]
        torch.testing.assert_close(found, expected)
        assert not torch.equal(found, steps[-1][name]) or torch.equal(first, steps[-1][name])
