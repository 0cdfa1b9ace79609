"""The recipe of the `digits` extractor: trains the classifier and writes its folder.

python tools/train_digits.py --out FOLDER                 on the digits that scikit-learn ships
python tools/train_digits.py --out FOLDER --data A.npz    on arrays of your own: images, uint8
                                                          (N, H, W), and labels, 0 .. classes - 1
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from genbench.folder import save_folder
from genbench.metrics.extractors.digits import KIND, DigitsNet
from genbench.metrics.extractors.pictures import resized

SHAPE = {"size": 8, "channels": 24, "width": 64}
HELD_OUT = 5  # every fifth image of a fixed permutation
EPOCHS, BATCH, RATE = 60, 64, 3e-3
SEED = 0


def digits() -> tuple[Tensor, Tensor]:
    """The 1,797 optical digits of scikit-learn: images (N, 8, 8) uint8, labels (N,)."""
    from sklearn.datasets import load_digits

    ink, labels = load_digits(return_X_y=True)  # (N, 64) of 0..16
    images = np.rint(np.asarray(ink) * (255 / 16)).astype(np.uint8).reshape(-1, 8, 8)
    return torch.from_numpy(images), torch.from_numpy(np.asarray(labels))


def split(n: int) -> tuple[Tensor, Tensor]:
    """Indices of the images that train and of those held out."""
    order = torch.randperm(n, generator=torch.Generator().manual_seed(SEED))
    held = torch.arange(n) % HELD_OUT == 0
    return order[~held], order[held]


def distorted(x: Tensor, rng: torch.Generator) -> Tensor:
    """(B, 1, h, w): turned by 10 degrees, scaled to 0.65 .. 1.1, moved by a pixel, with noise.

    Digits that fill the picture, as these do, must not be the only ones known: those of MNIST
    leave a margin of a seventh on each side.
    """
    b = len(x)
    uniform = lambda low, high: low + (high - low) * torch.rand(b, generator=rng)  # noqa: E731
    angle, zoom = uniform(-1, 1) * math.radians(10), 1 / uniform(0.65, 1.1)
    cos, sin = angle.cos() * zoom, angle.sin() * zoom
    move = 2 / x.shape[-1]
    rows = [cos, -sin, uniform(-move, move), sin, cos, uniform(-move, move)]
    grid = F.affine_grid(torch.stack(rows, 1).view(b, 2, 3), list(x.shape), align_corners=False)
    moved = F.grid_sample(x, grid, align_corners=False)
    noise = 0.05 * torch.randn(x.shape, generator=rng)
    return (moved * uniform(0.7, 1.0).view(b, 1, 1, 1) + noise).clamp(0, 1)


def train(x: Tensor, labels: Tensor, classes: int, epochs: int) -> DigitsNet:
    """AdamW with a cosine schedule; x (N, 1, size, size) in [0, 1]."""
    torch.manual_seed(SEED)
    net = DigitsNet(**SHAPE, classes=classes)
    rng = torch.Generator().manual_seed(SEED)
    steps = epochs * math.ceil(len(x) / BATCH)
    optimizer = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(epochs):
        for rows in torch.randperm(len(x), generator=rng).split(BATCH):
            _, logits = net(distorted(x[rows], rng))
            optimizer.zero_grad(set_to_none=True)
            F.cross_entropy(logits, labels[rows], label_smoothing=0.05).backward()
            optimizer.step()
            schedule.step()
    return net.eval()


@torch.no_grad()
def accuracy(net: DigitsNet, x: Tensor, labels: Tensor) -> float:
    """Share of (N, 1, size, size) whose largest logit is their label's."""
    return (net(x)[1].argmax(1) == labels).double().mean().item()


def write(out: Path, images: Tensor, labels: Tensor, data: str, epochs: int = EPOCHS) -> float:
    """Train on four fifths of images (N, H, W) uint8, write `out`; the held-out accuracy."""
    torch.set_num_threads(1)  # sums in another order would end in other weights
    x = resized(images[:, None].float() / 255, (SHAPE["size"], SHAPE["size"]))
    used, held = split(len(x))
    classes = int(labels.max()) + 1
    net = train(x[used], labels[used], classes, epochs)
    score = accuracy(net, x[held], labels[held])
    config = {"extractor": KIND, **SHAPE, "classes": classes, "data": data}
    config |= {"recipe": "tools/train_digits.py", "epochs": epochs, "seed": SEED}
    config |= {"held_out_images": len(held), "held_out_accuracy": round(score, 4)}
    save_folder(out, config, net.state_dict())
    return score


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    asked = parser.parse_args(arguments)
    if asked.data:
        with np.load(asked.data, allow_pickle=False) as arrays:
            images, labels = (torch.from_numpy(arrays[name]) for name in ("images", "labels"))
        name = asked.data.name
    else:
        (images, labels), name = digits(), "UCI optical digits, as scikit-learn ships them"
    score = write(asked.out, images, labels.long(), name, asked.epochs)
    print(f"{score:.4f} of the held-out images are read right; written to {asked.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
