"""Maps the built-in plugins below ``plugins/`` to the top level of the one distribution."""

from setuptools import find_packages, setup

plugins = find_packages("plugins")

setup(
    packages=find_packages(include=["bentotrace", "bentotrace.*"]) + plugins,
    package_dir={name: f"plugins/{name}" for name in plugins if "." not in name},
)
