/**
 * out[(image, o), (k, channel)] = x[image, o·stride + k·dilation - before, channel], and zero in the
 * padding. Extents go by depth, height and width.
 */
export function patches(x: usize, out: usize, images: i32, channels: i32, depth: i32, height: i32, width: i32,
    outDepth: i32, outHeight: i32, outWidth: i32, filterDepth: i32, filterHeight: i32, filterWidth: i32, strideZ: i32,
    strideY: i32, strideX: i32, dilationZ: i32, dilationY: i32, dilationX: i32, beforeZ: i32, beforeY: i32,
    beforeX: i32): void {
  walk(x, out, images, channels, depth, height, width, outDepth, outHeight, outWidth, filterDepth, filterHeight,
      filterWidth, strideZ, strideY, strideX, dilationZ, dilationY, dilationX, beforeZ, beforeY, beforeX, false);
}

/** x += the transpose of that map at `out`: each entry of a patch is added to its place in x. */
export function addPatches(x: usize, out: usize, images: i32, channels: i32, depth: i32, height: i32, width: i32,
    outDepth: i32, outHeight: i32, outWidth: i32, filterDepth: i32, filterHeight: i32, filterWidth: i32,
    strideZ: i32, strideY: i32, strideX: i32, dilationZ: i32, dilationY: i32, dilationX: i32, beforeZ: i32,
    beforeY: i32, beforeX: i32): void {
  walk(x, out, images, channels, depth, height, width, outDepth, outHeight, outWidth, filterDepth, filterHeight,
      filterWidth, strideZ, strideY, strideX, dilationZ, dilationY, dilationX, beforeZ, beforeY, beforeX, true);
}

function walk(x: usize, out: usize, images: i32, channels: i32, depth: i32, height: i32, width: i32, outDepth: i32,
    outHeight: i32, outWidth: i32, filterDepth: i32, filterHeight: i32, filterWidth: i32, strideZ: i32, strideY: i32,
    strideX: i32, dilationZ: i32, dilationY: i32, dilationX: i32, beforeZ: i32, beforeY: i32, beforeX: i32,
    isAdded: bool): void {
  for (let image = 0; image < images; image++) {
    for (let oz = 0; oz < outDepth; oz++) {
      for (let oy = 0; oy < outHeight; oy++) {
        for (let ox = 0; ox < outWidth; ox++) {
          for (let kz = 0; kz < filterDepth; kz++) {
            const z = oz * strideZ + kz * dilationZ - beforeZ;
            for (let ky = 0; ky < filterHeight; ky++) {
              const y = oy * strideY + ky * dilationY - beforeY;
              const isRow = <u32>z < <u32>depth && <u32>y < <u32>height;
              const row = (image * depth + z) * height + y;
              let at = ox * strideX - beforeX;
              for (let kx = 0; kx < filterWidth;) {
                // Positions that follow each other in the input are copied at once.
                let run = 1;
                if (dilationX === 1) {
                  run = filterWidth - kx;
                  if (at < width) {
                    run = min(run, at < 0 ? -at : width - at);
                  }
                }
                const size = <usize>(run * channels) << 2;
                if (isRow && <u32>at < <u32>width) {
                  const place = x + (<usize>((row * width + at) * channels) << 2);
                  if (isAdded) {
                    add(out, place, size);
                  } else {
                    copy(place, out, size);
                  }
                } else if (!isAdded) {
                  zero(out, size);
                }
                out += size;
                kx += run;
                at += run * dilationX;
              }
            }
          }
        }
      }
    }
  }
}

// @ts-ignore: decorator
@inline
function copy(from: usize, to: usize, size: usize): void {
  const end = to + size;
  for (; to + 16 <= end; to += 16, from += 16) {
    v128.store(to, v128.load(from));
  }
  for (; to < end; to += 4, from += 4) {
    store<f32>(to, load<f32>(from));
  }
}

// @ts-ignore: decorator
@inline
function zero(to: usize, size: usize): void {
  for (const end = to + size; to < end; to += 4) {
    store<f32>(to, 0);
  }
}

// @ts-ignore: decorator
@inline
function add(from: usize, to: usize, size: usize): void {
  const end = to + size;
  for (; to + 16 <= end; to += 16, from += 16) {
    v128.store(to, f32x4.add(v128.load(to), v128.load(from)));
  }
  for (; to < end; to += 4, from += 4) {
    store<f32>(to, load<f32>(to) + load<f32>(from));
  }
}
