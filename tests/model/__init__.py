"""The controller explored exhaustively with a small environment; docs/safety/model-check.md."""
