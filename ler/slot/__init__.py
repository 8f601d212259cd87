# -*- test-case-name: ler.test.test_slot -*-
"""
WHEN an engine may have the memory: tickets wait, the policy decides, the slot
swaps, leases run.
"""
