"""Decode and encode pictures and videos."""
