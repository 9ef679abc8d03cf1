"""The words of a command line: brought into the parser's form, checked, and what is said of wrong ones."""

from ambivox.tasks._command_words.messages import parser_message
from ambivox.tasks._command_words.paths import checked_paths, with_home
from ambivox.tasks._command_words.words import prepared_words

__all__ = ["checked_paths", "parser_message", "prepared_words", "with_home"]
