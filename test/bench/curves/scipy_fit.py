"""The fits of models.ts by scipy, in float64: `python3 test/bench/curves/scipy_fit.py DATA` writes scipy.json, DATA by `main.ts --data`.

The minimum is that from the truth; a start counts that comes to it within 0.1 % of the sum of squares, by `least_squares(method='lm')` or by `curve_fit`,
whichever does more often. Both with their defaults. Needs numpy and scipy.
"""
import json
import sys
import warnings
from pathlib import Path

import numpy as np
import scipy
from numpy import exp, sin
from scipy.optimize import curve_fit, least_squares

WITHIN = 1e-3


def birch_murnaghan(energy, volume, modulus, slope, x):
    u = (volume / x) ** (2 / 3)
    return energy + 9 * volume * modulus / 16 * ((u - 1) ** 3 * slope + (u - 1) ** 2 * (6 - 4 * u))


MODELS = {
    'saturation': lambda a, b, c, x: a - b * exp(-c * x),
    'logistic': lambda height, rate, middle, x: height / (1 + exp(-rate * (x - middle))),
    '4PL': lambda a, b, c, d, x: d + (a - d) / (1 + (x / c) ** b),
    '5PL': lambda a, b, c, d, g, x: d + (a - d) / (1 + (x / c) ** b) ** g,
    'Gaussian': lambda height, middle, width, x: height * exp(-0.5 * ((x - middle) / width) ** 2),
    'Lorentzian': lambda height, middle, width, x: height * width ** 2 / ((x - middle) ** 2 + width ** 2),
    'double exponential': lambda a, b, c, d, x: a * exp(-b * x) + c * exp(-d * x),
    'damped sine': lambda height, decay, rate, phase, x: height * exp(-decay * x) * sin(rate * x + phase),
    'power law': lambda a, b, x: a * x ** b,
    'Michaelis-Menten': lambda most, half, x: most * x / (half + x),
    'Birch-Murnaghan': birch_murnaghan,
}


def counts(name, truth, x, y, starts):
    """The minimum, and from how many starts each of the two functions comes to it."""
    model = MODELS[name]
    residuals = lambda p: model(*p, x) - y
    minimum = 2 * least_squares(residuals, truth, method='lm', xtol=1e-14, ftol=1e-14, gtol=1e-14).cost

    def is_right(find, start):
        try:
            squares = np.sum(residuals(find(start)) ** 2)
        except (RuntimeError, ValueError):  # no convergence, a residual that is not finite
            return False
        return bool(squares <= (1 + WITHIN) * minimum)

    ways = [lambda start: least_squares(residuals, start, method='lm').x, lambda start: curve_fit(lambda x, *p: model(*p, x), x, y, p0=start)[0]]
    return minimum, [sum(is_right(find, start) for start in starts) for find in ways]


if __name__ == '__main__':
    warnings.simplefilter('ignore')
    np.seterr(all='ignore')
    fits = {}
    for data in json.loads(Path(sys.argv[1]).read_text()):
        minimum, found = counts(data['name'], data['truth'], np.array(data['x']), np.array(data['y']), data['starts'])
        fits.setdefault(data['name'], []).append({'minimum': minimum, 'found': max(found)})
        print(data['name'], minimum, found)
    lines = ',\n'.join(f'  {json.dumps(name)}: {json.dumps(runs)}' for name, runs in fits.items())
    (Path(__file__).parent / 'scipy.json').write_text(f'{{"scipy": "{scipy.__version__}", "fits": {{\n{lines}\n}}}}\n')
