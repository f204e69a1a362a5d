"""The invisible watermark: 64 bits in every picture and every video frame, tied to the ledger.

`identifier` says which bits, `embed` puts them in, `detect` reads them in frames, `files` in files.
"""
