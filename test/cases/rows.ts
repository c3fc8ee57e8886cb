/** The rows of a case, and their weights in tfjs's loss. */
import * as tf from '@tensorflow/tfjs';
import type {Batch} from './case';

/**
 * Output minus target, [B, C]: one line per example, the components of all heads side by side, each head flattened. Row r of the Jacobian
 * is component r % C of example floor(r / C).
 *
 * A pure function of the trainable weights: moving averages and states of stateful RNNs, which a forward pass in training moves, are put
 * back.
 */
export function residualRows(model: tf.LayersModel, batch: Batch): tf.Tensor {
  return tf.tidy(() => withoutSideEffects(model, () => {
    const outputs = listOf(model.apply(batch.x, {training: true}) as tf.Tensor | tf.Tensor[]);
    const heads = outputs.map((output, h) => tf.sub(output, listOf(batch.y)[h]).reshape([output.shape[0], -1]));
    return tf.concat(heads, 1);
  }));
}

/**
 * Weight w of each row in tfjs's loss, which is Σ w r² plus the regularizers. A head is averaged over the batch and over its own K
 * components; the heads are added up. (tfjs adds the losses of heads before it takes the mean over examples and further axes, so heads must
 * agree in those.)
 */
export function rowWeights(model: tf.LayersModel, batch: Batch): Float64Array {
  const targets = listOf(batch.y);
  if (targets.length !== model.outputs.length) {
    throw new Error(`The model has ${model.outputs.length} heads, the batch ${targets.length} targets.`);
  }
  const batchSize = targets[0].shape[0];
  const ofExample = targets.flatMap(target => new Array<number>(target.size / batchSize).fill(1 / target.size));
  return Float64Array.from({length: batchSize * ofExample.length}, (_, r) => ofExample[r % ofExample.length]);
}

/** Disposes the tensors of a batch. */
export function disposeBatch(batch: Batch): void {
  tf.dispose([...listOf(batch.x), ...listOf(batch.y)]);
}

export function listOf(tensors: tf.Tensor | tf.Tensor[]): tf.Tensor[] {
  return Array.isArray(tensors) ? tensors : [tensors];
}

/** The tensors that tfjs keeps in a recurrent layer. */
interface StatefulLayer {
  cell?: {dropoutMask?: tf.Tensor[] | null; recurrentDropoutMask?: tf.Tensor[] | null};
  stateful: boolean;
  states_: tf.Tensor[] | null;
  resetStates(): void;
}

function withoutSideEffects<T>(model: tf.LayersModel, run: () => T): T {
  const frozen = model.nonTrainableWeights.map(weight => ({weight, value: weight.read().dataSync().slice()}));
  const recurrent = (model.layers as unknown as StatefulLayer[])
    .filter(layer => layer.stateful && typeof layer.resetStates === 'function')
    .map(layer => ({layer, states: layer.states_?.map(state => ({value: state.dataSync().slice(), shape: state.shape}))}));
  try {
    return run();
  } finally {
    for (const {cell} of model.layers as unknown as StatefulLayer[]) {
      for (const mask of ['dropoutMask', 'recurrentDropoutMask'] as const) {
        if (cell?.[mask] != null) {
          tf.dispose(cell[mask]);
          cell[mask] = null;
        }
      }
    }
    for (const {weight, value} of frozen) {
      weight.write(tf.tensor(value, weight.shape as number[]));
    }
    for (const {layer, states} of recurrent) {
      layer.resetStates();
      if (states !== undefined) {
        layer.states_?.forEach(state => state.dispose());
        layer.states_ = states.map(({value, shape}) => tf.keep(tf.tensor(value, shape)));
      }
    }
  }
}
