"""The visible label, the implicit label, the signed manifest, and their verification."""
