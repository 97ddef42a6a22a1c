"""What the service tells about itself: metrics, logs, traces, and whether it is ready."""
