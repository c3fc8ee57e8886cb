/** The page docs/nist.md: the table of all runs, and what they come to. */
import {digits, digitsOfAll, WITHIN} from './fit';
import type {Ending, Fit} from './fit';
import type {Dataset} from './data';
import {table} from '../shared/table';

/** A run of scipy's least_squares, as scipy.json holds it. */
export interface ScipyRun {
  parameters: number[];
  residual: number;
  evaluations: number;
  /** Above 0: it reports success. */
  status: number;
}

export interface NistRun {
  dataset: Dataset;
  /** 0 or 1. */
  start: number;
  fit: Fit;
  scipy: ScipyRun;
}

/** Whether the residual sum of squares is the certified one, to 0.1 %. */
export const isCertified = ({residual}: {residual: number}, {certified}: Dataset): boolean => residual <= (1 + WITHIN) * certified.residual;

/** How a run ended, checked against the certified residual, which the run itself does not know. */
export const verdict = ({fit, dataset}: Pick<NistRun, 'fit' | 'dataset'>): Ending | 'other minimum' =>
  fit.ending === 'converged' && !isCertified(fit, dataset) ? 'other minimum' : fit.ending;

/** What the targets of the page count: problems of NIST's lower difficulty, without the one that float32 can hardly hold. */
const countsAsLower = ({dataset: {name, difficulty}}: NistRun): boolean => difficulty === 'lower' && name !== 'Lanczos3';

const HEADER = ['problem', 'difficulty', 'start', 'parameters', 'residual', 'within 0.1 %', 'steps', 'ended', 'scipy: parameters', 'residual', 'within 0.1 %', 'evaluations'];

function resultTable(runs: readonly NistRun[]): string {
  return table(HEADER, runs.map(run => {
    const {dataset, start, fit, scipy} = run;
    const agreement = (found: {parameters: number[]; residual: number}): string[] =>
      [digitsOfAll(found.parameters, dataset.certified.parameters).toFixed(1), digits(found.residual, dataset.certified.residual).toFixed(1),
        isCertified(found, dataset) ? 'yes' : 'no'];
    return [dataset.name, dataset.difficulty, String(start + 1), ...agreement(fit), String(fit.steps), verdict(run), ...agreement(scipy), String(scipy.evaluations)];
  }));
}

/** @param levenberg runs that come to the certified residual with Levenberg's scaling. */
export function page(runs: readonly NistRun[], levenberg: number, versions: {scipy: string; backend: string}): string {
  const count = (isCounted: (run: NistRun) => boolean): number => runs.filter(isCounted).length;
  const lower = runs.filter(countsAsLower);
  const fourDigits = lower.filter(({fit, dataset}) => digitsOfAll(fit.parameters, dataset.certified.parameters) >= 4).length;
  const converged = runs.filter(({fit}) => fit.ending === 'converged');
  const slowly = converged.filter(({fit}) => fit.isByPatience).length;
  const steps = converged.map(({fit}) => fit.steps).sort((a, b) => a - b);
  return `# Curve fitting: the nonlinear regression problems of NIST

Made by \`npm run example:nist\` (tfjs ${versions.backend}); the code is in [examples/nist](examples/nist).

The [Statistical Reference Datasets](https://www.itl.nist.gov/div898/strd/nls/nls_main.shtml) of NIST are 27 curves.
Their parameters are certified to eleven digits. Each curve has two starting points, and the first of them is far away.
The curves are fitted in float32, as TensorFlow.js computes, with plain variables and no option set:

\`\`\`js
const [b1, b2] = [tf.variable(tf.scalar(500)), tf.variable(tf.scalar(0.0001))];       // Misra1a, first start
const optimizer = ggn();
do {
  optimizer.minimize(() => b1.mul(tf.sub(1, b2.mul(x).neg().exp())).sub(y).square().sum());
} while (optimizer.convergence().status === 'improving' && optimizer.iterations < 1000);
\`\`\`

scipy ${versions.scipy} stands beside it as an upper bound: \`least_squares(method='lm', x_scale='jac')\` in float64 with exact
derivatives and the tightest tolerances.

| of ${runs.length} runs | ggn, float32 | scipy, float64 |
|---|---:|---:|
| certified residual sum of squares, to 0.1 % | ${count(({fit, dataset}) => isCertified(fit, dataset))} | ${count(({scipy, dataset}) => isCertified(scipy, dataset))} |
| reported as converged | ${converged.length} | ${count(({scipy}) => scipy.status > 0)} |
| of those, with another residual than the certified one | ${count(run => verdict(run) === 'other minimum')} | ${count(({scipy, dataset}) => scipy.status > 0 && !isCertified(scipy, dataset))} |

At least 4 digits in every parameter: ${fourDigits} of the ${lower.length} runs on problems of lower difficulty (without Lanczos3). Steps of a run that converged: ${steps[Math.floor(steps.length / 2)]} in the median, ${steps.at(-1)} at most.

*Parameters* and *residual* are digits of agreement with the certified values: -log10 of the relative error, 0 to 11.
*Parameters* is that of the worst parameter. *Residual* is that of the residual sum of squares, taken in float64 at the
parameters found. A float32 parameter has seven digits at most.

${resultTable(runs)}

## How a run ends

A fit has **converged** if \`optimizer.convergence()\` says so. It says so in two cases:

1. An undamped step promises to lower the loss by no more than 1e-8 of it, whatever the damping, the length of the last
   step, and the units.
2. An undamped step promises no more than 1e-4, and 20 steps have not lowered the loss by more than float32 resolves.
   Then the rounding of the model itself is in the way.

Small steps, or a loss that hardly falls, are no convergence: in MGH09 and Bennett5 there are a hundred such steps on
the way. Of the ${converged.length} runs ${slowly} ended by the second rule. Every run that ended as converged was then compared with the
certified residual.

The numbers 1e-4 and 20 were chosen while looking at these very problems, though they use no certified value. No run
claims too much here, but that is no proof for other problems.

The other endings are these:

- **float32 limit**: the fit is as good as float32 can tell, but rounding the data alone changes the residual sum of
  squares by more than 0.1 %. Lanczos1 and Lanczos2 are data without noise, with residuals of 1e-13 and 1e-6 beside
  values of 2.5.
- **plateau**: the fit is stuck, because a parameter has run away and has no effect any more: exp(-b x) = 0 at every x.
  The gradient is zero, and the fit is not good. Start nearer, or with another parametrisation. scipy ends so in BoxBOD
  from its first start and reports success. A bound of the step keeps \`ggn()\` from it.
- **stalled**: the fit is stuck in another way. MGH10 goes along a long curved valley from its first start, and has to
  pass exp(88), the largest value that float32 holds. In MGH17 two exponentials become nearly one, and float32 does not
  tell the columns of their Jacobian apart.

Three things make the difference to a textbook Levenberg-Marquardt method in float32:

- \`ggn()\` takes Marquardt's scaling by itself for scalars and vectors. Measured: Levenberg's comes to ${levenberg} of ${runs.length}.
- JᵀJ is summed in float64.
- If a step promises less than the loss can resolve in float32, it is not rejected for the noise. The gradient is known
  better than the loss, so its word counts.
`;
}
