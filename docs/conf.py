"""The site: Sphinx with MyST, built by `make docs`. What lies outside docs/ and the reference is made by `_site`."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from lensfit.version import __version__  # noqa: E402

project = "lensfit"
author = "The lensfit developers"
copyright = author
release = version = __version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton", "_site"]
exclude_patterns = ["_site", "paper", "_static", "**/.ipynb_checkpoints"]
suppress_warnings = [
    "myst.header",  # CHANGELOG.md and others begin below a title of their own
    "ref.python",  # fields of one name in several classes, as `shape`: any of them may be meant
]

myst_enable_extensions = ["attrs_inline", "colon_fence"]
myst_heading_anchors = 4
myst_links_external_new_tab = False

nb_execution_mode = "cache"
nb_execution_cache_path = str(HERE.parent / "build" / "notebooks")
nb_execution_timeout = 1800  # of a cell; seconds, on a machine that is shared
nb_execution_raise_on_error = True
nb_merge_streams = True
nb_ipywidgets_js = {}  # no page is to ask another server

default_role = "py:obj"
autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False
python_maximum_signature_line_length = 88

html_theme = "furo"
html_title = f"lensfit {release}"
html_static_path = ["_static"]
html_css_files = ["lensfit.css"]
html_copy_source = False
html_show_sphinx = False
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

linkcheck_timeout = 20
