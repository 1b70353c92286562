"""How much work the conditions of one answer may take: a count, so that it ends at the same place on every machine."""

from domain.json_value import JsonValue

EFFORT_MAX = 50_000
"""Steps for all conditions and JSON logic of one answer together."""

CHARACTERS_PER_STEP = 100

_DEPTH_MAX = 64


class TooMuchWork(Exception):
    """The steps are used up."""


class Effort:
    """Steps that are left. Once they are used up, they stay so."""

    def __init__(self, steps: int = EFFORT_MAX, whole: "Effort | None" = None) -> None:
        """With `whole`, these steps are a part of those: both have to last."""
        self._left = steps
        self._whole = whole
        self.exceeded = False
        """Whether more was asked for than there was."""

    def spend(self, steps: int) -> None:
        """Take steps away. Raises TooMuchWork if there are not so many."""
        self._left -= steps
        if self._left < 0:
            self.exceeded = True
            raise TooMuchWork
        if self._whole is not None:
            try:
                self._whole.spend(steps)
            except TooMuchWork:
                self.exceeded = True
                raise

    def spend_on_text(self, text: str) -> None:
        """Pay for reading a text. Raises TooMuchWork."""
        self.spend(len(text) // CHARACTERS_PER_STEP)

    def spend_on_value(self, value: JsonValue) -> None:
        """Pay for reading a value with all that is in it. Raises TooMuchWork.

        Paid while it is counted, so that the counting has the same end. What is nested too deep is not read by any
        operator, and not counted.
        """
        waiting = [(value, 0)]
        while waiting:
            item, depth = waiting.pop()
            if isinstance(item, str):
                self.spend_on_text(item)
            elif isinstance(item, (list, dict)) and depth < _DEPTH_MAX:
                self.spend(len(item))
                if isinstance(item, dict):
                    self.spend(sum(map(len, item)) // CHARACTERS_PER_STEP)
                waiting.extend((inner, depth + 1) for inner in (item.values() if isinstance(item, dict) else item))
