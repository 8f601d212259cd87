# -*- test-case-name: ler.test.test_demo -*-
"""
Two tiny language models behind one URL, on any machine: C{python -m ler.demo}.
"""
