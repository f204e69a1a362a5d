"""The toolchain: converts swap models for small devices and measures what that costs."""
