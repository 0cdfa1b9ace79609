"""A noise schedule with the interface of diffusers' DDPMScheduler that never waits for a device.

Ho et al. 2020, arXiv 2006.11239. Coefficients lie in tables that a timestep indexes on its own
device, where diffusers compares and reads the timestep on the host.
"""

import dataclasses
import json
import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from genbench.files import write_text
from genbench.ops import checks
from genbench.ops.ddpm import ddpm_add_noise, ddpm_step
from genbench.ops.noise import wide_on
from genbench.ops.schedule import DDPMConfig

__all__ = ["DDPMConfig", "DDPMScheduler", "DDPMStepOutput"]

Timestep = int | Tensor
CONFIG_FILE = "scheduler_config.json"
# Options of diffusers' scheduler that this one serves at the value that switches them off.
SWITCHED_OFF = {"thresholding": False, "rescale_betas_zero_snr": False}


class DDPMStepOutput:
    """x_{t-1}, and x_0 as predicted, which is computed when it is asked for: one more pass over
    sample and model_output. Once they are written to, that is an error; in torch.inference_mode,
    and inside a compiled function, nobody tells."""

    def __init__(self, prev_sample: Tensor, original: Callable[[], Tensor]) -> None:
        self.prev_sample = prev_sample  # (B, ...)
        self._original = original

    @property
    def pred_original_sample(self) -> Tensor:
        """(B, ...), clipped where the scheduler clips."""
        return self._original()

    # As in the tuple of diffusers' return_dict=False.
    def __getitem__(self, index: int) -> Tensor:
        return (lambda: self.prev_sample, self._original)[index]()

    def __iter__(self) -> Iterator[Tensor]:
        return (self[index] for index in range(2))


