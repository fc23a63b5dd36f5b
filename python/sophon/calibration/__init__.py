"""From cosines to false match rates, for thresholds that promise something."""

from sophon.calibration.calibration import (
    DEFAULT_FMR,
    Calibration,
    calibrate,
    calibration_path,
    load_calibration,
)

__all__ = ["DEFAULT_FMR", "Calibration", "calibrate", "calibration_path", "load_calibration"]
