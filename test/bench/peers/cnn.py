"""tf-levenberg-marquardt on its classification, on Fashion-MNIST: python cnn.py SEED BATCH STEPS LOSS, LOSS crossEntropy or meanSquaredError, prints one
line of JSON. Network, loss, solver and learning rate of its examples/mnist_classification.py; batches as ours: in the order of the file."""
import gzip
import json
import os
import resource
import sys
import time

os.environ['TF_CPP_MIN_LOG_LEVEL'] = '2'
import keras
import numpy as np
import tensorflow as tf
import tf_levenberg_marquardt as lm

seed, batch, steps, loss = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
keras.utils.set_random_seed(seed)


def read(part):
    def idx(name, header):
        with gzip.open('/usr/share/datasets/fashion-mnist/%s-%s.gz' % (part, name)) as file:
            return np.frombuffer(file.read(), np.uint8)[header:]
    labels = idx('labels-idx1-ubyte', 8)
    return idx('images-idx3-ubyte', 16).reshape(-1, 28, 28, 1).astype(np.float32) / 255, labels.astype(np.float32)


def convolution(filters, size, strides, **more):
    return keras.layers.Conv2D(filters, size, strides=strides, padding='valid', activation='tanh', **more)


(x, y), (x_test, y_test) = read('train'), read('t10k')
is_cross_entropy = loss == 'crossEntropy'
targets = y if is_cross_entropy else np.eye(10, dtype=np.float32)[y.astype(int)]
model = keras.Sequential([convolution(8, 4, 2, input_shape=(28, 28, 1)), convolution(4, 4, 2), convolution(4, 2, 1), convolution(4, 2, 1),
                          convolution(4, 2, 1), keras.layers.Flatten(), keras.layers.Dense(10)])
wrapper = lm.model.ModelWrapper(model)
wrapper.compile(optimizer=keras.optimizers.SGD(learning_rate=0.1), solve_method='solve',
                loss=lm.loss.SparseCategoricalCrossentropy(from_logits=True) if is_cross_entropy else lm.loss.MeanSquaredError())
# Its probe with a batch of no examples fails on strided convolutions ("Incompatible shapes"): residuals of an example, told by hand.
wrapper.trainer._num_outputs = 1 if is_cross_entropy else 10
wrapper.trainer.backup_variables()

milliseconds, attempts = [], []
for step in range(steps):
    start = step % (len(x) // batch) * batch
    one = tf.constant(x[start:start + batch]), tf.constant(targets[start:start + batch])
    begin = time.perf_counter()
    found = wrapper.trainer.train_step(*one)
    found[0].numpy()
    milliseconds.append(1000 * (time.perf_counter() - begin))
    attempts.append(int(found[2]))


def evaluate(x, y):
    outputs = np.concatenate([model(x[i:i + 1000]).numpy() for i in range(0, len(x), 1000)]).astype(np.float64)
    if is_cross_entropy:
        top = outputs.max(1, keepdims=True)
        each = np.log(np.exp(outputs - top).sum(1)) + top[:, 0] - outputs[np.arange(len(y)), y.astype(int)]
    else:
        each = ((outputs - np.eye(10)[y.astype(int)]) ** 2).mean(1)
    return {'loss': float(each.mean()), 'accuracy': float((outputs.argmax(1) == y).mean())}


print(json.dumps({'seed': seed, 'loss': loss, 'batch': batch, 'steps': steps, 'parameters': model.count_params(), 'training': evaluate(x, y),
                  'test': evaluate(x_test, y_test), 'seconds': sum(milliseconds[1:]) / 1000, 'millisecondsPerStep': float(np.median(milliseconds[1:])),
                  'attempts': float(np.mean(attempts)), 'peakMiB': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
