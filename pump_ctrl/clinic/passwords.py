"""Passwords: scrypt, with a salt of its own for each.

Layer      clinic; standard library only.
Hazard     passwords that can be read or guessed from a copied file; an answer whose time tells whether a name exists.
Tests      tests/unit/clinic/test_accounts.py
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import unicodedata
from typing import Final

from pump_ctrl.errors import InvalidInput, Problem

LEAST: Final = 10  # characters
MOST: Final = 200
LOG_N: Final = 15  # 2**15 rounds of 1 KiB: 32 MiB and about a tenth of a second for each guess
_R: Final = 8


def require_usable(password: str, name: str) -> None:
    """Refuse a password that is too short or is the account's name.

    Raises:
        InvalidInput: with what is allowed.
    """
    what = ""
    if not LEAST <= len(password) <= MOST:
        what = f"has {len(password)} characters"
    elif password.casefold() in {name.casefold(), name.casefold()[::-1]} or len(set(password)) < 4:
        what = "can be guessed"
    if what:
        allowed = f"{LEAST} to {MOST} characters, and not the account's name"
        raise InvalidInput((Problem("", None, "password", what, allowed),))


def sealed(password: str) -> str:
    """What is kept of a password."""
    salt = secrets.token_bytes(16)
    return f"scrypt${LOG_N}${_R}${salt.hex()}${_scrypt(password, salt, LOG_N, _R).hex()}"


def nobodys() -> str:
    """What fits no password, and takes as long to find out."""
    return f"scrypt${LOG_N}${_R}${'00' * 16}${'00' * 32}"


def fits(password: str, kept: str) -> bool:
    """Whether it is the password of which this is kept."""
    _, log_n, r, salt, digest = kept.split("$")
    found = _scrypt(password, bytes.fromhex(salt), int(log_n), int(r))
    return hmac.compare_digest(found, bytes.fromhex(digest))


def _scrypt(password: str, salt: bytes, log_n: int, r: int) -> bytes:
    # The same letters come composed from one keyboard and decomposed from another.
    given = unicodedata.normalize("NFC", password[: MOST + 1]).encode("utf-8", "surrogatepass")
    memory = 2 * 128 * r * 2**log_n  # bytes, twice what it takes
    return hashlib.scrypt(given, salt=salt, n=2**log_n, r=r, p=1, maxmem=memory, dklen=32)
