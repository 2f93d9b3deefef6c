"""The formats flowyd's own processes speak with each other; no sockets here but in `client`."""
