"""Ready-made pipelines: files in, batches out, in one call.  They are built from dflow's public API only.

A pipeline is made of readers, decoders, queues and queue runners; its source is an example for programs of one's own.
"""

if __name__ != "dflow.pipelines":
    raise ImportError(f"this package is 'dflow.pipelines'; you imported it as {__name__!r}")
