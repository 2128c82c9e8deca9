"""What runs under Dask: plugins, tasks, actors, and what Dask does not document."""
