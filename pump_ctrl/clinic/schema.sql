-- The tables of a state directory, number 1. Times ending on _utc_ms are labels; intervals are boot time (_ms) of one boot.
-- What is written here stays as it is: a change is a file of its own, so that a directory of an earlier version opens.
CREATE TABLE accounts (
  name TEXT PRIMARY KEY, full_name TEXT NOT NULL UNIQUE COLLATE NOCASE, roles TEXT NOT NULL, password TEXT NOT NULL,
  disabled INTEGER NOT NULL DEFAULT 0, created_utc_ms INTEGER NOT NULL,
  epoch INTEGER NOT NULL DEFAULT 0  -- counts what ends every session: a new password, a disabled account
) STRICT;
CREATE TABLE failures (name TEXT NOT NULL, boot_id TEXT NOT NULL, at_ms INTEGER NOT NULL) STRICT;
CREATE TABLE sessions (
  id TEXT PRIMARY KEY,  -- SHA-256 of the token, which stands nowhere
  account TEXT NOT NULL REFERENCES accounts (name), epoch INTEGER NOT NULL, secret BLOB NOT NULL,
  boot_id TEXT NOT NULL, began_ms INTEGER NOT NULL, seen_ms INTEGER NOT NULL, began_utc_ms INTEGER NOT NULL
) STRICT;
CREATE TABLE spent (nonce TEXT PRIMARY KEY, session TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE) STRICT;
CREATE TABLE drafts (
  key TEXT NOT NULL, revision INTEGER NOT NULL, fields TEXT NOT NULL, saved_utc_ms INTEGER NOT NULL,
  saved_by TEXT NOT NULL, PRIMARY KEY (key, revision)
) STRICT;
CREATE TABLE versions (
  sha256 TEXT PRIMARY KEY,
  key TEXT NOT NULL,  -- of the draft; empty: approved on the command line, and there was none
  plan_id TEXT NOT NULL, title TEXT NOT NULL, text TEXT NOT NULL,
  digest TEXT NOT NULL, reasons TEXT NOT NULL, state TEXT NOT NULL, made_utc_ms INTEGER NOT NULL,
  approval TEXT  -- the approval file, as soon as there is one
) STRICT;
CREATE TABLE signatures (
  sha256 TEXT NOT NULL REFERENCES versions (sha256) ON DELETE CASCADE, number INTEGER NOT NULL,
  account TEXT NOT NULL, full_name TEXT NOT NULL, digest TEXT NOT NULL, utc_ms INTEGER NOT NULL,
  PRIMARY KEY (sha256, number), UNIQUE (sha256, account)
) STRICT;
CREATE TABLE outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, data TEXT NOT NULL) STRICT;
