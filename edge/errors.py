"""Every error that edge-swap raises on purpose.

```
EdgeError
├── UsageError            the call makes no sense, e.g. output equals input
├── MediaError            a picture or video is missing, broken, too large or of no known kind
├── NoFaceError           there is no face where one is needed
├── FaceCountError        there are several faces where exactly one is needed
├── PhotoError            a photo is too poor to enrol from
├── ModelError            a model file is missing, has the wrong hash, or does not fit its card
│   ├── CardError         a card is malformed
│   └── DownloadError     a model file cannot be pulled, or is another one
├── BackendError          an engine cannot do what it was asked to
│   ├── EngineMissing     the engine's package is not installed, or does not load
│   └── ProviderError     the provider that was asked for is not the one that runs
├── ConsentError          there is no valid consent for this
│   └── IdentityError     an identity file is damaged, changed, or for another recogniser
├── PolicyError           the deployment's policy forbids this
│   └── GateError         the content gate refuses this, or does not work
├── BundleError           a bundle was changed, has expired, is not trusted, or does not run here
├── ProvenanceError       label, manifest or signature could not be made or did not verify
│   ├── LabelError        the visible label cannot be drawn legibly
│   ├── KeyStoreError     a key or certificate is missing, unreadable or unsafe
│   │   └── WrongPassphrase  a key does not open with the passphrase that was given
│   └── TimeStampError    no time stamp could be had from the configured authority
├── LedgerError           the ledger is damaged or cannot be written
└── OutputError           an output cannot be written where it should go
```

The command line turns each of them into one line on standard error and exit status 2. A message
says what is wrong, where, and what to do; it names files as the user wrote them.
"""

from __future__ import annotations

__all__ = [
    "BackendError",
    "BundleError",
    "CardError",
    "ConsentError",
    "DownloadError",
    "EdgeError",
    "EngineMissing",
    "FaceCountError",
    "GateError",
    "IdentityError",
    "KeyStoreError",
    "LabelError",
    "LedgerError",
    "MediaError",
    "ModelError",
    "NoFaceError",
    "OutputError",
    "PhotoError",
    "PolicyError",
    "ProvenanceError",
    "ProviderError",
    "TimeStampError",
    "UsageError",
    "WrongPassphrase",
]


class EdgeError(Exception):
    """Root of all errors that edge-swap raises on purpose."""


class UsageError(EdgeError):
    """The call makes no sense as it stands."""


class MediaError(EdgeError):
    """A picture or video is missing, broken, too large, or of a kind we cannot read."""


class NoFaceError(EdgeError):
    """There is no face where one is needed."""


class FaceCountError(EdgeError):
    """There are several faces where exactly one is needed."""


class PhotoError(EdgeError):
    """A photo is too poor to enrol from."""


class ModelError(EdgeError):
    """A model file is missing, has the wrong hash, or does not fit its card."""


class CardError(ModelError):
    """A card is malformed."""


class DownloadError(ModelError):
    """A model file cannot be pulled, or is another one than its card means."""


class BackendError(EdgeError):
    """An engine cannot do what it was asked to."""


class EngineMissing(BackendError):
    """The engine's package is not installed, or it does not load."""


class ProviderError(BackendError):
    """The provider that was asked for is not the one that runs."""


class ConsentError(EdgeError):
    """There is no valid consent for this."""


class IdentityError(ConsentError):
    """An identity file is damaged, changed, or made for another recogniser."""


class PolicyError(EdgeError):
    """The deployment's policy forbids this."""


class GateError(PolicyError):
    """The content gate refuses this, or does not work."""


class BundleError(EdgeError):
    """A bundle is damaged, was changed, has expired, is not trusted, or does not run here."""


class ProvenanceError(EdgeError):
    """Label, manifest or signature could not be made, or did not verify."""


class LabelError(ProvenanceError):
    """The visible label cannot be drawn legibly."""


class KeyStoreError(ProvenanceError):
    """A key or certificate is missing, unreadable or unsafe."""


class WrongPassphrase(KeyStoreError):
    """A key does not open with the passphrase that was given."""


class TimeStampError(ProvenanceError):
    """No time stamp could be had from the configured authority, or what came is none."""


class LedgerError(EdgeError):
    """The ledger is damaged or cannot be written."""


class OutputError(EdgeError):
    """An output cannot be written where it should go."""
