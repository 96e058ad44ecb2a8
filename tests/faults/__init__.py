"""Reliability: one thing goes wrong between client and service, over real sockets."""
