"""Readers: from the layout of a dataset to its rated images, one layout a file.

``read(root)`` takes a dataset's folder and returns the table of
:func:`tsniqa.data.readers.files.rows` in the order of the authors' files, without looking for
images. It raises :class:`tsniqa.errors.DataError` for a file that is missing or unusable.
"""
