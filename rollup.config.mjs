// One input, four builds: ESM and CommonJS for npm, and for script tags a plain and a minified file whose global is `tfggn`.
// The declarations go to dist/types, from where docs/api.mjs rolls them up into one file.
import terser from '@rollup/plugin-terser';
import typescript from '@rollup/plugin-typescript';

const tf = ['@tensorflow/tfjs-core'];   // a script-tag page has it in its `tf`
const output = (file, format, more) => ({file: `dist/${file}`, format, sourcemap: true, exports: 'named', ...more});
const umd = {name: 'tfggn', globals: Object.fromEntries(tf.map(name => [name, 'tf']))};

export default {
  input: 'src/index.ts',
  external: tf,
  plugins: [
    typescript({
      compilerOptions: {
        // ES2015 classes or later: a class of ours extends tfjs's Optimizer, and an ES5 class cannot extend an ES2017 one.
        target: 'ES2022', rootDir: 'src', types: [], noEmitOnError: true, declaration: true, declarationDir: 'dist/types',
      },
    }),
  ],
  output: [
    output('index.js', 'es'),
    output('index.cjs', 'cjs'),
    output('tfjs-ggn.js', 'umd', umd),
    output('tfjs-ggn.min.js', 'umd', {...umd, plugins: [terser()]}),
  ],
  onwarn(warning) {   // an unresolved import or a circular one is a mistake here, not a remark
    throw new Error(warning.message);
  },
};
