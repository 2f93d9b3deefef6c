"""RetryPolicy: further attempts after a failure, with pauses that are the same in every replay."""

from __future__ import annotations

from dataclasses import dataclass

from flowyd.sdk.chance import fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often, and after which pauses, a failed task is tried again.

    Timeouts are not its business: `retry=n` is for those.
    """

    #: Attempts that may fail, the first included.
    maximum_attempts: int = 3
    #: Pause before the second attempt, seconds; each later one is longer by the factor.
    first_interval_s: float = 1.0
    backoff: float = 2.0
    #: No pause is longer, seconds.
    maximum_interval_s: float = 300.0
    #: Share of the pause that is left to chance, 0 to 1; chance is drawn from the run id, so a replay agrees.
    jitter: float = 0.1
    #: Exceptions (or their class names) that are not tried again.
    non_retryable: tuple[type[BaseException] | str, ...] = ()

    def __post_init__(self) -> None:
        if self.maximum_attempts < 1:
            raise ValueError(f"maximum_attempts must be at least 1, not {self.maximum_attempts}")
        if not 0 <= self.jitter <= 1:
            raise ValueError(f"jitter must be between 0 and 1, not {self.jitter}")
        if self.first_interval_s < 0 or self.maximum_interval_s < 0 or self.backoff < 1:
            raise ValueError("intervals must not be negative, and backoff not below 1")

    def tries_again(self, failures: int, error_type: str | None) -> bool:
        """Whether a task that has failed so often, lastly with this exception class, is tried again."""
        if failures >= self.maximum_attempts:
            return False
        names = {error if isinstance(error, str) else error.__name__ for error in self.non_retryable}
        return error_type is None or error_type.rpartition(".")[2] not in names

    def pause_s(self, failures: int, seed: str) -> int:
        """Seconds to wait after that many failures, rounded up to SWF's whole seconds."""
        interval = self.first_interval_s
        for _ in range(failures - 1):
            interval = min(interval * self.backoff, self.maximum_interval_s)
        interval = min(interval, self.maximum_interval_s)
        spread = interval * self.jitter * (fraction(seed) - 0.5)
        return -int(-(interval + spread) // 1)
