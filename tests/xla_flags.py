"""How the tests have XLA compile."""

from importlib.metadata import version

HAS_EMITTERS = tuple(map(int, version("jaxlib").split(".")[:2])) < (0, 12)
"""Whether XLA knows the flag that turns its newer fusion of loops off; of a flag that it does not know it dies."""
FLAGS = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True} | (
    {"xla_cpu_use_fusion_emitters": False} if HAS_EMITTERS else {}
)
"""To compile in a third of the time."""
AS_FOR_USERS = {"xla_backend_optimization_level": 3, "xla_llvm_disable_expensive_passes": False} | (
    {"xla_cpu_use_fusion_emitters": True} if HAS_EMITTERS else {}
)
"""What XLA does unless it is told otherwise."""
