"""The hand-over: everything that somebody who builds a chip or an FPGA of an accelerator needs, in one folder."""
