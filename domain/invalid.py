"""The one error for input that the domain refuses."""


class Invalid(ValueError):
    """A value that breaks a rule of the domain.

    `pointer` is the JSON Pointer (RFC 6901) of the offending value inside what was being parsed; the empty string is
    the whole of it. `message` names what was found and what is allowed.
    """

    def __init__(self, pointer: str, message: str) -> None:
        super().__init__(pointer, message)
        self.pointer = pointer
        self.message = message

    def __str__(self) -> str:
        return f"{self.pointer}: {self.message}" if self.pointer else self.message
