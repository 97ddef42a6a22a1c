"""`pw run`: a service of its own on a private socket, and a runner beside it, in one process."""
