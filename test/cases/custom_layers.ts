/** Layers as a user of tfjs writes them: weights made in build(), used freely in call(). */
import * as tf from '@tensorflow/tfjs';

type Inputs = tf.Tensor | tf.Tensor[];

function single(inputs: Inputs): tf.Tensor {
  return Array.isArray(inputs) ? inputs[0] : inputs;
}

export abstract class CustomLayer extends tf.layers.Layer {
  private own: tf.LayerVariable[] = [];

  override build(inputShape: tf.Shape | tf.Shape[]): void {
    this.own = this.weightShapes(inputShape as tf.Shape).map((shape, i) => this.addWeight(`w${i}`, shape, 'float32', tf.initializers.zeros()));
    this.built = true;
  }

  override call(inputs: Inputs): tf.Tensor {
    return tf.tidy(() => this.compute(single(inputs), ...this.own.map(weight => weight.read())));
  }

  override computeOutputShape(inputShape: tf.Shape | tf.Shape[]): tf.Shape {
    return this.outputShapeFor(inputShape as tf.Shape);
  }

  protected abstract weightShapes(inputShape: tf.Shape): number[][];

  protected outputShapeFor(inputShape: tf.Shape): tf.Shape {
    return inputShape;
  }

  protected abstract compute(x: tf.Tensor, ...weights: tf.Tensor[]): tf.Tensor;
}

/** y = (x W) Wᵀ: one variable in two products, once through a transpose. */
export class TiedAutoencoder extends CustomLayer {
  static className = 'TestTiedAutoencoder';

  protected weightShapes(): number[][] {
    return [[5, 3]];
  }

  protected compute(x: tf.Tensor, w: tf.Tensor): tf.Tensor {
    return tf.matMul(tf.tanh(tf.matMul(x, w)), tf.transpose(w));
  }
}

/** y = (x W) Wᵀ by the transposeB flag. */
export class TiedByFlag extends CustomLayer {
  static className = 'TestTiedByFlag';

  protected weightShapes(): number[][] {
    return [[5, 3]];
  }

  protected compute(x: tf.Tensor, w: tf.Tensor): tf.Tensor {
    return tf.matMul(tf.tanh(tf.matMul(x, w)), w, false, true);
  }
}

/** y = x s + b, element by element, over the last axis. */
export class Scale extends CustomLayer {
  static className = 'TestScale';

  protected weightShapes(inputShape: tf.Shape): number[][] {
    const size = inputShape[inputShape.length - 1]!;
    return [[size], [size]];
  }

  protected compute(x: tf.Tensor, scale: tf.Tensor, shift: tf.Tensor): tf.Tensor {
    return tf.add(tf.mul(x, scale), shift);
  }
}

/** On x [B, 3, 2]: a scale [3, 1] that broadcasts over a later axis, as the left operand, a scalar one, and a shift [3, 2]. */
export class BroadcastScale extends CustomLayer {
  static className = 'TestBroadcastScale';

  protected weightShapes(): number[][] {
    return [[3, 1], [], [3, 2]];
  }

  protected compute(x: tf.Tensor, perStep: tf.Tensor, scalar: tf.Tensor, shift: tf.Tensor): tf.Tensor {
    return tf.add(shift, tf.mul(scalar, tf.mul(perStep, tf.tanh(x))));
  }
}

/** y = (x - a) / (2 + b): variables that Sub and RealDiv consume. */
export class Standardize extends CustomLayer {
  static className = 'TestStandardize';

  protected weightShapes(): number[][] {
    return [[4], [4]];
  }

  protected compute(x: tf.Tensor, center: tf.Tensor, spread: tf.Tensor): tf.Tensor {
    return tf.div(tf.sub(x, center), tf.add(2, spread));
  }
}

/** Weight normalisation: y = x (g V / |V|) + b, |V| per column. */
export class WeightNormDense extends CustomLayer {
  static className = 'TestWeightNormDense';

