"""Continual learning of blind image quality models by task-specific normalization (TSN-IQA).

A study of Zhang, Ma, Zhai and Yang, *Task-Specific Normalization for Continual Learning of Blind
Image Quality Models*, IEEE Transactions on Image Processing 33, 2024 (arXiv 2107.13429).
"""

import warnings

# Libraries that show downloads complain in every notebook that a widget package is absent.
warnings.filterwarnings("ignore", message="IProgress not found")

__version__ = "0.1.0"
