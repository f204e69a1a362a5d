"""Bundles: what is deployed to a device, as docs/spec/bundle-1.md states it.

Opening one goes from the cheap to the dear, and stops at the first thing that is wrong: contents
and seal are read, the seal is checked against the contents, its key against those that this device
trusts; then come the dates, the consent, the kind of device, and at last the hash of every file.
Nothing is unpacked before the seal has been found good, and nothing is run before all of it has.
"""
