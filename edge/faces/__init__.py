"""Find faces, align them, tell them apart."""
