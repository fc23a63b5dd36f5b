"""dlib's recognition with the weights and the steps of the face_recognition package, one thread.

pip install dlib-bin && pip install --no-deps face_recognition_models
"""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

LIBRARIES = ("dlib", "face_recognition_models")


def is_installed() -> bool:
    return all(find_spec(library) is not None for library in LIBRARIES)


class DlibPipeline:
    """HOG detector on the photograph at twice its size → five landmarks → 128 values, as face_recognition 1.3 does."""

    name = "face_recognition (dlib)"

    def __init__(self) -> None:
        dlib: Any = importlib.import_module("dlib")
        package = find_spec("face_recognition_models")
        assert package is not None
        assert package.submodule_search_locations is not None
        # The package is only looked into: importing it needs a setuptools of former times.
        models = Path(package.submodule_search_locations[0]) / "models"
        self._detector = dlib.get_frontal_face_detector()
        self._landmarks = dlib.shape_predictor(str(models / "shape_predictor_5_face_landmarks.dat"))
        self._encoder = dlib.face_recognition_model_v1(
            str(models / "dlib_face_recognition_resnet_model_v1.dat")
        )

    def analyze(self, image: NDArray[np.uint8]) -> list[NDArray[np.float64]]:
        """Return the descriptors (128,) of all faces in a BGR picture."""
        rgb = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
        return [
            np.array(self._encoder.compute_face_descriptor(rgb, self._landmarks(rgb, box), 1))
            for box in self._detector(rgb, 1)
        ]