  protected weightShapes(): number[][] {
    return [[4, 3], [3], [3]];
  }

  protected compute(x: tf.Tensor, v: tf.Tensor, g: tf.Tensor, bias: tf.Tensor): tf.Tensor {
    const norm = tf.sqrt(tf.sum(tf.square(v), 0, true));
    return tf.add(tf.matMul(x, tf.div(tf.mul(v, g), norm)), bias);
  }

  protected override outputShapeFor([batch]: tf.Shape): tf.Shape {
    return [batch, 3];
  }
}

/** Rows 3, 0, 3 and 1 of the weight make the matrix: entries used twice, by indices that are data to the trace. */
export class GatheredWeight extends CustomLayer {
  static className = 'TestGatheredWeight';

  protected weightShapes(): number[][] {
    return [[4, 3]];
  }

  protected compute(x: tf.Tensor, w: tf.Tensor): tf.Tensor {
    return tf.matMul(x, tf.gather(w, tf.tensor1d([3, 0, 3, 1], 'int32')));
  }

  protected override outputShapeFor([batch]: tf.Shape): tf.Shape {
    return [batch, 3];
  }
}

/** y = (W xᵀ)ᵀ: the weight as the left operand. */
export class LeftOperand extends CustomLayer {
  static className = 'TestLeftOperand';

  protected weightShapes(): number[][] {
    return [[3, 4]];
  }

  protected compute(x: tf.Tensor, w: tf.Tensor): tf.Tensor {
    return tf.transpose(tf.matMul(w, tf.transpose(x)));
  }

  protected override outputShapeFor([batch]: tf.Shape): tf.Shape {
    return [batch, 3];
  }
}

/** The same by flags, y = (Wᵀ xᵀ)ᵀ: both operands transposed. */
export class LeftOperandByFlags extends CustomLayer {
  static className = 'TestLeftOperandByFlags';

  protected weightShapes(): number[][] {
    return [[4, 3]];
  }

  protected compute(x: tf.Tensor, w: tf.Tensor): tf.Tensor {
    return tf.transpose(tf.matMul(w, x, true, true));
  }

  protected override outputShapeFor([batch]: tf.Shape): tf.Shape {
    return [batch, 3];
  }
}

/**
 * x [B, 3, 4] times W, given to matMul once per example (tiled to [B, 4, 2], since matMul that broadcasts, like einsum, has no gradient in
 * tfjs).
 */
export class BatchedMatMul extends CustomLayer {
  static className = 'TestBatchedMatMul';

  protected weightShapes(): number[][] {
    return [[4, 2]];
  }

  protected compute(x: tf.Tensor, w: tf.Tensor): tf.Tensor {
    return tf.matMul(x, tf.tile(tf.expandDims(w, 0), [x.shape[0], 1, 1]));
  }

  protected override outputShapeFor([batch, time]: tf.Shape): tf.Shape {
    return [batch, time, 2];
  }
}

/** Two halves of one variable, by slices, in two products: y = tanh(x W[:4]) W[4:]. */
export class SlicedWeight extends CustomLayer {
  static className = 'TestSlicedWeight';

  protected weightShapes(): number[][] {
    return [[7, 3]];
  }

  protected compute(x: tf.Tensor, w: tf.Tensor): tf.Tensor {
    return tf.matMul(tf.tanh(tf.matMul(x, tf.slice(w, [0, 0], [4, 3]))), tf.slice(w, [4, 0], [3, 3]));
  }

  protected override outputShapeFor([batch]: tf.Shape): tf.Shape {
    return [batch, 3];
  }
}

[TiedAutoencoder, TiedByFlag, Scale, BroadcastScale, Standardize, WeightNormDense, GatheredWeight, LeftOperand, LeftOperandByFlags, BatchedMatMul, SlicedWeight]
  .forEach(layer => tf.serialization.registerClass(layer));
