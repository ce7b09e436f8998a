-- What tables number 2 have besides: who took a plan back, and when.
CREATE TABLE withdrawals (
  sha256 TEXT PRIMARY KEY REFERENCES versions (sha256) ON DELETE CASCADE,
  account TEXT NOT NULL, full_name TEXT NOT NULL, utc_ms INTEGER NOT NULL
) STRICT;
