"""The dashboard: a live page `/dflow` beside Dask's own pages, and the same rows as `/dflow/snapshot.json`.

Each worker sends the state of its devices with its heartbeat, as `worker.metrics["dflow"]`.  `snapshot` turns that into
rows and rates and is pure; `view` draws them with Bokeh; `page` adds both to the scheduler's HTTP server.
"""
