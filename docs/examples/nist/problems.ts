/** The 27 models, as their files write them: in tfjs, and once more in float64 to check a fit with. */
import * as tf from '@tensorflow/tfjs';

export interface Problem {
  name: string;
  /** ŷ [n] from the parameters, scalars, and the predictors, [n] each. */
  model: (b: tf.Tensor[], x: tf.Tensor[]) => tf.Tensor;
  /** The same of one observation, in float64. */
  exact: (b: number[], x: number[]) => number;
  /** What is fitted, where it is not y itself. */
  target?: (y: number) => number;
}

const {exp, log, cos, sin, atan, PI} = Math;

/** Horner's rule for c0 + c1 x + c2 x² + ... */
const polynomial = (c: tf.Tensor[], x: tf.Tensor): tf.Tensor => c.reduceRight((sum, coefficient) => sum.mul(x).add(coefficient));
const polynomialOf = (c: number[], x: number): number => c.reduceRight((sum, coefficient) => sum * x + coefficient);

/** b1 exp(-b2 x) + b3 exp(-b4 x) + b5 exp(-b6 x). */
const lanczos: Omit<Problem, 'name'> = {
  model: ([b1, b2, b3, b4, b5, b6], [x]) => {
    const decay = (amplitude: tf.Tensor, rate: tf.Tensor): tf.Tensor => amplitude.mul(rate.mul(x).neg().exp());
    return decay(b1, b2).add(decay(b3, b4)).add(decay(b5, b6));
  },
  exact: ([b1, b2, b3, b4, b5, b6], [x]) => b1 * exp(-b2 * x) + b3 * exp(-b4 * x) + b5 * exp(-b6 * x),
};

/** A decay and two bells: b1 exp(-b2 x) + b3 exp(-((x - b4)/b5)²) + b6 exp(-((x - b7)/b8)²). */
const gauss: Omit<Problem, 'name'> = {
  model: ([b1, b2, b3, b4, b5, b6, b7, b8], [x]) => {
    const bell = (height: tf.Tensor, centre: tf.Tensor, width: tf.Tensor): tf.Tensor => height.mul(x.sub(centre).div(width).square().neg().exp());
    return b1.mul(b2.mul(x).neg().exp()).add(bell(b3, b4, b5)).add(bell(b6, b7, b8));
  },
  exact: ([b1, b2, b3, b4, b5, b6, b7, b8], [x]) => b1 * exp(-b2 * x) + b3 * exp(-(((x - b4) / b5) ** 2)) + b6 * exp(-(((x - b7) / b8) ** 2)),
};

/** exp(-b1 x) / (b2 + b3 x). */
const chwirut: Omit<Problem, 'name'> = {
  model: ([b1, b2, b3], [x]) => b1.mul(x).neg().exp().div(b2.add(b3.mul(x))),
  exact: ([b1, b2, b3], [x]) => exp(-b1 * x) / (b2 + b3 * x),
};

/** b1 (1 - exp(-b2 x)). */
const saturation: Omit<Problem, 'name'> = {
  model: ([b1, b2], [x]) => b1.mul(tf.sub(1, b2.mul(x).neg().exp())),
  exact: ([b1, b2], [x]) => b1 * (1 - exp(-b2 * x)),
};

/** (b1 + b2 x + b3 x² + b4 x³) / (1 + b5 x + b6 x² + b7 x³). */
const cubics: Omit<Problem, 'name'> = {
  model: ([b1, b2, b3, b4, b5, b6, b7], [x]) => polynomial([b1, b2, b3, b4], x).div(polynomial([tf.scalar(1), b5, b6, b7], x)),
  exact: ([b1, b2, b3, b4, b5, b6, b7], [x]) => polynomialOf([b1, b2, b3, b4], x) / polynomialOf([1, b5, b6, b7], x),
};

