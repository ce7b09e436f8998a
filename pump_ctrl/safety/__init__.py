"""The separate safety layer: sees commands and answers, never plans or reasons. Integers only."""
