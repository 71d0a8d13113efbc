"""Readers: from the layout of a dataset to its rated images, one layout a file.

Every official layout has a function ``read(root)``. It takes the dataset's folder and returns the
table of :func:`tsniqa.data.readers.files.rows` in the order of the authors' files; images are not
looked for. It raises :class:`tsniqa.errors.DataError` where a file is missing or cannot be read, or
lacks a column or a variable; what else it refuses, its own docstring says.
"""
