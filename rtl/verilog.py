"""The Verilog of an accelerator."""

from rtl.accelerator import Accelerator
from rtl.cell import emit
from rtl.config import ArchConfig

__all__ = ["TOP", "to_verilog"]

TOP = "accelerator"
"""Name of the top module."""


def to_verilog(config: ArchConfig) -> str:
    """Verilog-2005 of the accelerator that ``config`` describes, as module :data:`TOP` and those under it.

    Ports are ``clk``, ``rst`` (synchronous, active high), ``s_axil_*``, ``m_axi_fetch_*``, ``m_axi_data_*`` and
    ``irq``. Configurations of equal :attr:`~rtl.config.ArchConfig.rtl_hash` give the same text below the header.
    """
    return _header(config) + emit(Accelerator(config), TOP)


def _header(config: ArchConfig) -> str:
    lines = [f"hwsim accelerator {config.name}, hardware {config.rtl_hash}. Generated: change the YAML, not this."]
    parts = config.model_dump()
    for part in ("dense", "sparse", "memory", "bus", "control"):
        shown = ", ".join(f"{name}={value}" for name, value in parts[part].items()) if parts[part] else "none"
        lines.append(f"  {part}: {shown}")
    return "".join(f"// {line}\n" for line in lines) + "\n"
