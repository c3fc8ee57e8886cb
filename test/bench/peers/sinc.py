"""tf-levenberg-marquardt on its curve: python sinc.py SEED EPOCHS prints one line of JSON. As its examples/curve_fitting.py has it, all defaults."""
import json
import os
import sys
import time

os.environ['TF_CPP_MIN_LOG_LEVEL'] = '2'
import keras
import numpy as np
import tensorflow as tf
import tf_levenberg_marquardt as lm

seed, epochs = int(sys.argv[1]), int(sys.argv[2])
POINTS, BATCH = 20000, 1000
keras.utils.set_random_seed(seed)
points = np.linspace(-1, 1, POINTS, dtype=np.float64)
x, y = (tf.expand_dims(tf.cast(values, tf.float32), -1) for values in (points, np.sinc(10 * points)))
data = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(POINTS).batch(BATCH).prefetch(tf.data.AUTOTUNE)
model = keras.Sequential([keras.layers.Dense(20, activation='tanh', input_shape=(1,)), keras.layers.Dense(1)])
wrapper = lm.model.ModelWrapper(model)
wrapper.compile(optimizer=keras.optimizers.SGD(learning_rate=1.0), loss=lm.loss.MeanSquaredError())


def loss_over_all():
    return float(tf.reduce_mean(tf.square(model(x) - y)))


class Losses(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.found, self.steps = {}, 0

    def on_train_batch_end(self, batch, logs=None):
        self.steps += 1

    def on_epoch_end(self, epoch, logs=None):
        if epoch + 1 in (10, 50, 100):
            self.found[epoch + 1] = loss_over_all()


losses = Losses()
start = time.perf_counter()
wrapper.fit(data, epochs=epochs, verbose=0, callbacks=[losses])
seconds = time.perf_counter() - start
print(json.dumps({'seed': seed, 'steps': losses.steps, 'parameters': model.count_params(), 'loss': loss_over_all(), 'lossAfterEpochs': losses.found,
                  'seconds': seconds, 'millisecondsPerStep': 1000 * seconds / losses.steps}))
