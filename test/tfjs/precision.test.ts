/** Backends that cannot carry a step are refused before f() runs. (Float16 textures: test/browser/webgl.test.ts.) */
import * as tf from '@tensorflow/tfjs';
import {MathBackendCPU} from '@tensorflow/tfjs-backend-cpu';
import test from 'ava';
import {ggn} from '../../src/index';

/** A backend whose reads are replaced. */
class Device extends MathBackendCPU {
  reads = 0;

  constructor(private readonly seen: (values: Float32Array) => Float32Array) {
    super();
  }

  override readSync(id: object): ReturnType<MathBackendCPU['readSync']> {
    this.reads++;
    const values = super.readSync(id);
    return values instanceof Float32Array ? this.seen(values) : values;
  }
}

async function on<T>(name: string, device: Device, act: () => T): Promise<T> {
  tf.copyRegisteredKernels('cpu', name);
  tf.registerBackend(name, () => device);
  await tf.setBackend(name);
  try {
    return act();
  } finally {
    await tf.setBackend('cpu');
    tf.removeBackend(name);
  }
}

/** Takes a step on a parabola with its minimum at 2, and returns its parameter. */
function step(times = 1): {calls: number; error: string; a: number} {
  const a = tf.tidy(() => tf.variable(tf.scalar(0.5)));
  const optimizer = ggn({learningRate: 1, damping: 0, momentum: 0});
  let calls = 0;
  let error = '';
  try {
    for (let i = 0; i < times; i++) {
      optimizer.minimize(() => {
        calls++;
        return a.sub(2).square().mean() as tf.Scalar;
      });
    }
  } catch (e) {
    error = (e as Error).message;
  }
  const value = MathBackendCPU.prototype.readSync.call(tf.backend(), a.dataId) as Float32Array;
  const result = {calls, error, a: value[0]};
  optimizer.dispose();
  a.dispose();
  return result;
}

const WRONG: Record<string, (values: Float32Array) => Float32Array> = {
  'zeros': values => values.map(() => 0),
  'zeros at the end': values => values.map((value, i) => i < 1024 ? value : 0),
  'NaN': values => values.map(() => NaN),
  'nothing': () => new Float32Array(0),
};

for (const [what, seen] of Object.entries(WRONG)) {
  test.serial(`a device from which ${what} come back is refused before f() runs, and leaves no tensor`, async t => {
    const {calls, error, a, leaked} = await on(`device-${what.replaceAll(' ', '-')}`, new Device(seen), () => {
      const {numTensors} = tf.memory();
      return {...step(), leaked: tf.memory().numTensors - numTensors};
    });
    t.is(calls, 0);
    t.is(a, 0.5);
    t.is(leaked, 0);
    t.regex(error, /^tfjs-ggn: the backend 'device-\S+' of this browser or device reads wrong numbers back from it: .*composited in software.*tf\.setBackend/);
  });
}

test.serial('a device that reads right trains, and is asked once', async t => {
  const device = new Device(values => values);
  await on('device-right', device, () => {
    const first = step();
    t.deepEqual([first.calls, first.error], [1, '']);
    t.true(Math.abs(first.a - 2) < 1e-6);
    const {reads} = device;
    step();
    const again = device.reads - reads;
    t.is(reads, again + 1, 'the first step reads once more');
  });
});

test.serial('backends in memory are not asked', async t => {
  await tf.setBackend('cpu');
  const {readSync} = MathBackendCPU.prototype;
  const sizes: number[] = [];
  MathBackendCPU.prototype.readSync = function(id) {
    const values = readSync.call(this, id);
    sizes.push((values as Float32Array).length);
    return values;
  };
  t.is(step().error, '');
  MathBackendCPU.prototype.readSync = readSync;
  t.false(sizes.includes(2048));
});
