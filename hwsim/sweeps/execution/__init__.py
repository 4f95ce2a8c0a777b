"""Where points are evaluated: processes of this machine, or a Dask cluster."""
