"""Live: camera in, labelled and signed stream out, recorded in segments and shown in a browser.

The way of a frame is the one of `edge.swap`: find, swap, label, watermark. Nothing else leads from
a source to a recorder or a viewer. There is no virtual camera, and there will be none.
"""
