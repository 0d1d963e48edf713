"""Imports the large libraries before any module of ours does.

Ours are compiled with checks of shapes, and while one of them is imported, so is what it imports: without the bytecode
that lies there, twenty seconds for each worker.
"""

from tests.forks import import_libraries

import_libraries()
