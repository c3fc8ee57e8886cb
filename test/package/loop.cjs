// A curve fitted in a custom loop without layers and without chained ops. A script for a page and a module for Node at once.
async function loop(tf, {ggn, leastSquares, stepMetrics}) {
  await tf.setBackend('cpu');
  const x = tf.linspace(0, 2, 20);
  const y = tf.tidy(() => tf.mul(3, tf.exp(tf.mul(-1.5, x))));
  const [a, b] = [tf.variable(tf.scalar(1)), tf.variable(tf.scalar(-0.5))];
  const optimizer = ggn();
  for (let i = 0; i < 15; i++) {
    optimizer.minimize(() => leastSquares(tf.sub(tf.mul(a, tf.exp(tf.mul(b, x))), y)));
  }
  const again = ggn();
  await again.setWeights(await optimizer.getWeights());
  return {
    version: tf.version_core,
    fitted: [a.dataSync()[0], b.dataSync()[0]],
    steps: again.iterations,
    callback: typeof stepMetrics(optimizer).onEpochEnd,
  };
}
if (typeof module !== 'undefined') module.exports = loop;
