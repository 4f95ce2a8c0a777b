"""Co-design sweeps: architectures against compression, and the trade-offs between accuracy, time, energy and area.

=================  ==================================================================================
``specification``  SWEEP.yaml: read, checked, standing on its own
``space``          parameters, and every combination of them as columns
``constraints``    conditions as a small language of their own
``search``         which points are evaluated: the grid, or Optuna's samplers
``evaluation``     what a point costs; work that points share, cached by content
``execution``      where points are evaluated: processes, a Dask cluster
``storage``        the study: points and outcomes in a database
``front``          Pareto fronts, hypervolume, knee
``report``         terminal, tables as files, one HTML page
=================  ==================================================================================

:mod:`hwsim.sweeps.run` puts them together, :mod:`hwsim.sweeps.api` is what the command line calls.
"""
