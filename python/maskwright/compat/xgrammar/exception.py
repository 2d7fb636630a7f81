"""XGrammar's exceptions."""


class DeserializeFormatError(RuntimeError):
    """The JSON is not what this object is written as, or was written for another tokenizer."""


class DeserializeVersionError(RuntimeError):
    """The JSON was written by another version, or by XGrammar itself."""


class InvalidStructuralTagError(RuntimeError):
    """The structural tag is invalid."""


class InvalidJSONError(RuntimeError):
    """The text is not JSON."""
