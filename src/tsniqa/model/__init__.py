"""The method: frozen backbone, normalization bank, heads, gate."""
