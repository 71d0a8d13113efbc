"""Writers of tiny datasets in the layouts that their authors distribute, one file a dataset.

They use the writers of the same libraries that the readers read with, and no code of the package.
"""
