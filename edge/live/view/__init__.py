"""The page on which a stream is watched, and the small server behind it.

Loopback by default. On the network only with TLS and a token. Every picture it sends is a JPEG with
a signed manifest, and there is no other route to one.
"""
