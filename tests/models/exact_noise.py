"""The noise predictions that a perfect network would make."""

from torch import Tensor, nn


class ExactNoise(nn.Module):
    """E[epsilon | x_t] for data of a mixture of Gaussians, in closed form."""

    def __init__(self, means: Tensor, sigma: float, alpha_bars: Tensor) -> None:
        super().__init__()
        self.means, self.sigma, self.alpha_bars = means, sigma, alpha_bars

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        bar = self.alpha_bars[t][:, None].to(x)  # (n, 1)
        means = self.means.to(x)
        variance = bar * self.sigma**2 + 1 - bar  # of x_t around sqrt(bar) mean
        gaps = x[:, None, :] - bar.sqrt()[..., None] * means  # (n, K, d)
        share = (-gaps.square().sum(2) / (2 * variance)).softmax(dim=1)
        # epsilon is -sqrt(1 - bar) times the score
        return (1 - bar).sqrt() * (share[..., None] * gaps).sum(1) / variance
