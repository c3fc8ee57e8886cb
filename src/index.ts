/**
 * Gram-Gauss-Newton for TensorFlow.js: a second-order optimizer for `model.fit`, `trainOnBatch` and
 * custom loops.
 *
 * The import of this package registers the optimizer with the copy of TensorFlow.js that the
 * package imports. Custom loops need only the tfjs-core of that copy. See {@link register} for
 * other copies.
 *
 * @packageDocumentation
 */
import {registerOwnCopy} from './api/register';

export type {Convergence} from './api/convergence';
export {stepMetrics} from './api/step_metrics';
export {grad} from './api/grad';
export {ggn} from './api/ggn';
export {GramGaussNewton} from './api/gram_gauss_newton';
export type {Curvature} from './loss/functions/loss_derivatives';
export {leastSquares} from './api/least_squares';
export type {LeastSquaresOptions} from './api/least_squares';
export type {GgnOptions, PolicyFunction, Regularization} from './api/options';
export type {LevenbergMarquardtOptions} from './policy/levenberg_marquardt';
export type {Settings} from './policy/policy';
export type {Evidence} from './policy/evidence';
export type {PolicyName} from './policy/policies';
export {logEpochs} from './api/log_epochs';
export {register} from './api/register';
export type {TfjsCopy} from './api/register';
export type {SolveStatus} from './solve/damped_step';
export type {NamedTensor} from './tfjs/save_hook';
export type {Scaling} from './solve/scaling';
export type {SystemName} from './solve/system';
export type {StepReport} from './step/step_report';
export {stopWhen} from './api/stop_when';
export type {StopCriteria, StopWhen} from './api/stop_when';
export type {TrainingCallback} from './api/training_callback';

registerOwnCopy();

