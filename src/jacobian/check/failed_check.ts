import type {Trace} from '../../trace/trace';
import type {FitBatch} from '../../tfjs/fit_batch_hook';
import {ggnError} from '../../errors';
import type {Fault} from './fault';
import {RESIDUAL, type Plan} from '../plan/plan';
import {layerOf} from '../../trace/layer_of';

/**
 * The error of a failed self-check. It names the difference, its size, its kernel, and the remedies
 * of the user.
 *
 * @param problem the difference that the check found, in words; null if only a kernel by itself was
 * tested.
 */
export function failedCheck(problem: string | null, fault: Fault | null, trace: Trace, plan: Plan,
    fitBatch: FitBatch | null): Error {
  const start = `the self-check of the Jacobian failed:${problem === null ? '' : ` ${problem}.`}`;
  if (fault === null) {
    return ggnError(`${start} No single kernel was found to be wrong: either the model couples the examples of a ` +
        'batch in a way that was not noticed, or tfjs-ggn is wrong about how its parts join. Please report the ' +
        'model. No step was taken; another optimizer will train it.');
  }
  const size = Number.isFinite(fault.difference) ? `${fault.difference.toExponential(1)} of its norm` :
    'a difference that is not a number';
  const variable = fault.variable === null ? '' : `the variable '${plan.analysis.variables[fault.variable].name}'`;
  const input = fault.input === null ? '' : ` in its input '${fault.input}'`;
  const names = fault.nodes.map(({kernel}) => kernel === RESIDUAL ? 'the residuals' : `the kernel '${kernel}'`);
  const kernels = [...new Set(names)].join(', ');
  const [node] = fault.nodes;
  const where = layerOf(node, trace, fitBatch);
  switch (fault.kind) {
    case 'rule':
      return ggnError(`${start} The gradient that tfjs-ggn has of ${kernels}${input}${where} differs from that of ` +
          `tfjs by ${size}. No step was taken. If you have registered a gradient of your own for '${node.kernel}', ` +
          'mend it, or give the op a name of its own, by tf.customGrad say; otherwise please report the model. ' +
          'Another optimizer will train it.');
    case 'own':
      return ggnError(`${start} The gradient that tfjs-ggn has of ${kernels}${input}${where} differs from the ` +
          `kernel itself by ${size}; tfjs has none on this backend, or a wrong or slow one. No step was taken. ` +
          'Please report the model; on another backend (cpu, wasm, webgl, tfjs-node) it may train.');
    case 'nonlinear':
      return ggnError(`${start} The gradient function of a tf.customGrad op with output ` +
          `[${trace.values[node.outputs[0]].shape.join()}]${where} is not linear in dy (by ${size}), as clipping or ` +
          'normalising makes it: there is no Jacobian with it. No step was taken. Leave the clipping out, which ' +
          'damped steps do not need, or train with a first-order optimizer.');
    case 'couples':
      return ggnError(`${start} ${capitalized(kernels)}${where} mixes the examples of the batch: through it, one ` +
          `example has an influence on the outputs of another (by ${size}), and no rule says how. No step was taken. ` +
          'Let each example go its own way there, if the model allows it; otherwise please report the model, and ' +
          'train it with another optimizer.');
    case 'use': {
      const product = fault.product === 'rows' ? 'rows' : `product ${fault.product}`;
      const ofInput = input === '' ? '' : `, the input '${fault.input}'`;
      return ggnError(`${start} The ${product} of ${variable}${ofInput} of ${kernels}${where}, is wrong by ${size}. ` +
          'No step was taken. Please report the model; another optimizer will train it.');
    }
    case 'joined': {
      const isCross = fault.nodes.length > 1 && fault.product === 'G u';
      return ggnError(`${start} Each use of ${variable} in ${kernels}${where} is right, but the product ` +
          `${fault.product} of all of them together is wrong by ${size}` +
          `${isCross ? ': cross terms between the uses are missing' : ''}. No step was taken. Please report the ` +
          'model; another optimizer will train it.');
    }
  }
}

const capitalized = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
