/**
 * out[p, r] = from[r·across + p·along] for r < 4 and p < length; zero for r >= count. Rows of out are
 * outRow bytes apart, strides of the source count elements.
 */
export function packFour(from: usize, across: usize, along: usize, count: i32, length: i32, out: usize,
    outRow: usize): void {
  across <<= 2;
  along <<= 2;
  let p = 0;
  if (count >= 4) {
    if (across === 4) {
      for (; p < length; p++, from += along, out += outRow) {
        v128.store(out, v128.load(from));
      }
    } else if (along === 4) {
      for (; p + 4 <= length; p += 4, from += 16) {
        const r0 = v128.load(from), r1 = v128.load(from + across);
        const r2 = v128.load(from + 2 * across), r3 = v128.load(from + 3 * across);
        const s0 = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5), s1 = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7);
        const s2 = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5), s3 = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7);
        v128.store(out, v128.shuffle<f32>(s0, s2, 0, 1, 4, 5));
        v128.store(out += outRow, v128.shuffle<f32>(s0, s2, 2, 3, 6, 7));
        v128.store(out += outRow, v128.shuffle<f32>(s1, s3, 0, 1, 4, 5));
        v128.store(out += outRow, v128.shuffle<f32>(s1, s3, 2, 3, 6, 7));
        out += outRow;
      }
    }
  }
  for (; p < length; p++, from += along, out += outRow) {
    for (let r = 0; r < 4; r++) {
      store<f32>(out + (<usize>r << 2), r < count ? load<f32>(from + <usize>r * across) : 0);
    }
  }
}

/** Panels of 4 lanes of a matrix, with zeros in the lanes that the last panel lacks; halves of 8 for width 2. */
export function packPanels(from: usize, across: usize, along: usize, count: i32, length: i32, out: usize,
    width: i32): void {
  const outRow = <usize>width << 4;
  for (let j = 0; j < count; j += 4 * width) {
    for (let half = 0; half < width; half++) {
      const first = j + 4 * half;
      packFour(from + ((<usize>first * across) << 2), across, along, count - first, length, out + (<usize>half << 4), outRow);
    }
    out += <usize>length * outRow;
  }
}
