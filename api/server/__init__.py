"""The service as one process: everything put together and listened for."""
