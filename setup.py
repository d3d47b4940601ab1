"""The top-level folders are the subpackages of `inpaintrt`; everything else is in pyproject.toml."""

import warnings

from setuptools import find_packages, setup

FOLDERS = ("export", "engines", "runtime", "serving", "validation", "training")

# It warns of folders named like the package, of which there are none, at every `pip install --editable`.
warnings.filterwarnings("ignore", message="Editable installation")

setup(
    packages=[f"inpaintrt.{name}" for name in find_packages(include=[f"{folder}*" for folder in FOLDERS])],
    package_dir={f"inpaintrt.{folder}": folder for folder in FOLDERS},
    package_data={"": ["py.typed", "*.jinja", "*.html", "*.css", "*.js"]},
)
