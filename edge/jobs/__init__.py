"""Swaps of files: a picture, a video, a folder of both.

Every output takes the same way: permit, detect, swap, label, encode, implicit label, sign, verify,
ledger, name. An output that did not come to its end leaves nothing behind but a line in the ledger.
"""