/** From NIST's lower to its higher level of difficulty. */
export const PROBLEMS: readonly Problem[] = [
  {name: 'Misra1a', ...saturation},
  {name: 'Chwirut2', ...chwirut},
  {name: 'Chwirut1', ...chwirut},
  {name: 'Lanczos3', ...lanczos},
  {name: 'Gauss1', ...gauss},
  {name: 'Gauss2', ...gauss},
  {name: 'DanWood', model: ([b1, b2], [x]) => b1.mul(x.pow(b2)), exact: ([b1, b2], [x]) => b1 * x ** b2},
  {
    name: 'Misra1b',
    model: ([b1, b2], [x]) => b1.mul(tf.sub(1, b2.mul(x).div(2).add(1).pow(-2))),
    exact: ([b1, b2], [x]) => b1 * (1 - (1 + b2 * x / 2) ** -2),
  },
  {
    name: 'Kirby2',
    model: ([b1, b2, b3, b4, b5], [x]) => polynomial([b1, b2, b3], x).div(polynomial([tf.scalar(1), b4, b5], x)),
    exact: ([b1, b2, b3, b4, b5], [x]) => polynomialOf([b1, b2, b3], x) / polynomialOf([1, b4, b5], x),
  },
  {name: 'Hahn1', ...cubics},
  {
    name: 'Nelson',
    target: log,
    model: ([b1, b2, b3], [x1, x2]) => b1.sub(b2.mul(x1).mul(b3.mul(x2).neg().exp())),
    exact: ([b1, b2, b3], [x1, x2]) => b1 - b2 * x1 * exp(-b3 * x2),
  },
  {
    name: 'MGH17',
    model: ([b1, b2, b3, b4, b5], [x]) => b1.add(b2.mul(x.mul(b4).neg().exp())).add(b3.mul(x.mul(b5).neg().exp())),
    exact: ([b1, b2, b3, b4, b5], [x]) => b1 + b2 * exp(-x * b4) + b3 * exp(-x * b5),
  },
  {name: 'Lanczos1', ...lanczos},
  {name: 'Lanczos2', ...lanczos},
  {name: 'Gauss3', ...gauss},
  {
    name: 'Misra1c',
    model: ([b1, b2], [x]) => b1.mul(tf.sub(1, b2.mul(x).mul(2).add(1).pow(-0.5))),
    exact: ([b1, b2], [x]) => b1 * (1 - (1 + 2 * b2 * x) ** -0.5),
  },
  {
    name: 'Misra1d',
    model: ([b1, b2], [x]) => b1.mul(b2).mul(x).div(b2.mul(x).add(1)),
    exact: ([b1, b2], [x]) => b1 * b2 * x / (1 + b2 * x),
  },
  {
    name: 'Roszman1',
    model: ([b1, b2, b3, b4], [x]) => b1.sub(b2.mul(x)).sub(tf.atan(b3.div(x.sub(b4))).div(PI)),
    exact: ([b1, b2, b3, b4], [x]) => b1 - b2 * x - atan(b3 / (x - b4)) / PI,
  },
  {
    name: 'ENSO',
    model: ([b1, b2, b3, b4, b5, b6, b7, b8, b9], [x]) => {
      const cycle = (period: tf.Tensor, ofCosine: tf.Tensor, ofSine: tf.Tensor): tf.Tensor => {
        const phase = x.mul(2 * PI).div(period);
        return ofCosine.mul(phase.cos()).add(ofSine.mul(phase.sin()));
      };
      return b1.add(cycle(tf.scalar(12), b2, b3)).add(cycle(b4, b5, b6)).add(cycle(b7, b8, b9));
    },
    exact: ([b1, b2, b3, b4, b5, b6, b7, b8, b9], [x]) => {
      const cycle = (period: number, ofCosine: number, ofSine: number): number =>
        ofCosine * cos(2 * PI * x / period) + ofSine * sin(2 * PI * x / period);
      return b1 + cycle(12, b2, b3) + cycle(b4, b5, b6) + cycle(b7, b8, b9);
    },
  },
  {
    name: 'MGH09',
    model: ([b1, b2, b3, b4], [x]) => b1.mul(x.mul(x.add(b2))).div(x.mul(x.add(b3)).add(b4)),
    exact: ([b1, b2, b3, b4], [x]) => b1 * (x ** 2 + x * b2) / (x ** 2 + x * b3 + b4),
  },
  {name: 'Thurber', ...cubics},
  {name: 'BoxBOD', ...saturation},
  {
    name: 'Rat42',
    model: ([b1, b2, b3], [x]) => b1.div(b2.sub(b3.mul(x)).exp().add(1)),
    exact: ([b1, b2, b3], [x]) => b1 / (1 + exp(b2 - b3 * x)),
  },
  {
    name: 'MGH10',
    model: ([b1, b2, b3], [x]) => b1.mul(b2.div(x.add(b3)).exp()),
    exact: ([b1, b2, b3], [x]) => b1 * exp(b2 / (x + b3)),
  },
  {
    name: 'Eckerle4',
    model: ([b1, b2, b3], [x]) => b1.div(b2).mul(x.sub(b3).div(b2).square().mul(-0.5).exp()),
    exact: ([b1, b2, b3], [x]) => b1 / b2 * exp(-0.5 * ((x - b3) / b2) ** 2),
  },
  {
    name: 'Rat43',
    model: ([b1, b2, b3, b4], [x]) => b1.div(b2.sub(b3.mul(x)).exp().add(1).pow(tf.div(1, b4))),
    exact: ([b1, b2, b3, b4], [x]) => b1 / (1 + exp(b2 - b3 * x)) ** (1 / b4),
  },
  {
    name: 'Bennett5',
    model: ([b1, b2, b3], [x]) => b1.mul(b2.add(x).pow(tf.div(-1, b3))),
    exact: ([b1, b2, b3], [x]) => b1 * (b2 + x) ** (-1 / b3),
  },
];
