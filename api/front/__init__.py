"""What every request passes through on its way to a route, each layer an ASGI application around the next."""
