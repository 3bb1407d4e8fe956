"""Where the beats are, once the tempo is known to about a percent: a straight line through them, or one by one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.ndimage import gaussian_filter1d, median_filter
from scipy.signal import savgol_filter

from bridge.progress import Progress
from bridge.tempo.pulse import MULTIPLES, autocorrelations, WINDOW_S, WINDOW_STEP_S, regularity_of

Array = NDArray[np.float64]
