# -*- test-case-name: ler.test.test_demo -*-
"""
Tiny language models behind one URL, on any machine: C{python -m ler.demo}.
"""
