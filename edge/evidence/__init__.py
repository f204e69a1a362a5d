"""Evidence: what can be known about one file, as a page for people who are no engineers.

lookup.py finds the entry in a ledger, gather.py collects the facts, checks.py and story.py put them
into Chinese and English words, page.py makes one page of them, paper.py prints it.
"""
