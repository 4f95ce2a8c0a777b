"""The control plane: registers, dispatch, dependency tokens, event counters."""