class DDPMScheduler:
    """The chain of DDPM: `add_noise` to train on, `set_timesteps` and `step` to sample by.

    Options are the fields of `DDPMConfig`. A timestep is an int, or an int32 or int64 tensor () or
    (B,), on the CPU or with the data. Contents of tensors are not read: a timestep outside of the
    table is an indexing error of its device, and one that `set_timesteps` left out gives NaN.
    Coefficients are float64; `betas`, `alphas`, `alphas_cumprod` (num_train_timesteps,) are rounded
    to float32.
    """

    order = 1
    init_noise_sigma = 1.0

    def __init__(self, **options: Any) -> None:
        if unknown := options.keys() - {field.name for field in dataclasses.fields(DDPMConfig)}:
            names = ", ".join(sorted(unknown))
            raise TypeError(f"options must be those of DDPMConfig, got {names}")
        self.config = DDPMConfig(**options)
        exact = self.config.betas()
        if not 0 < float(exact.min()) <= float(exact.max()) < 1:
            raise ValueError(f"betas must be in (0, 1), got {exact.min():g} to {exact.max():g}")
        self._bars = torch.cumprod(1 - exact, 0)  # (T,) float64
        self.betas, self.alphas = exact.float(), (1 - exact).float()
        self.alphas_cumprod = self._bars.float()
        self.num_inference_steps: int | None = None
        self._use(torch.arange(len(exact), device="cpu").flip(0), None)

    def __repr__(self) -> str:
        return repr(self.config).replace(type(self.config).__name__, type(self).__name__, 1)

    def __len__(self) -> int:
        return self.config.num_train_timesteps

    def set_timesteps(
        self, num_inference_steps: int, device: str | torch.device | None = None
    ) -> None:
        """Chooses the timesteps to sample at, (num_inference_steps,) int64 on `device`, descending.

        Copies the coefficients there too: later steps copy nothing.
        """
        chosen = self.config.timesteps(num_inference_steps)
        self.num_inference_steps = num_inference_steps
        self._use(chosen, device)

    def scale_model_input(self, sample: Tensor, timestep: Timestep | None = None) -> Tensor:
        """The sample itself: DDPM's network sees x_t as it is."""
        return sample

    def step(
        self,
        model_output: Tensor,
        timestep: Timestep,
        sample: Tensor,
        *,
        noise: Tensor | None = None,
        seed: Tensor | None = None,
        generator: torch.Generator | None = None,
        return_dict: bool = True,
    ) -> DDPMStepOutput:
        """A draw of x_{t-1} given x_t and what the network made of it.

        Args:
            model_output: (B, ...) like sample: the noise, x_0 or v, as `prediction_type` says.
            timestep: where `sample` stands, one of `timesteps`.
            sample: x_t, (B, ...), floating.
            noise, seed, generator: as for `ops.ddpm_step`, which draws other numbers from a
                generator than diffusers does. The last step adds none (DDPM, algorithm 2).

            return_dict: for diffusers' callers; the result is a tuple of both fields either way.

        Returns: `.prev_sample` and `.pred_original_sample`, like sample.
        Errors: TypeError, ValueError for an argument outside these rules.
        Source: Ho et al. 2020, equations 7 and 15; v from Salimans and Ho 2022, arXiv 2202.00512.
        """
        checks.check_batch("sample", sample)
        checks.check_like("model_output", model_output, "sample", sample)
        alpha, alpha_bar, sigma = self._look_up(timestep, sample)
        epsilon, original = self._predict(model_output, sample, alpha_bar)
        coefficients = {"alpha": alpha, "alpha_bar": alpha_bar, "sigma": sigma}
        source = {"noise": noise, "seed": seed, "generator": generator}
        return DDPMStepOutput(ddpm_step(sample, epsilon, **coefficients, **source), original)

    def add_noise(self, original_samples: Tensor, noise: Tensor, timesteps: Timestep) -> Tensor:
        """x_t (B, ...) = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) noise (equation 4)."""
        checks.check_batch("original_samples", original_samples)
        alpha_bar = self._look_up(timesteps, original_samples)[1]
        return ddpm_add_noise(original_samples, alpha_bar, noise=noise)[0]

    def get_velocity(self, sample: Tensor, noise: Tensor, timesteps: Timestep) -> Tensor:
        """v (B, ...) = sqrt(alpha_bar_t) noise - sqrt(1 - alpha_bar_t) x_0, x_0 being `sample`."""
        return self.add_noise(noise, -sample, timesteps)

    def save_pretrained(self, folder: str | Path) -> None:
        """Writes scheduler_config.json, which diffusers reads too."""
        content = {"_class_name": "DDPMScheduler"} | dataclasses.asdict(self.config)
        write_text(Path(folder) / CONFIG_FILE, json.dumps(content, indent=2) + "\n")

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> "DDPMScheduler":
        """Reads the scheduler_config.json of a folder, diffusers' own included."""
        return cls.from_config(json.loads((Path(folder) / CONFIG_FILE).read_text()))

    @classmethod
    def from_config(cls, config: DDPMConfig | Mapping[str, Any]) -> "DDPMScheduler":
        """A scheduler of a config, this one's or diffusers'; keys of other schedulers do not count.

        Errors: TypeError for what is no config; ValueError for an option of diffusers'
            DDPMScheduler that is not served.
        """
        if isinstance(config, DDPMConfig):
            return cls(**dataclasses.asdict(config))
        if not isinstance(config, Mapping):
            raise TypeError(f"config must be a DDPMConfig or a mapping, got {config!r}")
        for name, off in SWITCHED_OFF.items():
            if config.get(name, off) != off:
                raise ValueError(f"{name} must be {off}, got {config[name]!r}")
        names = {field.name for field in dataclasses.fields(DDPMConfig)}
        options = {name: value for name, value in config.items() if name in names}
        if options.get("trained_betas") is not None:
            options["trained_betas"] = tuple(map(float, options["trained_betas"]))
        return cls(**options)

    def _use(self, timesteps: Tensor, device: str | torch.device | None) -> None:
        """Takes (n,) int64 CPU timesteps, and the coefficients (3, T) of a chain over them."""
        table = torch.full((3, len(self)), math.nan, dtype=torch.float64, device="cpu")
        bars = self._bars[timesteps]
        previous = torch.cat([bars[1:], bars.new_ones(1)])
        alphas = bars / previous
        large = self.config.variance_type == "fixed_large"
        variances = (1 - alphas) * (1 if large else (1 - previous) / (1 - bars))
        variances[-1] = 0
        table[0, timesteps], table[1], table[2, timesteps] = alphas, self._bars, variances.sqrt()
        self._tables = {table.device: table}
        self.timesteps = timesteps.to(device)
        self._table(self.timesteps.device)

    def _table(self, device: torch.device) -> Tensor:
        """alpha, alpha_bar and sigma of every timestep, (3, T), on a device."""
        if device not in self._tables:
            host = self._tables[torch.device("cpu")]
            self._tables[device] = host.to(device, wide_on(device))
        return self._tables[device]

    def _look_up(self, timestep: Timestep, x: Tensor) -> tuple[Tensor, ...]:
        """alpha, alpha_bar, sigma, each () or (B,)."""
        if not isinstance(timestep, Tensor):
            if isinstance(timestep, bool) or not isinstance(timestep, int):
                raise TypeError(f"timestep must be an int or a tensor, got {timestep!r}")
            if not 0 <= timestep < len(self):
                raise ValueError(f"timestep must be in [0, {len(self)}), got {timestep}")
            # select: [:, timestep] would be compiled again for every number.
            return self._table(torch.device("cpu")).select(1, timestep).unbind()
        if timestep.dtype not in (torch.int32, torch.int64):
            raise TypeError(f"timestep must be int32 or int64, got {timestep.dtype}")
        if timestep.shape not in ((), (1,), x.shape[:1]):
            shape = tuple(timestep.shape)
            raise ValueError(f"timestep must have shape () or ({len(x)},), got {shape}")
        if timestep.ndim:
            timestep = timestep.to(x.device, non_blocking=True)
        # index_select: an index that is a 0-d tensor would be read by the host.
        rows = self._table(timestep.device).index_select(1, timestep.reshape(-1))
        return rows.reshape(3, *timestep.shape if timestep.numel() != 1 else ()).unbind()

    def _predict(
        self, output: Tensor, x_t: Tensor, alpha_bar: Tensor
    ) -> tuple[Tensor, Callable[[], Tensor]]:
        """The noise in x_t (B, ...), and the way to x_0."""
        kind, clip = self.config.prediction_type, self.config.clip_sample
        if kind == "epsilon" and not clip:
            return output, _while_same((x_t, output), partial(_rest, x_t, output, alpha_bar))
        if kind == "epsilon":
            x_0 = _rest(x_t, output, alpha_bar)
        elif kind == "sample":
            x_0 = output
        else:
            x_0 = ddpm_add_noise(x_t, alpha_bar, noise=-output)[0]
        if clip:
            x_0 = x_0.clamp(-self.config.clip_sample_range, self.config.clip_sample_range)
        return _rest(x_t, x_0, 1 - alpha_bar), lambda: x_0


def _while_same(tensors: tuple[Tensor, ...], compute: Callable[[], Tensor]) -> Callable[[], Tensor]:
    """compute(), refused once one of the tensors was written to; some keep no count of that."""
    if torch.compiler.is_compiling() or any(t.is_inference() for t in tensors):
        return compute
    versions = [t._version for t in tensors]

    def checked() -> Tensor:
        if [t._version for t in tensors] != versions:
            raise RuntimeError(
                "pred_original_sample must be asked for before sample or model_output is written to"
            )
        return compute()

    return checked


def _rest(whole: Tensor, part: Tensor, share: Tensor) -> Tensor:
    """r of whole = sqrt(share) r + sqrt(1 - share) part: one step all the way down the chain."""
    return ddpm_step(whole, part, alpha=share, alpha_bar=share, sigma=0.0)
