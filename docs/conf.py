"""Sphinx configuration. Build from the root of the repository: sphinx-build -W docs site."""

import sys
from pathlib import Path

import landscape_cpp

sys.path.insert(0, str(Path(__file__).parent))  # docstrings.py

project = "landscape-cpp"
author = "The landscape-cpp developers"
copyright = "The landscape-cpp developers"  # noqa: A001 - Sphinx's name
version = release = landscape_cpp.__version__

extensions = [
    "docstrings",
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.doctest",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
    "sphinxcontrib.programoutput",
]
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}
exclude_patterns = ["_build"]
language = "en"

myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings give shapes and meanings
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
doctest_global_setup = "import numpy as np\nimport landscape_cpp as ls\nfrom landscape_cpp import *"
copybutton_exclude = ".linenos, .gp, .go"

sphinx_gallery_conf = {
    "examples_dirs": ["../examples"],
    "gallery_dirs": ["guides"],
    "filename_pattern": r"/plot_",
    "abort_on_example_error": True,
    "remove_config_comments": True,
    "show_memory": False,
    "within_subsection_order": "ExampleTitleSortKey",
    "plot_gallery": True,
    "image_srcset": ["2x"],
}

html_theme = "pydata_sphinx_theme"
html_title = "landscape-cpp"
html_static_path = ["_static"]
html_theme_options = {
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "show_prev_next": True,
    "footer_start": ["copyright"],
    "footer_end": ["theme-version"],
}
html_show_sourcelink = False
