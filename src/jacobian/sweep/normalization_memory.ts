import type {Trace, TraceNode} from '../../trace/trace';

/**
 * Floats that the cotangents of a FusedBatchNorm take beside δ, at the least, if tfjs's gradient
 * gives the cotangent of μ or σ². The gradient makes x - μ, δ ∘ scale, and five tensors of the
 * shape of σ²: σ² + ε, 1/σ, and three on the way to -1/(2σ³). Each wanted cotangent adds
 *
 *     x         δ ∘ (1/σ ∘ scale), and up to three tensors for the factor
 *     scale     (x - μ)/σ and its product with δ
 *     μ         -1/σ and its product with δ
 *     σ²        (x - μ) ∘ (-1/(2σ³)) and its product with δ
 *
 * All these tensors exist until the last cotangent is made.
 *
 * @param wanted whether the cotangent of an input is taken.
 * @param sizeOf floats of a value.
 */
export function normalizationFloats(trace: Trace, node: TraceNode, wanted: (input: string) => boolean,
    sizeOf = (value: number): number => trace.values[value].size): number {
  const inputs = new Map(node.inputs);
  const [x, variance] = ['x', 'variance'].map(name => sizeOf(inputs.get(name)!));
  const floats = {
    x: x + (inputs.has('scale') ? 3 : 2) * variance, scale: 2 * x, mean: x + variance, variance: 2 * x,
  };
  const isTaken = ([name]: [string, number]): boolean => inputs.has(name) && wanted(name);
  return 2 * x + 5 * variance + Object.entries(floats).filter(isTaken).reduce((sum, [, more]) => sum + more, 0);
}
