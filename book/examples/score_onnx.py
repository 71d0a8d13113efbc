"""Score photographs without PyTorch: python score_onnx.py MODEL.onnx PHOTO..."""

import sys

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

session = onnxruntime.InferenceSession(sys.argv[1])
limit = int(session.get_modelmeta().custom_metadata_map["shorter_side"])
for path in sys.argv[2:]:
    photo = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    ratio = min(1, limit / min(photo.size))
    photo = photo.resize([round(side * ratio) for side in photo.size], Image.Resampling.BILINEAR)
    pixels = np.asarray(photo, dtype=np.float32).transpose(2, 0, 1)[None] / 255
    print(f"{session.run(None, {'image': pixels})[0][0]:.4f}  {path}")
