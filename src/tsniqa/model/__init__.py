"""The method, to be read in one sitting, from normalization and heads to the whole model."""
