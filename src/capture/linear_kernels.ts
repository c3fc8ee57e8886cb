import type {TraceNode} from './trace';

const LINEAR = new Set(['Add', 'AddN', 'Sub', 'Neg', 'Mean', 'Sum', 'Reshape', 'ExpandDims', 'Cast', 'Concat', 'Pack', 'Transpose', 'Slice', 'Select',
  'Tile', 'BroadcastTo', 'GatherV2']);

/** Whether a node is an affine function of those of its inputs that depend on the variables. */
export function isLinear(node: TraceNode, dependent: readonly boolean[]): boolean {
  switch (node.kernel) {
    case 'Multiply':
      return node.inputs.filter(([, input]) => dependent[input]).length === 1;
    case 'RealDiv':
      return !dependent[node.inputs.find(([name]) => name === 'b')![1]];
    default:
      return LINEAR.has(node.kernel);
  }
}
