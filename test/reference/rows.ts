/** The rows of a case as a function that tfjs can differentiate on its cpu backend. */
import type * as tf from '@tensorflow/tfjs';
import {residualRows} from '../cases/rows';
import type {Batch} from '../cases/case';
import {writtenOut} from './written_out_layers';
import type {WrittenOut} from './written_out_layers';

/** residualRows, with the layers written out that tfjs cannot differentiate. */
export function referenceRows(model: tf.LayersModel, batch: Batch, options: WrittenOut = {}): tf.Tensor {
  return writtenOut(model, options, () => residualRows(model, batch));
}
