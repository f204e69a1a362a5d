"""What passes are made with: lookups, edits, shapes, constants, random inputs, one engine."""
