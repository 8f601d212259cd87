"""
How Sphinx makes the documentation: C{make docs}.
"""

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent

# The reference is made from the code and the presets that lie beside this folder.
sys.path[:0] = [str(HERE.parent), str(HERE / "_ext")]

# What is found in the environment here is not so elsewhere.
os.environ.pop("STATE_DIRECTORY", None)
os.environ.pop("XDG_STATE_HOME", None)
os.environ["HOME"] = "~"

import ler  # noqa: E402

project = "engine-router"
author = "the authors of engine-router"
copyright = author
version = release = ler.__version__

extensions = ["backends", "settings", "tables"]
exclude_patterns = ["_build"]
nitpicky = True
highlight_language = "none"
smartquotes = False

html_theme = "alabaster"
html_theme_options = {
    "description": "One URL in front of many inference engines, one in memory at a time",
    "fixed_sidebar": True,
    "page_width": "1080px",
}
html_show_copyright = False
html_show_sourcelink = False
html_copy_source = False
