"""Maps the built-in plugins below ``plugins/`` to the top level of the one distribution.

Beside the packages it installs a file that Python's ``site`` runs at every start: it looks at one
variable, and traces BentoML services when that is set.
"""

import os

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

START = "bentotrace/integrations/bentoml/bentotrace_bentoml.pth"

plugins = find_packages("plugins")


class BuildWithStart(build_py):
    """Puts the file at the top level of what is installed; an editable install has none."""

    def run(self):
        """Build."""
        super().run()
        if not self.editable_mode:
            self.copy_file(START, os.path.join(self.build_lib, os.path.basename(START)))

    def get_source_files(self):
        """List what an sdist must hold."""
        return [*super().get_source_files(), START]


setup(
    packages=find_packages(include=["bentotrace", "bentotrace.*"]) + plugins,
    package_dir={name: f"plugins/{name}" for name in plugins if "." not in name},
    cmdclass={"build_py": BuildWithStart},
)
