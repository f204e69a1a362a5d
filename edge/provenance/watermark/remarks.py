"""What a reader of a verdict should know about the watermark besides its id."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge.provenance.watermark.files import Look


def agrees(look: Look, named: str | None) -> bool | None:
    """Return whether the watermark is the one that the manifest names; None with only one of them.

    Args:
        look: What was found in the pixels.
        named: Id in the manifest's soft binding.
    """
    if look.found is None or named is None:
        return None
    return look.found.id == named


def watermark_remarks(look: Look, named: str | None) -> list[str]:
    """Return sentences about what was found, and how it fits the manifest; see `agrees`."""
    others = [
        f"the pixels also carry the watermark {mark.id}: the picture was made from a marked one"
        for mark in look.others
    ]
    return [*_about_the_mark(look, named), *others]


def _about_the_mark(look: Look, named: str | None) -> list[str]:
    if look.problem is not None:
        return [f"no watermark could be looked for: {look.problem}"]
    if look.found is None:
        if named is None:
            return []
        return [
            f"the watermark {named} that the manifest names was not found in the pixels: "
            "the picture may be too small or too plain to hold it, or was replaced"
        ]
    if named is None:
        return [
            "a watermark alone proves nothing: it counts with the ledger entry or the signed "
            "manifest that has the same id"
        ]
    if look.found.id != named:
        return [f"the pixels carry another watermark than {named}, which the manifest names"]
    return []
