"""The identity of a bundle: a person in a model's weights, with the consent that covers them.

Of an identity that is baked into a model, a device needs no embedding any more. What is left is
its commitment and its consent. That the two belong together is stated by whoever signed the
bundle: `edge.bundle` is the only maker of these.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge.consent.identity import Identity
from edge.consent.record import Consent


@dataclass(frozen=True, slots=True)
class SealedIdentity:
    """An identity whose embeddings are not here.

    Attributes:
        consent: The consent that covers it, its signatures checked.
        commitment: The identity's commitment, 64 hex digits.
    """

    consent: Consent
    commitment: str

    @property
    def subject(self) -> str:
        """The consent's subject."""
        return self.consent.subject


AnyIdentity = Identity | SealedIdentity
