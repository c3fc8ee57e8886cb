import type {Case} from '../cases/cases';

/**
 * The first cases that between them use every layer kind, and every value of its options that are words or flags (activation, padding,
 * merge mode, ...): compiling the shaders of one case takes a second without a GPU, so that all of the table would take too long for every
 * run.
 */
export function coveringSubset(cases: readonly Case[]): Case[] {
  const seen = new Set<string>();
  return cases.filter(c => {
    const model = c.model();
    const fresh = model.layers.flatMap(layer => optionsOf(layer.getClassName(), layer.getConfig())).filter(option => !seen.has(option));
    model.dispose();
    fresh.forEach(option => seen.add(option));
    return fresh.length > 0;
  });
}

/** 'Conv2D', 'Conv2D.padding=same', ...: of a layer and of the layers within it. */
function optionsOf(layer: string, config: object): string[] {
  return [layer, ...Object.entries(config).flatMap(([key, value]) => {
    if (NEUTRAL.test(key) || value == null) {
      return [];
    }
    if (Array.isArray(value)) {
      return value.flatMap(one => typeof one === 'object' && one !== null ? optionsOf(layer, one as object) : []);
    }
    if (typeof value === 'object') {
      const {className, config} = value as {className?: string; config?: object};
      return optionsOf(className ?? layer, config ?? value as object);
    }
    return typeof value === 'string' || typeof value === 'boolean' ? [`${layer}.${key}=${value}`] : [];
  })];
}

/** Options that make no difference to the kernels of a step. */
const NEUTRAL = /name|initializer|regularizer|constraint|trainable|dtype|inbound|inputLayers|outputLayers|inputShape/i;
