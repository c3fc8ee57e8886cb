/**
 * out[k, i] += Σ_p rows[p, k, ⌊i / multiplier⌋]·y[p, i] for patches `rows` [positions, filter, channels]
 * and y [positions, channels · multiplier]. The sum over p is whole before it is added.
 */
export function depthwiseSums(rows: usize, y: usize, out: usize, positions: i32, filter: i32, channels: i32,
    multiplier: i32): void {
  const outer = channels * multiplier;
  const step = <usize>(filter * channels) << 2, yStep = <usize>outer << 2;
  for (let k = 0; k < filter; k++, rows += <usize>channels << 2, out += yStep) {
    let i = 0;
    if (multiplier === 1) {
      for (; i + 8 <= channels; i += 8) {
        const at = <usize>i << 2;
        let row = rows + at, other = y + at;
        let left = f32x4.splat(0), right = f32x4.splat(0);
        for (let p = 0; p < positions; p++, row += step, other += yStep) {
          left = f32x4.add(f32x4.mul(v128.load(row), v128.load(other)), left);
          right = f32x4.add(f32x4.mul(v128.load(row, 16), v128.load(other, 16)), right);
        }
        v128.store(out + at, f32x4.add(v128.load(out + at), left));
        v128.store(out + at, f32x4.add(v128.load(out + at, 16), right), 16);
      }
    }
    for (; i < outer; i++) {
      const at = <usize>i << 2;
      let row = rows + (<usize>(i / multiplier) << 2), other = y + at;
      let sum: f32 = 0;
      for (let p = 0; p < positions; p++, row += step, other += yStep) {
        sum += load<f32>(row) * load<f32>(other);
      }
      store<f32>(out + at, load<f32>(out + at) + sum);
    }
  }
}
