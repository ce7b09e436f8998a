"""One module per pump family, behind the protocol of ``base``."""
