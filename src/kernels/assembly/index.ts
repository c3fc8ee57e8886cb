/** The exports of the module. ../kernels.ts has their descriptions. */
export {product, mirror, sumRows, sumColumns} from './product';
export {entrywise} from './entrywise';
export {cholesky64} from './cholesky';
export {inverseDiagonal64} from './inverse';
export {cholesky32} from './blocked_cholesky';
export {solve64, solve32} from './rows';
export {patches, addPatches} from './patches';
export {depthwiseSums} from './depthwise';
export {tanh} from './tanh';
export {combined, addScaled} from './broadcast';
export {rowDots, areFinite} from './reductions';
