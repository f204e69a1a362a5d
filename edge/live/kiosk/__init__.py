"""Kiosk: somebody consents on the spot, sees themselves, and is erased again when they leave."""
