"""Files that are several, joined: where time begins anew in the midst, it goes on instead.

Transport streams and the like may be put one behind the other as they are (`cat a.ts b.ts`); each
part then has a clock of its own. The picture of a part goes on one frame after the part before, and
its sound is moved by as much, so that they stay together.

Frames and sound are read apart. Both readers look at the packets of all streams, and so find the
same; and so does a reader that goes on with what another one began.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

JUMP = Fraction(1, 10)
"""Seconds back from which time stamps begin anew: less is a few packets in the wrong order."""

_SURE = 8
"""Packets of the picture after which a jump is none that a single bad stamp made; and by which the
first frame has come, as it is shown."""

_PATIENCE = Fraction(1)
"""Seconds of the new picture in which the sound begins anew too: both are written side by side."""

_MOST_HELD = 256
"""Packets held back at most until it is clear where a part goes."""


def picture_stream(container: Any) -> Any:
    """Return a container's first stream of moving pictures; cover art does not count.

    Args:
        container: PyAV's, open.

    Returns:
        PyAV's stream; None where there is none.
    """
    for stream in container.streams.video:
        cover = getattr(getattr(stream, "disposition", None), "attached_pic", 0)
        is_cover = bool(cover) and bool(stream.disposition & cover)
        if not is_cover and stream.codec_context is not None:
            return stream
    return None


@dataclass(slots=True)
class _Lane:
    """What is known of one stream; all times in seconds.

    Attributes:
        part: Joints that are behind it.
        offset: What is added to the stamps of the part it is in.
        last: Newest decoding stamp, as the file has it.
        length: Of one packet.
        end: Where it ends so far, moved.
        back: How far it has jumped back; 0 where nothing is open.
        start: Least stamp behind the jump, as the file has it.
        count: Packets behind the jump.
        stray: Whether it has leapt back to where it came from.
    """

    part: int = 0
    offset: Fraction = Fraction(0)
    last: Fraction | None = None
    length: Fraction = Fraction(1, 25)
    end: Fraction | None = None
    back: Fraction = Fraction(0)
    start: Fraction = Fraction(0)
    count: int = 0
    stray: bool = False

    def jumps(self, decoded: Fraction) -> bool:
        """Tell whether a packet with this stamp lies far behind the one before."""
        return self.last is not None and self.last - decoded > JUMP

    def begin(self, packet: Any, back: Fraction) -> None:
        """Note that a new part begins with a packet, which is then seen as any other."""
        self.back, self.start = back, _shown(packet)
        self.count, self.stray, self.last = 0, False, None

    def see(self, packet: Any) -> None:
        """Note a packet."""
        if packet.dts is None:
            return
        decoded = packet.dts * packet.time_base
        step = Fraction(0) if self.last is None else decoded - self.last
        if self.back:
            self.count += 1
            self.start = min(self.start, _shown(packet))
            self.stray |= step > self.back / 2
        if packet.duration:
            self.length = packet.duration * packet.time_base
        elif step > 0:
            self.length = step
        self.last = decoded

    def move(self, packet: Any) -> Any:
        """Move a packet to where its part is."""
        if packet.dts is None and packet.pts is None:
            return packet
        end = _shown(packet) + self.offset + self.length
        self.end = end if self.end is None else max(self.end, end)
        ticks = round(self.offset / packet.time_base)
        if ticks:
            packet.pts = None if packet.pts is None else packet.pts + ticks
            packet.dts = None if packet.dts is None else packet.dts + ticks
        return packet

    def overlap(self, offset: Fraction) -> Fraction:
        """Return how much of the new part would lie before the end of the one before."""
        return Fraction(0) if self.end is None else self.end - self.start - offset

    def settle(self, part: int, offset: Fraction) -> None:
        """Go on in a part; behind the part before, where that one is a little longer."""
        self.part, self.back = part, Fraction(0)
        self.offset = offset + max(Fraction(0), self.overlap(offset))


def _shown(packet: Any) -> Fraction:
    stamp = packet.dts if packet.pts is None else packet.pts
    return Fraction(stamp * packet.time_base)


class Joints:
    """Moves the packets of a file that is several, joined, so that time goes on; once.

    A jump of the sound alone is left as it is, and so is one that a single bad stamp made.

    Attributes:
        streams: All streams of pictures and of sound, of which the packets must come.
    """

    def __init__(self, container: Any) -> None:
        """Begin.

        Args:
            container: PyAV's, open.
        """
        self.streams: list[Any] = [*container.streams.video, *container.streams.audio]
        self._lanes = {stream.index: _Lane() for stream in self.streams}
        picture = picture_stream(container)
        self._picture = _Lane() if picture is None else self._lanes[picture.index]
        self._offset = self._middle = Fraction(0)
        self._held: list[tuple[Any, _Lane, bool]] = []

    def onward(self, packets: Iterable[Any]) -> Iterator[Any]:
        """Yield the packets, in their order, moved where they must be.

        Args:
            packets: As they are demuxed, the empty ones at the end among them.
        """
        for packet in packets:
            if packet.size:
                yield from self._take(packet)
            else:
                yield from self._settled()
                yield packet
        yield from self._settled()

    def _take(self, packet: Any) -> Iterator[Any]:
        lane = self._lanes[packet.stream.index]
        back = self._jump(lane, packet)
        if back:
            if lane.back:  # once more, before the last one was settled
                yield from self._settled()
            lane.begin(packet, back)
            if lane.part < self._picture.part:  # the picture went before, and is settled
                lane.settle(self._picture.part, self._offset)
        lane.see(packet)
        if not self._held and not lane.back:
            yield lane.move(packet)
            return
        self._held.append((packet if lane.back else lane.move(packet), lane, bool(lane.back)))
        if self._is_clear() or len(self._held) >= _MOST_HELD:
            yield from self._settled()

    def _jump(self, lane: _Lane, packet: Any) -> Fraction:
        """Return how far back a new part begins with a packet; 0 where none does."""
        if packet.dts is None:
            return Fraction(0)
        picture, decoded = self._picture, Fraction(packet.dts * packet.time_base)
        if lane.last is not None and lane.jumps(decoded):
            if lane is picture:
                self._middle = (lane.last + decoded) / 2
            return lane.last - decoded
        # Sound that ended early, or begins with this part, does not jump: it is where the picture
        # has gone, and not where that came from.
        awaited = not lane.back and (picture.back > 0 or lane.part < picture.part)
        return JUMP if awaited and lane is not picture and decoded < self._middle else Fraction(0)

    def _is_clear(self) -> bool:
        """Return whether it is known where the open part goes."""
        picture = self._picture
        if not picture.back or picture.last is None:
            return False
        if picture.stray:
            return True
        late = picture.last - picture.start > _PATIENCE
        all_here = all(lane.back or lane.last is None for lane in self._lanes.values())
        return picture.count >= _SURE and (late or all_here)

    def _settled(self) -> Iterator[Any]:
        """Decide where the open part goes, and yield what was held back for that."""
        begun = [lane for lane in self._lanes.values() if lane.back]
        picture, held = self._picture, self._held
        self._held = []
        if picture.back and not picture.stray:
            offset = picture.overlap(Fraction(0))
            longest = max(lane.overlap(offset) for lane in begun)
            if longest > picture.length:  # sound that goes on alone is heard out
                offset += longest
            self._offset = offset
            part = picture.part + 1
            for lane in begun:
                lane.settle(part, offset)
        for lane in begun:
            lane.back = Fraction(0)
        for packet, lane, is_new in held:
            yield lane.move(packet) if is_new else packet
