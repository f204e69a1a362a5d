"""Consent records, identities, the ledger: who may be swapped, and what was done."""
