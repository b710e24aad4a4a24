"""Commands that connect assistants."""
