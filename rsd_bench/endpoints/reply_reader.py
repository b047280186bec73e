"""A reply while it comes in, in whichever form it comes."""

from __future__ import annotations

from rsd_bench.endpoints.parse import EventReader, bounded, parse_body, start_of
from rsd_bench.endpoints.reply import Reply

_SHORTEST_FIELD = 4  # bytes that tell a byte order mark, an object and events apart


class ReplyReader:
    """A reply that is fed as its bytes come in: events where the endpoint says so, else a whole body.

    An object under the content type of events is read as the whole body that it is.
    """

    def __init__(self, events: bool) -> None:
        self._undecided = events
        self._events: EventReader | None = None
        self._parts: list[bytes] = []
        self._size = 0

    @property
    def has_text(self) -> bool:
        """Whether a streamed answer has begun."""
        return self._events is not None and self._events.has_text

    @property
    def done(self) -> bool:
        """Whether the endpoint has said that this is all."""
        return self._events is not None and self._events.done

    @property
    def settled(self) -> bool:
        """Whether nothing is missing from a streamed answer, though its end may not have come."""
        return self._events is not None and self._events.settled

    def feed(self, part: bytes) -> None:
        """Take what came. Raises CallFailed."""
        if self._events:
            self._events.feed(part)
            return
        self._parts.append(part)
        self._size += len(part)
        bounded(self._size)
        if self._undecided and len(start := start_of(b"".join(self._parts))) >= _SHORTEST_FIELD:
            self._undecided = False
            if not start.startswith(b"{"):
                self._events = EventReader()
                self._events.feed(b"".join(self._parts))

    def reply(self) -> Reply:
        """The Reply of what has come so far. Raises CallFailed, with `reply` where only its contents are at fault."""
        return self._events.reply() if self._events else parse_body(b"".join(self._parts))
