"""What the platform gives a container and expects of it, as frozen values of one root folder."""

from sagecask.contract.memory import available_memory
from sagecask.contract.outcome import hand_over, write_failure
from sagecask.contract.paths import DEFAULT_ROOT, Paths
from sagecask.contract.serving import MultiModelEndpoint, ServingJob, available_cpus
from sagecask.contract.signals import cause_of_death, out_of_memory_kills
from sagecask.contract.training import ChannelConfig, TrainingJob

__all__ = [
    "DEFAULT_ROOT", "ChannelConfig", "MultiModelEndpoint", "Paths", "ServingJob", "TrainingJob", "available_cpus",
    "available_memory", "cause_of_death", "hand_over", "out_of_memory_kills", "write_failure",
]  # fmt: skip
