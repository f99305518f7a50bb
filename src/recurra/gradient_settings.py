"""The settings of the gradient rule, which every task has: docs/regimes.md."""

from __future__ import annotations

from typing import Literal, get_args

from .errors import SettingError
from .setting_fields import Group, setting

GradientName = Literal["bptt", "tbptt", "artbp", "random_length", "snap1", "rtrl"]
WITH_WINDOWS = ("tbptt", "artbp", "random_length")  # the rules that have k1 and k2


class GradientSettings(Group):
    """How the gradient of a sequence is computed."""

    gradient: GradientName | None = setting(
        None, description="Gradient rule of long sequences (bptt; tbptt where k1 or k2 is given)."
    )
    k1: int | None = setting(
        None, ge=1, description="Number of time steps in a window, whose losses have one backward pass."
    )
    k2: int | None = setting(None, ge=1, description="Number of time steps of a backward pass, at least k1 (k1).")
    checkpoint_segments: int | None = setting(
        None,
        ge=2,
        description="Number of segments of a sequence whose activations are computed again in the backward pass.",
    )

    @property
    def rule(self) -> GradientName:
        """The gradient rule: k1 and k2 imply tbptt."""
        return self.gradient or ("bptt" if self.k1 is None and self.k2 is None else "tbptt")

    @property
    def reads_windows(self) -> bool:
        """Whether the gradient is computed in windows of time steps, and not by the loss of the task."""
        return self.rule != "bptt" or self.checkpoint_segments is not None

    @property
    def windows(self) -> tuple[int, int]:
        """k1 and k2; where one of them is not given, it equals the other."""
        k1, k2 = self.k1 or self.k2, self.k2 or self.k1
        if k1 is None or k2 is None:
            raise SettingError(f"gradient={self.rule} needs the number of time steps of a window; set k1, or k1 and k2")
        return k1, k2

    def check(self) -> None:
        """Raise SettingError for a combination that has no meaning."""
        if self.rule not in WITH_WINDOWS:
            for name in ("k1", "k2"):
                if (value := getattr(self, name)) is not None:
                    raise SettingError(f"{name} = {value} has no effect with gradient={self.rule}; remove it, or set "
                                       f"gradient to {', '.join(WITH_WINDOWS)}")  # fmt: skip
        if self.checkpoint_segments is not None and self.rule != "bptt":
            raise SettingError(f"checkpoint_segments belongs to gradient=bptt, not to {self.rule}; remove one of them")
        if self.rule not in WITH_WINDOWS:
            return
        k1, k2 = self.windows
        if k2 < k1:
            raise SettingError(f"k2 = {k2} is less than k1 = {k1}; expected k2 >= k1, so that every loss is used")
        if self.rule == "random_length" and k1 != k2:
            raise SettingError(
                f"gradient=random_length has one mean length, and k1 = {k1} and k2 = {k2} differ; set k1 alone"
            )
        if self.rule == "artbp" and k1 == k2:
            raise SettingError(f"gradient=artbp needs k2 > k1, and both are {k1}: k2 is the mean number of time steps "
                               "between two truncations, k1 the number after which one is possible")  # fmt: skip


RULE_NAMES: tuple[str, ...] = get_args(GradientName)
