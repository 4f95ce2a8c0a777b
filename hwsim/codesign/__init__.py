"""Co-design: networks made smaller for one accelerator, by what it really costs on it.

:func:`hwsim.codesign.prune.prune` is energy-aware pruning (Yang, Chen and Sze, CVPR 2017).
"""
