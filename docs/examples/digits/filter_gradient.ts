/** The kernel that tfjs lacks on WebAssembly to train a convolution, so that Adam has a part in the comparison. ggn does not need it. */
import * as tf from '@tensorflow/tfjs';

const KERNEL = {kernelName: 'Conv2DBackpropFilter', backendName: 'wasm'};

interface Attributes {
  strides: [number, number];
  pad: 'same' | 'valid' | number;
  filterShape: [number, number, number, number];
}

/**
 * Runs f with the gradient of a convolution in its filter available on WebAssembly, and without it again afterwards.
 *
 * The gradient is patchesᵀ · dy, the patches cut out by a depthwise convolution with a one-hot filter and the transpose taken explicitly: of what
 * can be written with tfjs's own kernels on that backend, the fastest that we know of.
 */
export async function withFilterGradient<T>(f: () => Promise<T>): Promise<T> {
  const kernelFunc = ({inputs, attrs}: {inputs: tf.NamedTensorMap; attrs?: object}): tf.TensorInfo =>
    filterGradient(inputs.x as tf.Tensor4D, inputs.dy as tf.Tensor4D, attrs as Attributes);
  tf.registerKernel({...KERNEL, kernelFunc: kernelFunc as unknown as tf.KernelFunc});
  try {
    return await f();
  } finally {
    tf.unregisterKernel(KERNEL.kernelName, KERNEL.backendName);
  }
}

function filterGradient(x: tf.Tensor4D, dy: tf.Tensor4D, {strides, pad, filterShape}: Attributes): tf.Tensor4D {
  const [height, width, inputs, outputs] = filterShape;
  return tf.tidy(() => {
    const taps = height * width;
    // Filter [height, width, input, tap]: channel (input, tap) of the result is the input moved by that tap.
    const oneHot = tf.reshape(tf.eye(taps), [height, width, 1, taps]).tile([1, 1, inputs, 1]) as tf.Tensor4D;
    const patches = tf.depthwiseConv2d(x, oneHot, strides, pad).reshape([-1, inputs * taps]);
    const gradient = tf.matMul(tf.transpose(patches), tf.reshape(dy, [-1, outputs]));
    return tf.transpose(tf.reshape(gradient, [inputs, height, width, outputs]), [1, 2, 0, 3]);
  });
}
