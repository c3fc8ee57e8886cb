"""The 27 problems by scipy's least_squares in float64, as an upper bound: `python3 docs/examples/nist/scipy_fit.py` writes scipy.json.

Levenberg-Marquardt of MINPACK (method 'lm') with Marquardt's scaling (x_scale 'jac'), derivatives by the complex step, and the tightest tolerances.
Needs numpy and scipy; nothing else of the example does.
"""
import json
import re
from pathlib import Path

import numpy as np
import scipy
from numpy import arctan, cos, exp, log, pi, sin
from scipy.optimize import least_squares

HERE = Path(__file__).parent
MAX_STEPS = 5000


def lanczos(b, x):
    return b[0] * exp(-b[1] * x) + b[2] * exp(-b[3] * x) + b[4] * exp(-b[5] * x)


def gauss(b, x):
    return b[0] * exp(-b[1] * x) + b[2] * exp(-((x - b[3]) / b[4]) ** 2) + b[5] * exp(-((x - b[6]) / b[7]) ** 2)


def chwirut(b, x):
    return exp(-b[0] * x) / (b[1] + b[2] * x)


def saturation(b, x):
    return b[0] * (1 - exp(-b[1] * x))


def cubics(b, x):
    return (b[0] + b[1] * x + b[2] * x**2 + b[3] * x**3) / (1 + b[4] * x + b[5] * x**2 + b[6] * x**3)


def enso(b, x):
    def cycle(period, of_cosine, of_sine):
        return of_cosine * cos(2 * pi * x / period) + of_sine * sin(2 * pi * x / period)
    return b[0] + cycle(12, b[1], b[2]) + cycle(b[3], b[4], b[5]) + cycle(b[6], b[7], b[8])


MODELS = {
    'Misra1a': saturation,
    'Chwirut2': chwirut,
    'Chwirut1': chwirut,
    'Lanczos3': lanczos,
    'Gauss1': gauss,
    'Gauss2': gauss,
    'DanWood': lambda b, x: b[0] * x ** b[1],
    'Misra1b': lambda b, x: b[0] * (1 - (1 + b[1] * x / 2) ** -2),
    'Kirby2': lambda b, x: (b[0] + b[1] * x + b[2] * x**2) / (1 + b[3] * x + b[4] * x**2),
    'Hahn1': cubics,
    'Nelson': lambda b, x1, x2: b[0] - b[1] * x1 * exp(-b[2] * x2),
    'MGH17': lambda b, x: b[0] + b[1] * exp(-x * b[3]) + b[2] * exp(-x * b[4]),
    'Lanczos1': lanczos,
    'Lanczos2': lanczos,
    'Gauss3': gauss,
    'Misra1c': lambda b, x: b[0] * (1 - (1 + 2 * b[1] * x) ** -0.5),
    'Misra1d': lambda b, x: b[0] * b[1] * x / (1 + b[1] * x),
    'Roszman1': lambda b, x: b[0] - b[1] * x - arctan(b[2] / (x - b[3])) / pi,
    'ENSO': enso,
    'MGH09': lambda b, x: b[0] * (x**2 + x * b[1]) / (x**2 + x * b[2] + b[3]),
    'Thurber': cubics,
    'BoxBOD': saturation,
    'Rat42': lambda b, x: b[0] / (1 + exp(b[1] - b[2] * x)),
    'MGH10': lambda b, x: b[0] * exp(b[1] / (x + b[2])),
    'Eckerle4': lambda b, x: b[0] / b[1] * exp(-0.5 * ((x - b[2]) / b[1]) ** 2),
    'Rat43': lambda b, x: b[0] / (1 + exp(b[1] - b[2] * x)) ** (1 / b[3]),
    'Bennett5': lambda b, x: b[0] * (b[1] + x) ** (-1 / b[2]),
}


def read(name):
    """Starts and certified values (4 x m), y, and the list of predictors."""
    lines = (HERE / 'data' / f'{name}.dat').read_text('latin1').splitlines()
    parameters = np.array([line.split('=')[1].split() for line in lines if re.match(r'\s*b\d+\s*=', line)], float).T
    first = max(i for i, line in enumerate(lines) if line.startswith('Data:')) + 1
    data = np.array([line.split() for line in lines[first:] if line.strip()], float).T
    return parameters, log(data[0]) if name == 'Nelson' else data[0], data[1:]


def jacobian(residuals, b):
    """Columns dr/db_j by the complex step: exact to rounding."""
    columns = []
    for j in range(len(b)):
        step = 1e-20 * (abs(b[j]) or 1)
        moved = b.astype(complex)
        moved[j] += 1j * step
        columns.append(residuals(moved).imag / step)
    return np.array(columns).T


def fit(name, start):
    parameters, y, x = read(name)
    residuals = lambda b: MODELS[name](b, *x) - y
    with np.errstate(all='ignore'):
        try:
            result = least_squares(residuals, parameters[start], jac=lambda b: jacobian(residuals, b), method='lm', x_scale='jac',
                                   ftol=1e-15, xtol=1e-15, gtol=1e-15, max_nfev=MAX_STEPS)
        except ValueError as error:
            return {'failed': str(error)}
    return {'parameters': result.x.tolist(), 'residual': float(np.sum(result.fun**2)), 'evaluations': int(result.nfev), 'status': int(result.status)}


if __name__ == '__main__':
    runs = {name: [fit(name, start) for start in (0, 1)] for name in MODELS}
    (HERE / 'scipy.json').write_text(json.dumps({'scipy': scipy.__version__, 'runs': runs}, indent=1) + '\n')
    for name, pair in runs.items():
        certified = read(name)[0][2]
        for start, run in enumerate(pair):
            error = max(abs(np.array(run['parameters']) - certified) / abs(certified)) if 'parameters' in run else np.inf
            print(name, start + 1, f'{error:.1e}', run)
