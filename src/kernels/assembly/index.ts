/** The exports of the module. The types that callers see stand in ../kernels.ts. */
export {product, mirror, sumRows, sumColumns} from './product';
export {entrywise, multiplyColumns} from './entrywise';
