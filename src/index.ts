/**
 * Gram-Gauss-Newton for TensorFlow.js: a second-order optimizer for `model.fit`, `trainOnBatch` and custom loops.
 *
 * Importing this package registers the optimizer with the copy of TensorFlow.js that it imports, of which tfjs-core is enough for custom loops; see {@link register} for others.
 *
 * @packageDocumentation
 */
import {registerOwnCopy} from './register';

export type {Convergence} from './convergence';
export {stepMetrics} from './callback';
export {grad} from './grad';
export {ggn, GramGaussNewton} from './gram_gauss_newton';
export type {Curvature} from './losses/output_loss';
export {leastSquares} from './least_squares';
export type {LeastSquaresOptions} from './least_squares';
export type {GgnOptions, PolicyFunction} from './options';
export type {LevenbergMarquardtOptions} from './policy/levenberg_marquardt';
export type {Settings} from './policy/policy';
export type {PolicyName} from './policy/step_policy';
export {logEpochs} from './log_epochs';
export {register} from './register';
export type {TfjsCopy} from './register';
export type {SolveStatus} from './solve/damped_step';
export type {NamedTensor} from './saved_tensors';
export type {Scaling} from './solve/scaling';
export type {SystemName} from './solve/system';
export type {StepReport} from './step_report';
export {stopWhen} from './stop_when';
export type {StopCriteria, StopWhen} from './stop_when';
export type {TrainingCallback} from './training_callback';

registerOwnCopy();

